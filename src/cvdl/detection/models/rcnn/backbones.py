"""Classification networks by name, of one form: five stages of convolutions, then a head.

The networks are torchvision's: AlexNet (Krizhevsky 2014), VGG (Simonyan & Zisserman 2015), ResNet
(He et al. 2016), DenseNet (Huang et al. 2017) and MobileNetV3 (Howard et al. 2019).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, cast, get_args

import torch
from torch import Tensor, nn
from torchvision import models

from cvdl.core.errors import InputError
from cvdl.detection.models.torchvision.downloads import downloaded
from cvdl.networks.weights import WeightsError, check_state, load_weights

__all__ = ["BACKBONES", "MODEL", "STAGES", "Backbone", "Classifier", "build_classifier"]

Backbone = Literal[
    "alexnet",
    "vgg11",
    "vgg16",
    "resnet18",
    "resnet50",
    "densenet121",
    "mobilenet_v3_small",
    "mobilenet_v3_large",
]
BACKBONES: tuple[str, ...] = get_args(Backbone)
#: Of every network: its resolution halves from one to the next (AlexNet's are its convolutions).
STAGES = 5
#: What the weights of a `Classifier` say that they are of.
MODEL = "classifier"


class Classifier(nn.Module):
    """A classification network that knows how its input is normalised.

    Attributes:
        name: one of `BACKBONES`.
        features: the five stages, each a ``Sequential``.
        head: a ``Sequential`` from the last stage's channels to the outputs; it begins with the
            pooling and ends with a ``Linear``.
        mean: buffer (3,), of the RGB values 0 to 1 that the network is trained on.
        deviation: buffer (3,), their standard deviation.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(
        self, name: str, features: nn.Sequential, head: nn.Sequential, frozen_stages: int
    ) -> None:
        super().__init__()
        self.name = name
        self.features = features
        self.head = head
        self.register_buffer("mean", torch.zeros(3))
        self.register_buffer("deviation", torch.ones(3))
        self._frozen = frozen_stages
        self.features[:frozen_stages].requires_grad_(False)
        self.train()

    def normalise(self, image: Tensor) -> Tensor:
        """RGB (N, 3, H, W), 0 to 1, to mean 0 and deviation 1 over the training's images."""
        return (image - self.mean[:, None, None]) / self.deviation[:, None, None]

    def forward(self, image: Tensor) -> Tensor:
        """RGB (N, 3, H, W), 0 to 1, of at least 64 pixels a side, to outputs (N, classes)."""
        logits: Tensor = self.head(self.features(self.normalise(image)))
        return logits

    def train(self, mode: bool = True) -> Classifier:
        """Training mode for what is not frozen: batch statistics of frozen stages stay too."""
        super().train(mode)
        self.features[: self._frozen].eval()
        return self


def build_classifier(
    name: str, classes: int, weights: str = "", frozen_stages: int = 0
) -> Classifier:
    """A network with as many outputs as there are classes.

    Args:
        name: one of `BACKBONES`.
        classes: outputs of the network.
        weights: what to start from, in all layers but the last: the name of torchvision's weights
            (``IMAGENET1K_V1``; downloaded), or a safetensors file of a classifier of that name;
            empty: random weights.
        frozen_stages: the first stages that training leaves as they are, 0 to 5.

    Raises:
        InputError: if there is no such network or weights, the weights cannot be read or
            downloaded, or the number of classes or frozen stages is not accepted.
    """
    if name not in _PARTS:
        raise InputError(f"backbone is {name!r}; accepted: {', '.join(BACKBONES)}")
    if classes < 1:
        raise InputError(f"{name}: {classes} classes; accepted: 1 or more")
    if not 0 <= frozen_stages <= STAGES:
        raise InputError(f"{name}: {frozen_stages} frozen stages; accepted: 0 to {STAGES}")
    is_file = weights.endswith(".safetensors") or Path(weights).is_file()
    if weights and not is_file:
        network = _pretrained(name, weights)
    else:
        network = models.get_model(name, weights=None, num_classes=classes)
    features, head = _PARTS[name](network)
    last = cast(nn.Linear, head[-1])
    if last.out_features != classes:
        head[-1] = nn.Linear(last.in_features, classes)
    model = Classifier(name, features, head, frozen_stages)
    if is_file:
        _read(model, Path(weights))
    return model


