"""Base class of our own detectors."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from cvdl.detection.detector import FrameByFrame
from cvdl.networks.metadata import classes_of
from cvdl.networks.weights import check_state, load_weights, save_weights

__all__ = ["TrainedDetector"]

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
