"""What trains a detector, by its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from pydantic import BaseModel

from cvdl.core.errors import InputError

__all__ = ["Trainer", "result_metadata"]


@dataclass(frozen=True)
class Trainer:
    """What trains a detector.

    Attributes:
        name: of the detector.
        settings: the model of its settings.
        train: from views to train on, views to validate on, settings, a folder, whether to
            resume and a console to a detector.
    """

    name: str
    settings: type[BaseModel]
    train: Callable[..., Any]

    @classmethod
    def of(cls, name: str, trainers: Mapping[str, tuple[str, str, str]]) -> Trainer:
        """That of a detector.

        Args:
            name: of the detector.
            trainers: for each name the module, its function and the model of its settings.

        Raises:
            InputError: if there is no such detector.
        """
        if name not in trainers:
            raise InputError(f"detector is {name!r}; accepted: {', '.join(trainers)}")
        module, function, settings = trainers[name]
        found = import_module(module)
        return cls(name, getattr(found, settings), getattr(found, function))


def result_metadata(figures: Mapping[str, float], train: int, test: int) -> dict[str, str]:
    """What weights say of how they were tested.

    Args:
        figures: of the test.
        train: number of views trained on.
        test: number of views tested on; 0: there are no figures.
    """
    tested = {f"test/{name}": f"{value:.4f}" for name, value in figures.items()} if test else {}
    return {"train_views": str(train), "test_views": str(test), **tested}
