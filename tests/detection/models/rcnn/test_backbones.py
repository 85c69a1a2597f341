"""Classification networks: stages, what stays frozen, what they start from."""

from __future__ import annotations

from urllib.error import URLError

import pytest
import torch
from torchvision import models

from cvdl.core.errors import InputError
from cvdl.detection.models.rcnn.backbones import BACKBONES, MODEL, STAGES, build_classifier
from cvdl.networks.weights import save_weights

SMALL = "mobilenet_v3_small"


def save(model, path, backbone=SMALL):
    save_weights(path, model.state_dict(), {"model": MODEL, "backbone": backbone})


@pytest.mark.parametrize("name", ["resnet18", "densenet121", SMALL])
def test_it_is_torchvisions_network(name):
    torch.manual_seed(0)
    model = build_classifier(name, 7).eval()
    torch.manual_seed(0)
    reference = models.get_model(name, weights=None, num_classes=7).eval()
    image = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(model(image), reference(image))


@pytest.mark.parametrize("name", BACKBONES)
@pytest.mark.slow
def test_every_network_has_five_stages_and_a_head(name):
    with torch.device("meta"):  # shapes alone: VGG's weights take long to draw
        model = build_classifier(name, 7)
        reference = models.get_model(name, weights=None, num_classes=7)
        shapes = [
            model.features[: count + 1](torch.rand(1, 3, 224, 224)).shape[2]
            for count in range(STAGES)
        ]
    assert [some.shape for some in model.parameters()] == [
        some.shape for some in reference.parameters()
    ]
    assert shapes == {
        "alexnet": [27, 13, 13, 13, 6],
        "resnet18": [56, 56, 28, 14, 7],
        "resnet50": [56, 56, 28, 14, 7],
        "densenet121": [56, 28, 14, 7, 7],
    }.get(name, [112, 56, 28, 14, 7])
    assert model.head[-1].out_features == 7


def test_input_is_normalized_by_the_stored_mean_and_deviation():
    torch.manual_seed(0)
    model = build_classifier(SMALL, 3).eval()
    image = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        plain = model((image - 0.4) / 0.2)
        model.mean, model.deviation = torch.full((3,), 0.4), torch.full((3,), 0.2)
        torch.testing.assert_close(model(image), plain)


@pytest.mark.parametrize("frozen", [0, 2, STAGES])
def test_frozen_stages_do_not_move_and_the_others_do(frozen):
    torch.manual_seed(0)
    model = build_classifier("resnet18", 3, frozen_stages=frozen)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    trained = [some for some in model.parameters() if some.requires_grad]
    optimizer = torch.optim.SGD(trained, 0.1)
    model.train()
    model(torch.rand(4, 3, 64, 64)).square().sum().backward()
    optimizer.step()
    moved = {
        name.split(".")[1] if name.startswith("features") else "head"
        for name, value in model.state_dict().items()
        if not torch.equal(value, before[name])
    }
    assert moved == {*map(str, range(frozen, STAGES)), "head"}


def test_a_file_gives_all_but_the_last_layer(tmp_path):
    torch.manual_seed(0)
    trained = build_classifier(SMALL, 3)
    trained.mean.fill_(0.3)
    save(trained, tmp_path / "w.safetensors")
    model = build_classifier(SMALL, 5, str(tmp_path / "w.safetensors"))
    assert model.head[-1].out_features == 5
    assert model.mean[0] == pytest.approx(0.3)
    last = f"head.{len(model.head) - 1}."
    for name, value in trained.state_dict().items():
        if not name.startswith(last):
            torch.testing.assert_close(model.state_dict()[name], value, rtol=0, atol=0)


def test_a_file_of_another_backbone_is_refused(tmp_path):
    save(build_classifier("resnet18", 3), tmp_path / "w.safetensors", "resnet18")
    with pytest.raises(InputError, match=f"classifier of resnet18; expected {SMALL}"):
        build_classifier(SMALL, 3, str(tmp_path / "w.safetensors"))


def test_a_file_with_other_layers_is_refused(tmp_path):
    save(build_classifier("resnet18", 3), tmp_path / "w.safetensors", SMALL)
    with pytest.raises(InputError, match="the model expects"):
        build_classifier(SMALL, 3, str(tmp_path / "w.safetensors"))


def test_without_a_connection_the_error_is_one_line_with_a_remedy(monkeypatch):
    def offline(*args, **kwargs):
        raise URLError("no route")

    monkeypatch.setattr(models, "get_model", offline)
    with pytest.raises(InputError, match=r"cannot be downloaded .*get https://\S+\.pth where") as e:
        build_classifier("resnet18", 3, "IMAGENET1K_V1")
    assert "\n" not in str(e.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("lenet", 3), "backbone is 'lenet'; accepted: alexnet, vgg11"),
        (("resnet18", 0), "0 classes; accepted: 1 or more"),
        (("resnet18", 3, "", 6), "6 frozen stages; accepted: 0 to 5"),
        (("resnet18", 3, "COCO"), "weights are 'COCO'; accepted: IMAGENET1K_V1"),
        (("resnet18", 3, "none.safetensors"), "none.safetensors: no such file"),
    ],
)
def test_unknown_names_are_reported(arguments, message):
    with pytest.raises(InputError, match=message):
        build_classifier(*arguments)
