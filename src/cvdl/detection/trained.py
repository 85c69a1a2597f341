"""Base class of our own detectors, and the last steps that they share."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn
from torchvision.ops import batched_nms

from cvdl.detection.detections import Detections
from cvdl.detection.detector import FrameByFrame
from cvdl.networks.weights import check_state, classes_of, load_weights, save_weights

__all__ = ["TrainedDetector", "best_of_each_class"]

_MOST = 100  # detections in an image

_Own = TypeVar("_Own", bound="TrainedDetector")


class TrainedDetector(FrameByFrame, nn.Module):
    """A detector that is made from class names and weights.

    Args:
        classes: class names, in the order of the class indices.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        super().__init__()
        self.classes = tuple(classes)

    @classmethod
    def load(cls: type[_Own], path: str | Path, device: torch.device) -> _Own:
        """Load a trained detector.

        Raises:
            WeightsError: if the file is missing, damaged or holds another model's weights.
        """
        path = Path(path)
        state, metadata = load_weights(path, cls.__name__)
        detector = cls.fitting(state, classes_of(path, metadata))
        check_state(path, state, detector.state_dict())
        detector.load_state_dict(state)
        return detector.eval().to(device).to(memory_format=torch.channels_last)

    @classmethod
    def fitting(cls: type[_Own], state: Mapping[str, Tensor], classes: Sequence[str]) -> _Own:
        """A detector that can have a state, for those with variants."""
        del state
        return cls(classes)

    def save(self, path: Path, metadata: Mapping[str, str]) -> None:
        """Write the weights with the names of the model and of the classes."""
        own = {"model": type(self).__name__, "classes": json.dumps(self.classes)}
        save_weights(path, self.state_dict(), {**metadata, **own})

    @property
    def device(self) -> torch.device:
        """The device that the networks are on."""
        return next(self.parameters()).device


def best_of_each_class(
    boxes: Tensor, scores: Tensor, min_score: float, max_iou: float
) -> Detections:
    """Return the detections left by non-maximum suppression within each class, at most 100.

    Args:
        boxes: (N, 4).
        scores: (N, C), of every class; a box can have several.
        min_score: lower scores are ignored.
        max_iou: of two boxes of a class with a larger overlap, the better one is kept.
    """
    row, label = (scores > min_score).nonzero(as_tuple=True)
    boxes, scores = boxes[row], scores[row, label]
    kept = batched_nms(boxes, scores, label, max_iou)[:_MOST]
    return Detections(
        boxes[kept].double().cpu().numpy(),
        label[kept].cpu().numpy(),
        scores[kept].double().cpu().numpy(),
    )
