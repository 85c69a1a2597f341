"""Detectors of our own that find classes by name: their weights in files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

from cvdl.networks.weights import check_state, classes_of, load_weights, save_weights

__all__ = ["TrainedDetector"]

_Own = TypeVar("_Own", bound="TrainedDetector")


class TrainedDetector(nn.Module):
    """One that is made from its classes' names alone.

    Attributes:
        classes: names, in the order of the labels.
    """

    classes: tuple[str, ...]

    @classmethod
    def load(cls: type[_Own], path: Path, device: torch.device) -> _Own:
        """A trained detector.

        Raises:
            WeightsError: if the file is missing, damaged or holds another model's weights.
        """
        state, metadata = load_weights(path, cls.__name__)
        detector = cls(classes_of(path, metadata))
        check_state(path, state, detector.state_dict())
        detector.load_state_dict(state)
        return detector.eval().to(device).to(memory_format=torch.channels_last)

    def save(self, path: Path, metadata: Mapping[str, str]) -> None:
        """Writes the weights, with what they are of and the classes."""
        own = {"model": type(self).__name__, "classes": json.dumps(self.classes)}
        save_weights(path, self.state_dict(), {**metadata, **own})