def _pretrained(name: str, weights: str) -> nn.Module:
    accepted = [some.name for some in models.get_model_weights(name)]
    if weights not in accepted:
        raise InputError(
            f"{name}: weights are {weights!r}; accepted: {', '.join(accepted)}, or a "
            ".safetensors file"
        )
    chosen = models.get_model_weights(name)[weights]
    build = partial(models.get_model, name, weights=chosen, progress=False)
    return cast(nn.Module, downloaded(build, chosen))


def _read(model: Classifier, path: Path) -> None:
    """All weights but those of the last layer, which is of other classes."""
    state, metadata = load_weights(path, MODEL)
    found = metadata.get("backbone", "no name")
    if found != model.name:
        raise WeightsError(f"{path}: holds a classifier of {found}; expected {model.name}")
    last = f"head.{len(model.head) - 1}."
    own = model.state_dict()
    theirs = {key: value for key, value in state.items() if key.startswith(last)}
    check_state(path, state, {**own, **theirs})
    model.load_state_dict({**state, **{key: own[key] for key in own if key.startswith(last)}})


def _grouped(layers: Sequence[nn.Module], starts: Sequence[bool]) -> nn.Sequential:
    """The layers as stages: a new one at each layer that starts one."""
    first = [number for number, is_first in enumerate(starts) if is_first]
    ends = [*first[1:], len(layers)]
    return nn.Sequential(
        *(nn.Sequential(*layers[start:end]) for start, end in zip(first, ends, strict=True))
    )


def _alexnet(network: Any) -> tuple[nn.Sequential, nn.Sequential]:
    layers = list(network.features)
    features = _grouped(layers, [isinstance(layer, nn.Conv2d) for layer in layers])
    return features, nn.Sequential(network.avgpool, nn.Flatten(), *network.classifier)


def _vgg(network: Any) -> tuple[nn.Sequential, nn.Sequential]:
    layers = list(network.features)
    pools = [isinstance(layer, nn.MaxPool2d) for layer in layers]
    features = _grouped(layers, [True, *pools[:-1]])
    return features, nn.Sequential(network.avgpool, nn.Flatten(), *network.classifier)


def _resnet(network: Any) -> tuple[nn.Sequential, nn.Sequential]:
    stem = nn.Sequential(network.conv1, network.bn1, network.relu, network.maxpool)
    features = nn.Sequential(stem, network.layer1, network.layer2, network.layer3, network.layer4)
    return features, nn.Sequential(network.avgpool, nn.Flatten(), network.fc)


def _densenet(network: Any) -> tuple[nn.Sequential, nn.Sequential]:
    names, layers = zip(*network.features.named_children(), strict=True)
    features = _grouped(layers, [name == "conv0" or "denseblock" in name for name in names])
    pool = nn.AdaptiveAvgPool2d(1)
    return features, nn.Sequential(nn.ReLU(), pool, nn.Flatten(), network.classifier)


def _mobilenet(network: Any) -> tuple[nn.Sequential, nn.Sequential]:
    layers = list(network.features)
    strides = [[getattr(some, "stride", 1) for some in layer.modules()] for layer in layers]
    features = _grouped(layers, [(2, 2) in some for some in strides])
    return features, nn.Sequential(network.avgpool, nn.Flatten(), *network.classifier)


_PARTS: dict[str, Callable[[Any], tuple[nn.Sequential, nn.Sequential]]] = {
    "alexnet": _alexnet,
    "vgg11": _vgg,
    "vgg16": _vgg,
    "resnet18": _resnet,
    "resnet50": _resnet,
    "densenet121": _densenet,
    "mobilenet_v3_small": _mobilenet,
    "mobilenet_v3_large": _mobilenet,
}
