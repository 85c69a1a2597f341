"""R-CNN: proposals, each recognised by a classification network on its crop.

Girshick, Donahue, Darrell & Malik 2014, with the multi-task network of Fast R-CNN (Girshick 2015,
section 2.3) in place of the support vector machines and the separate regression: one last layer
tells the class, with one more for *nothing*, and how the box must move. The move is the same for
all classes (as of R-FCN, Dai et al. 2016, section 2): tabletop objects are few, and so are their
labelled boxes.

Given the boxes of the segmentation, this is "segment, then recognise": they tell where, the
network what.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torchvision.ops import batched_nms

from cvdl.core.frame import RgbdFrame
from cvdl.detection.detections import Detections
from cvdl.detection.models.rcnn.backbones import MODEL, Classifier, build_classifier
from cvdl.detection.proposals import Proposer, SegmentsOrSearch
from cvdl.networks.crops import cut_crops, frame_image, moved_boxes
from cvdl.networks.weights import WeightsError, check_state, classes_of, load_weights, save_weights

__all__ = ["Rcnn", "load", "rcnn_network"]

_SCORE = 0.05  # below, a class is not told
_OVERLAP = 0.3  # intersection over union of two boxes of a class that are of one thing: the paper's
_MOST = 100  # detections in an image
_BATCH = 256  # crops: bounds the memory
_MOVES = 4


def rcnn_network(
    backbone: str, classes: int, weights: str = "", frozen_stages: int = 0
) -> Classifier:
    """A network with an output for each class, one for nothing, and four that move the box.

    Args and errors as of `build_classifier`.
    """
    return build_classifier(backbone, classes + 1 + _MOVES, weights, frozen_stages)


class Rcnn:
    """Recognises what is in boxes that are given, or that a proposer finds.

    Args:
        network: of `rcnn_network`.
        classes: names, in the order of the labels.
        crop: side of the squares that the network is given, pixels.
        proposer: what finds boxes where none are given.
    """

    def __init__(
        self,
        network: Classifier,
        classes: Sequence[str],
        crop: int,
        proposer: Proposer | None = None,
    ) -> None:
        self.classes = tuple(classes)
        self.network = network.eval()
        self.crop = crop
        self._proposer = proposer or SegmentsOrSearch()

    def __call__(
        self,
        frames: Sequence[RgbdFrame],
        proposals: Sequence[NDArray[np.float64]] | None = None,
    ) -> list[Detections]:
        """What is in each frame; see `Detector`.

        Where no proposals are given: the objects on the support plane where the frame's depth
        shows one, else selective search.
        """
        boxes = [self._proposer(frame) for frame in frames] if proposals is None else proposals
        return [
            _detections(*found, frame.depth.shape)
            for frame, found in zip(frames, self._outputs(frames, boxes), strict=True)
        ]

    def recognise(
        self, frame: RgbdFrame, boxes: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """What is in some boxes.

        Args:
            frame: colour alone is looked at.
            boxes: (N, 4) pixels.

        Returns:
            Probabilities (N, classes + 1) of every class and, last, of nothing; and the boxes
            (N, 4) as the network corrects them.
        """
        given, logits, deltas = self._outputs([frame], [boxes])[0]
        moved = moved_boxes(given, deltas, frame.depth.shape)
        return logits.softmax(1).double().numpy(), moved.double().numpy()

    @torch.no_grad()
    def _outputs(
        self, frames: Sequence[RgbdFrame], boxes: Sequence[NDArray[np.float64]]
    ) -> list[tuple[Tensor, Tensor, Tensor]]:
        """Of each frame its boxes, logits and deltas, on the CPU; the crops of all in one pass."""
        device, outside = self.network.mean.device, self.network.mean
        given = [torch.from_numpy(np.array(some, np.float32).reshape(-1, 4)) for some in boxes]
        crops = torch.cat(
            [
                cut_crops(frame_image(frame, device), some.to(device), self.crop, outside)
                for frame, some in zip(frames, given, strict=True)
            ]
        ).contiguous(memory_format=torch.channels_last)
        outputs = torch.cat([self.network(some) for some in crops.split(_BATCH)]).cpu()
        parts = outputs.split([len(some) for some in given])
        return [
            (some, part[:, :-_MOVES], part[:, -_MOVES:])
            for some, part in zip(given, parts, strict=True)
        ]

    def save(self, path: Path, metadata: dict[str, str]) -> None:
        """Write the weights, with what they are of.

        Raises:
            OSError: if the file cannot be written.
        """
        own = {
            "model": MODEL,
            "backbone": self.network.name,
            "crop": str(self.crop),
            "classes": json.dumps(self.classes),
        }
        save_weights(path, self.network.state_dict(), {**metadata, **own})


def load(weights: str, device: torch.device) -> Rcnn:
    """The detector of a file that `Rcnn.save` wrote.

    Raises:
        WeightsError: if the file is missing, damaged or of another model or number of classes.
    """
    path = Path(weights)
    state, metadata = load_weights(path, MODEL)
    classes = classes_of(path, metadata)
    try:
        backbone, crop = metadata["backbone"], int(metadata["crop"])
    except (KeyError, ValueError) as error:
        raise WeightsError(
            f"{path}: names no backbone and crop; expected weights of rcnn written by cvdl train"
        ) from error
    network = rcnn_network(backbone, len(classes))
    check_state(path, state, network.state_dict())
    network.load_state_dict(state)
    on_device: nn.Module = network.to(device).to(memory_format=torch.channels_last)
    assert isinstance(on_device, Classifier)
    return Rcnn(on_device, classes, crop)


def _detections(
    boxes: Tensor, logits: Tensor, deltas: Tensor, shape: tuple[int, ...]
) -> Detections:
    """Every likely class of every box, moved, without those that a better one of it overlaps."""
    scores = logits.softmax(1)[:, :-1]
    rows, labels = (scores > _SCORE).nonzero(as_tuple=True)
    moved = moved_boxes(boxes, deltas, (shape[0], shape[1]))[rows]
    likely = scores[rows, labels]
    kept = batched_nms(moved, likely, labels, _OVERLAP)[:_MOST]
    return Detections(
        moved[kept].double().numpy(), labels[kept].numpy(), likely[kept].double().numpy()
    )
