"""The detectors of torchvision, by name: with its own weights, or with ours.

Faster R-CNN (Ren et al. 2015), Mask R-CNN (He et al. 2017), RetinaNet (Lin et al. 2017), FCOS
(Tian et al. 2019), SSD (Liu et al. 2016) and SSDLite (Sandler et al. 2018; Howard et al. 2019).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torchvision.models import get_model_builder, get_model_weights
from torchvision.models.detection.anchor_utils import AnchorGenerator

from cvdl.core.errors import InputError
from cvdl.core.frame import RgbdFrame
from cvdl.detection.detections import Detections
from cvdl.detection.models.torchvision import DESCRIPTIONS
from cvdl.detection.models.torchvision.downloads import downloaded
from cvdl.networks.crops import frame_image
from cvdl.networks.weights import WeightsError, check_state, classes_of, load_weights, save_weights

__all__ = ["IMAGE_SIZES", "TorchvisionDetector", "load"]

#: The image's shorter side that each detector's anchors are made for, pixels.
_OWN_SIZES = {
    "fasterrcnn_resnet50_fpn": 800,
    "fasterrcnn_mobilenet_v3_large_320_fpn": 320,
    "maskrcnn_resnet50_fpn": 800,
    "retinanet_resnet50_fpn": 800,
    "fcos_resnet50_fpn": 800,
    "ssd300_vgg16": 300,
    "ssdlite320_mobilenet_v3_large": 320,
}
#: Those whose every image is made one square.
_SQUARE = ("ssd300_vgg16", "ssdlite320_mobilenet_v3_large")
#: Bounds of ``image_size``: below, the coarsest feature maps have no room; above, no gain.
IMAGE_SIZES = (128, 1600)
_DEFAULT_SIZE = 320  # a 640x480 frame becomes 427x320: a sixth of the work of COCO's 800
_LONGEST = 1333 / 800  # of the shorter side: torchvision's, and Faster R-CNN's 1000 / 600
#: Of those with two stages: of COCO's 2000 proposals an image to learn from, 512 of which are, and
#: 1000 when tested, the second stage's work would be most of a small image's. Of 300 an image
#: nearly as much is found (Ren et al. 2015); 128 are learnt from in Girshick 2015, section 2.3.
_LIGHTER: dict[str, Any] = {"rpn_post_nms_top_n_train": 600, "box_batch_size_per_image": 128}
_LIGHTER_TEST: dict[str, Any] = {"rpn_post_nms_top_n_test": 300}  # the MobileNet's own are 150
#: SSDLite's running means, at torchvision's momentum of 0.03, would lag behind short trainings.
_SSDLITE: dict[str, Any] = {"norm_layer": partial(nn.BatchNorm2d, eps=1e-3, momentum=0.1)}
_PARAMETERS = ("classes", "image_mean", "image_std", "image_size")  # in a file's metadata


class TorchvisionDetector(nn.Module):
    """One of torchvision's detectors, from frames to detections.

    Training (``network`` in training mode) takes what torchvision takes, with label 0 for the
    background: a class's label is one more than its place in ``classes``.

    Args:
        name: one of ``DESCRIPTIONS``.
        network: torchvision's module.
        classes: names, in the order of the labels of the detections.
        labels: (L,) the place in ``classes`` of each label of the network; -1: none.
    """

    network: Any

    def __init__(
        self, name: str, network: nn.Module, classes: Sequence[str], labels: Sequence[int]
    ) -> None:
        super().__init__()
        self.name, self.network, self.classes = name, network, tuple(classes)
        self._labels = np.asarray(labels, np.int64)

    @classmethod
    def new(
        cls,
        name: str,
        classes: Sequence[str],
        mean: Sequence[float],
        std: Sequence[float],
        image_size: int | None = None,
    ) -> TorchvisionDetector:
        """A detector with random weights, to be trained from scratch: nothing is downloaded.

        Batch normalisation learns (it is frozen where torchvision's weights are loaded), and all
        of the backbone is trained. Anchors are scaled with the image size.

        Args:
            name: one of ``DESCRIPTIONS``.
            classes: names of what is to be found.
            mean: (3,) of red, green and blue, 0 to 1, over the images to train on.
            std: (3,) their deviation.
            image_size: pixels: frames are scaled until their shorter side has so many, or their
                longer one 5/3 of it. None: 320, or what an SSD is made for, which is fixed.

        Raises:
            InputError: if there is no such detector, no class, or the size cannot be had.
        """
        size = _image_size(name, image_size)
        if not classes:
            raise InputError(f"{name} has no classes; accepted: one or more")
        network = get_model_builder(name)(
            weights=None, weights_backbone=None, num_classes=len(classes) + 1, **_options(name)
        )
        transform = network.transform
        transform.image_mean, transform.image_std = list(mean), list(std)
        if name not in _SQUARE:
            transform.min_size, transform.max_size = (size,), round(size * _LONGEST)
            if name != "fcos_resnet50_fpn":  # whose anchors are its feature maps' strides
                _scale_anchors(network, size / _OWN_SIZES[name])
        return cls(name, network, classes, range(-1, len(classes)))

    @classmethod
    def load(cls, name: str, path: Path) -> TorchvisionDetector:
        """A detector with weights that ``save`` wrote.

        Raises:
            InputError: if there is no such detector, the file is missing, damaged or of another
                model, or its classes are not as many as its weights are for.
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
        detector = cls.new(name, classes, mean, std, size)
        try:
            check_state(path, state, detector.state_dict())
        except WeightsError as error:
            raise WeightsError(f"{error} for the {len(classes)} classes that it names") from error
        detector.load_state_dict(state)
        return detector.eval()

    @classmethod
    def from_torchvision(cls, name: str, weights: str) -> TorchvisionDetector:
        """A detector with torchvision's own weights, downloaded unless they have been before.

        Args:
            name: one of ``DESCRIPTIONS``.
            weights: their name, as ``COCO_V1``; ``DEFAULT``: the best.

        Raises:
            InputError: if there are no such weights, or they cannot be downloaded or read.
        """
        _check_name(name)
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

    @torch.no_grad()
    def forward(
        self,
        frames: Sequence[RgbdFrame],
        proposals: Sequence[NDArray[np.float64]] | None = None,
    ) -> list[Detections]:
        """What is in each frame, by its colour alone; see ``Detector``.

        Args:
            frames: of any sizes.
            proposals: not needed; ignored.

        Raises:
            InputError: if a frame is so narrow that nothing of it is left when it is scaled.
        """
        for frame in frames:
            self._check_shape(frame)
        device = next(self.parameters()).device
        detections = [Detections.none()] * len(frames)
        # Together only what is of one size: beside a larger one, an image is padded, which changes
        # what is found near its border.
        sizes: dict[tuple[int, ...], list[int]] = {}
        for place, frame in enumerate(frames):
            sizes.setdefault(frame.depth.shape, []).append(place)
        for places in sizes.values():
            found = self.network([frame_image(frames[place], device) for place in places])
            for place, some in zip(places, found, strict=True):
                detections[place] = self._detections(some)
        return detections

    def save(self, path: Path, metadata: dict[str, str]) -> None:
        """Write the weights of a detector that is ``new``, with all that ``load`` needs.

        Args:
            path: a safetensors file, to write.
            metadata: more to write into it.
        """
        transform = self.network.transform
        size = _OWN_SIZES[self.name] if self.name in _SQUARE else transform.min_size[0]
        values = (self.classes, transform.image_mean, transform.image_std, size)
        own = {key: json.dumps(value) for key, value in zip(_PARAMETERS, values, strict=True)}
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

    def _detections(self, found: dict[str, Tensor]) -> Detections:
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


def load(name: str, weights: str, device: torch.device) -> TorchvisionDetector:
    """A trained detector; see ``cvdl.detection.load_detector``.

    Args:
        name: one of ``DESCRIPTIONS``.
        weights: a file that `TorchvisionDetector.save` wrote, or the name of torchvision's.
        device: where it runs.

    Raises:
        InputError: see `TorchvisionDetector.load` and `TorchvisionDetector.from_torchvision`.
    """
    if Path(weights).suffix or Path(weights).is_file():
        detector = TorchvisionDetector.load(name, Path(weights))
    else:
        detector = TorchvisionDetector.from_torchvision(name, weights)
    # With channels last, as convolutions are fastest: a tenth of the time on the CPU.
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
    """What is other than torchvision has it for training on COCO."""
    if name.startswith("ssdlite"):
        return _SSDLITE
    if "rcnn_resnet50" in name:
        return _LIGHTER | _LIGHTER_TEST
    return _LIGHTER if "rcnn" in name else {}


def _scale_anchors(network: Any, scale: float) -> None:
    """Make the anchors as large in the scaled image as they are in one of the detector's size."""
    holder = network.rpn if hasattr(network, "rpn") else network
    old = holder.anchor_generator
    sizes = tuple(tuple(size * scale for size in level) for level in old.sizes)
    holder.anchor_generator = AnchorGenerator(sizes, old.aspect_ratios)
