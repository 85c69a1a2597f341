"""Classification networks by name, in a common form: five stages of convolutions, then a head.

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
from cvdl.networks.metadata import WeightsError
from cvdl.networks.weights import check_state, load_weights

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
#: Stages of every network: each halves the resolution (those of AlexNet are its convolutions).
STAGES = 5
#: Name of the model in the metadata of the weights of a `Classifier`.
MODEL = "classifier"


class Classifier(nn.Module):
    """A classification network that normalizes its input.

    Attributes:
        name: one of `BACKBONES`.
        features: the five stages, each a ``Sequential``.
        head: a ``Sequential`` from the channels of the last stage to the outputs; it begins with
            the pooling and ends with a ``Linear``.
        mean: buffer (3,), mean RGB of the training set, 0 to 1.
        deviation: buffer (3,), its standard deviation.
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

    def forward(self, image: Tensor) -> Tensor:
        """Return the outputs (N, classes) of RGB images (N, 3, H, W), 0 to 1, at least 64 x 64."""
        normalized = (image - self.mean[:, None, None]) / self.deviation[:, None, None]
        logits: Tensor = self.head(self.features(normalized))
        return logits

    def train(self, mode: bool = True) -> Classifier:
        """Set the mode; frozen stages stay in evaluation mode, with their batch statistics."""
        super().train(mode)
        self.features[: self._frozen].eval()
        return self


def build_classifier(
    name: str, classes: int, weights: str = "", frozen_stages: int = 0
) -> Classifier:
    """Return a network with one output per class.

    Args:
        name: one of `BACKBONES`.
        classes: number of outputs.
        weights: initial weights of all layers except the last one: the name of torchvision's
            weights (``IMAGENET1K_V1``; downloaded), or a safetensors file of a classifier with
            that backbone; empty for random weights.
        frozen_stages: number of first stages that are not trained, 0 to 5.

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
    """Load all weights except those of the last layer, which is for other classes."""
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
    """Layers as stages; ``starts`` marks the first layer of each."""
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
