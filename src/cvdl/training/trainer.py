"""How a model is trained by its name: a class of settings and a function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from cvdl.core.settings import Settings
from cvdl.training.checkpoint import Run
from cvdl.training.loop import fit
from cvdl.training.task import Task

__all__ = ["Trainer", "train_task"]


@dataclass(frozen=True)
class Trainer:
    """The training of a model.

    Attributes:
        settings: the class of its settings.
        train: takes samples to train on, samples to validate on (may be empty), settings and the
            run. Returns the trained model, which has ``save(path, metadata)``.
    """

    settings: type[Settings]
    train: Callable[[Any, Any, Any, Run], Any]


def train_task(
    make: Callable[..., Task], train: Any, validation: Any, settings: Any, run: Run
) -> Any:
    """Train a model with the training loop, see ``fit``.

    The same seed gives the same result on one machine.

    Args:
        make: takes the samples to train on, the samples to validate on, settings and console;
            returns the task.
        train: labeled samples.
        validation: labeled samples; if empty, the last epoch is kept.
        settings: settings of the training.
        run: its folder, and where progress is shown.

    Returns:
        The trained model in evaluation mode.

    Raises:
        InputError: if there is nothing to train on, or a file or the folder cannot be used.
    """
    torch.manual_seed(settings.training.seed)
    task = make(train, validation, settings, run.console)
    fit(task, settings.training, run)
    return task.trained()
