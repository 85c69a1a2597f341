"""The detectors of torchvision by name, with its weights or with your own.

Faster R-CNN (Ren et al. 2015), Mask R-CNN (He et al. 2017), RetinaNet (Lin et al. 2017), FCOS
(Tian et al. 2019), SSD (Liu et al. 2016) and SSDLite (Sandler et al. 2018; Howard et al. 2019).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torchvision.models import get_model_builder, get_model_weights
from torchvision.models.detection.anchor_utils import AnchorGenerator

from cvdl.core.errors import InputError
from cvdl.core.frame import RgbdFrame
from cvdl.detection.detections import Detections
from cvdl.detection.detector import FrameByFrame
from cvdl.detection.models.torchvision import ANY_BACKBONE, DESCRIPTIONS
from cvdl.detection.models.torchvision.any_backbone import faster_rcnn, ssd
from cvdl.networks.classifiers import Classifier, build_classifier
from cvdl.networks.crops import color_tensor
from cvdl.networks.downloads import downloaded
from cvdl.networks.metadata import WeightsError, classes_of
from cvdl.networks.weights import check_state, load_weights, save_weights

__all__ = ["IMAGE_SIZES", "TorchvisionDetector", "load"]

#: Shorter side of the image that the anchors of each detector are made for, pixels.
_OWN_SIZES = {
    "fasterrcnn": 800,
    "ssd": 320,
    "fasterrcnn_resnet50_fpn": 800,
    "fasterrcnn_mobilenet_v3_large_320_fpn": 320,
    "maskrcnn_resnet50_fpn": 800,
    "retinanet_resnet50_fpn": 800,
    "fcos_resnet50_fpn": 800,
    "ssd300_vgg16": 300,
    "ssdlite320_mobilenet_v3_large": 320,
}
#: Detectors that resize every image to a square.
_SQUARE = ("ssd", "ssd300_vgg16", "ssdlite320_mobilenet_v3_large")
#: Range of ``image_size``: smaller ones leave no room for the coarsest feature maps, larger ones
#: gain nothing.
IMAGE_SIZES = (128, 1600)
_DEFAULT_SIZE = 320  # 640x480 becomes 427x320: a sixth of the work of COCO's 800
_LONGEST = 1333 / 800  # times the shorter side: torchvision's; 1000 / 600 in Faster R-CNN
#: Two-stage detectors. With the numbers for COCO, 2000 proposals in training, of which 512 are
#: sampled, and 1000 in testing, the second stage dominates the time of a small image. 300
#: proposals are nearly as good (Ren et al. 2015); Girshick 2015, section 2.3, samples 128.
_LIGHTER: dict[str, Any] = {"rpn_post_nms_top_n_train": 600, "box_batch_size_per_image": 128}
_LIGHTER_TEST: dict[str, Any] = {"rpn_post_nms_top_n_test": 300}  # 150 with MobileNet by default
#: With torchvision's momentum of 0.03, SSDLite's running means lag behind in a short training.
_SSDLITE: dict[str, Any] = {"norm_layer": partial(nn.BatchNorm2d, eps=1e-3, momentum=0.1)}
_PARAMETERS = ("classes", "image_mean", "image_std", "image_size")  # in the metadata of a file
_BACKBONE = "backbone"  # there, of those with any backbone


class TorchvisionDetector(FrameByFrame, nn.Module):
    """A detector of torchvision.

    In training mode, ``network`` takes torchvision's targets, with label 0 for the background:
    the label of a class is its index in ``classes`` plus one.

    Args:
        name: one of ``DESCRIPTIONS``.
        network: torchvision's module.
        classes: class names, in the order of the class indices of the detections.
        labels: (L,) index in ``classes`` of each label of the network; -1 for none.
    """

    network: Any

    def __init__(
        self, name: str, network: nn.Module, classes: Sequence[str], labels: Sequence[int]
    ) -> None:
        super().__init__()
        self.name, self.network, self.classes = name, network, tuple(classes)
        self._labels = np.asarray(labels, np.int64)
        self._backbone: tuple[Classifier, ...] = ()  # one or none; its layers are the network's

    @classmethod
    def new(
        cls,
        name: str,
        classes: Sequence[str],
        mean: Sequence[float],
        std: Sequence[float],
        image_size: int | None = None,
        backbone: Classifier | None = None,
    ) -> TorchvisionDetector:
        """Return a detector to train, with random weights but for a given backbone.

        Batch normalization is trained (with torchvision's weights it is frozen), and so is the
        whole backbone but for its frozen stages. Anchors are scaled with the image size.

        Args:
            name: one of ``DESCRIPTIONS``.
            classes: class names.
            mean: (3,) mean red, green and blue of the training set, 0 to 1.
            std: (3,) their standard deviation.
            image_size: pixels. Frames are resized so that the shorter side is that long, or the
                longer one 5/3 of it. None: 320, or the fixed size of an SSD.
            backbone: of those of ``ANY_BACKBONE``, and of no others.

        Raises:
            InputError: if there is no such detector, no class, or the size is not accepted.
        """
        size = _image_size(name, image_size)
        if not classes:
            raise InputError(f"{name} has no classes; accepted: one or more")
        outputs = len(classes) + 1
        if backbone is None:
            network = get_model_builder(name)(
                weights=None, weights_backbone=None, num_classes=outputs, **_options(name)
            )
        elif name == "ssd":
            network = ssd(backbone, outputs, size)
        else:
            network = faster_rcnn(backbone, outputs, **_options(name))
        transform = network.transform
        transform.image_mean, transform.image_std = list(mean), list(std)
        if name not in _SQUARE:
            transform.min_size, transform.max_size = (size,), round(size * _LONGEST)
            if name != "fcos_resnet50_fpn":  # whose anchors are its feature maps' strides
                _scale_anchors(network, size / _OWN_SIZES[name])
        detector = cls(name, network, classes, range(-1, len(classes)))
        if backbone is not None:
            detector._backbone = (backbone,)
        return detector

    @classmethod
    def load(cls, name: str, path: Path) -> TorchvisionDetector:
        """Load a detector from a file that ``save`` wrote.

        Raises:
            InputError: if there is no such detector, the file is missing, damaged or of another
                model, or the number of its classes does not match its weights.
        """
        _check_name(name)
        state, metadata = load_weights(path, name)
        classes = classes_of(path, metadata)
        try:
            *colors, size = (json.loads(metadata[key]) for key in _PARAMETERS[1:])
            mean, std = ([float(value) for value in color] for color in colors)
            if len(mean) != 3 or len(std) != 3 or not isinstance(size, int):
                raise ValueError(f"three values each of {_PARAMETERS[1:3]}, or a whole image_size")
        except (KeyError, TypeError, ValueError) as error:
            raise WeightsError(
                f"{path}: its metadata lack {error}; expected {', '.join(_PARAMETERS)} as JSON"
            ) from error
        backbone = None
        if name in ANY_BACKBONE:
            backbone = build_classifier(metadata.get(_BACKBONE, ""), 1)
        detector = cls.new(name, classes, mean, std, size, backbone)
        try:
            check_state(path, state, detector.state_dict())
        except WeightsError as error:
            raise WeightsError(f"{error} for the {len(classes)} classes that it names") from error
        detector.load_state_dict(state)
        return detector.eval()

    @classmethod
    def from_torchvision(cls, name: str, weights: str) -> TorchvisionDetector:
        """Return a detector with torchvision's weights, which are downloaded once.

        Args:
            name: one of ``DESCRIPTIONS``.
            weights: their name, such as ``COCO_V1``; ``DEFAULT`` for the best.

        Raises:
            InputError: if there are no such weights, or they cannot be downloaded or read.
        """
        _check_name(name)
        if name in ANY_BACKBONE:
            raise WeightsError(f"weights are {weights!r}; {name} accepts a file of weights")
        known = get_model_weights(name)
        if weights not in known.__members__:
            raise InputError(
                f"weights are {weights!r}, which is not a file; accepted: a file of weights of "
                f"{name}, or {', '.join(known.__members__)}"
            )
        chosen = known[weights]
        build = partial(
            get_model_builder(name), weights=chosen, weights_backbone=None, progress=False
        )
        network = downloaded(build, chosen)
        categories = chosen.meta["categories"]
        real = [text for text in categories if text not in ("__background__", "N/A")]
        places = {text: place for place, text in enumerate(real)}
        labels = [places.get(text, -1) for text in categories]
        return cls(name, network, real, labels).eval()

    def train(self, mode: bool = True) -> TorchvisionDetector:
        """Set the mode; frozen stages stay in evaluation mode, with their batch statistics."""
        super().train(mode)
        for backbone in self._backbone:
            backbone.train(mode)
        return self

    @torch.no_grad()
    def detect(self, frame: RgbdFrame, proposals: NDArray[np.float64] | None) -> Detections:
        """Detect objects in the color of one frame; proposals are ignored.

        Raises:
            InputError: if the frame is so narrow that it has no pixels when it is resized.
        """
        self._check_shape(frame)
        (found,) = self.network([color_tensor(frame, next(self.parameters()).device)])
        found = {key: value.cpu() for key, value in found.items()}
        labels = self._labels[found["labels"].numpy()]
        scores = found["scores"].double().numpy()
        order = np.argsort(-scores, kind="stable")
        order = order[labels[order] >= 0]
        masks = None
        if "masks" in found:
            masks = (found["masks"][:, 0] >= 0.5).numpy()[order]
        return Detections(
            found["boxes"].double().numpy()[order], labels[order], scores[order], masks
        )

    def save(self, path: Path, metadata: Mapping[str, str]) -> None:
        """Write the weights of a ``new`` detector, with the parameters that ``load`` needs.

        Args:
            path: safetensors file.
            metadata: more metadata of the file.
        """
        transform = self.network.transform
        size = _OWN_SIZES[self.name] if self.name in _SQUARE else transform.min_size[0]
        values = (self.classes, transform.image_mean, transform.image_std, size)
        own = {key: json.dumps(value) for key, value in zip(_PARAMETERS, values, strict=True)}
        for backbone in self._backbone:
            own[_BACKBONE] = backbone.name
        save_weights(path, self.state_dict(), {**metadata, **own, "model": self.name})

    def _check_shape(self, frame: RgbdFrame) -> None:
        transform = self.network.transform
        if transform.fixed_size is not None:
            return
        height, width = frame.color.shape[:2]
        short, long = min(height, width), max(height, width)
        scale = min(transform.min_size[-1] / short, transform.max_size / long)
        if short * scale < 1:
            raise InputError(
                f"frame is {width}x{height}; {self.name} accepts sides that differ by a factor of "
                f"{transform.max_size} at most"
            )


def load(name: str, weights: str, device: torch.device) -> TorchvisionDetector:
    """Load a trained detector; see ``cvdl.detection.load_detector``.

    Args:
        name: one of ``DESCRIPTIONS``.
        weights: a file that `TorchvisionDetector.save` wrote, or the name of torchvision's weights.
        device: device of the network.

    Raises:
        InputError: see `TorchvisionDetector.load` and `TorchvisionDetector.from_torchvision`.
    """
    if Path(weights).suffix or Path(weights).is_file():
        detector = TorchvisionDetector.load(name, Path(weights))
    else:
        detector = TorchvisionDetector.from_torchvision(name, weights)
    # Channels last: saves a tenth of the time on a CPU.
    return detector.to(device).to(memory_format=torch.channels_last)


def _check_name(name: str) -> None:
    if name not in DESCRIPTIONS:
        raise InputError(f"detector is {name!r}; accepted: {', '.join(DESCRIPTIONS)}")


def _image_size(name: str, size: int | None) -> int:
    _check_name(name)
    if name in _SQUARE:
        if size not in (None, _OWN_SIZES[name]):
            raise InputError(f"image_size is {size}; {name} accepts {_OWN_SIZES[name]} only")
        return _OWN_SIZES[name]
    size = _DEFAULT_SIZE if size is None else size
    low, high = IMAGE_SIZES
    if not low <= size <= high:
        raise InputError(f"image_size is {size}; accepted: {low} to {high}")
    return size


def _options(name: str) -> dict[str, Any]:
    """Options that differ from torchvision's for COCO."""
    if name.startswith("ssdlite"):
        return _SSDLITE
    if name == "fasterrcnn" or "rcnn_resnet50" in name:
        return _LIGHTER | _LIGHTER_TEST
    return _LIGHTER if "rcnn" in name else {}


def _scale_anchors(network: Any, scale: float) -> None:
    """Scale the anchors with the image."""
    holder = network.rpn if hasattr(network, "rpn") else network
    old = holder.anchor_generator
    sizes = tuple(tuple(size * scale for size in level) for level in old.sizes)
    holder.anchor_generator = AnchorGenerator(sizes, old.aspect_ratios)
