"""What trains a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cvdl.core.settings import Settings

__all__ = ["Trainer", "result_metadata"]


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


def result_metadata(figures: Mapping[str, float], train: int, test: int) -> dict[str, str]:
    """What weights say of how they were tested.

    Args:
        figures: of the test.
        train: number of views trained on.
        test: number of views tested on; 0: there are no figures.
    """
    tested = {f"test/{name}": f"{value:.4f}" for name, value in figures.items()} if test else {}
    return {"train_views": str(train), "test_views": str(test), **tested}
