"""What trains a model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cvdl.core.settings import Settings

__all__ = ["Trainer"]


@dataclass(frozen=True)
class Trainer:
    """What trains a model.

    Attributes:
        settings: the class of its settings.
        train: takes samples to train on, samples to validate on, settings, a folder for what the
            training writes, whether to resume, and a console or None; returns the trained model,
            which has ``save(path, metadata)``.
    """

    settings: type[Settings]
    train: Callable[..., Any]
