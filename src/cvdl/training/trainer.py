"""How a model is trained by its name: a class of settings and a function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from cvdl.core.settings import Settings
from cvdl.training.loop import fit
from cvdl.training.task import Task

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Trainer", "train_task"]


@dataclass(frozen=True)
class Trainer:
    """The training of a model.

    Attributes:
        settings: the class of its settings.
        train: takes samples to train on, samples to validate on (may be empty), settings, the
            folder of the run, whether to resume, and a console or None. Returns the trained
            model, which has ``save(path, metadata)``.
    """

    settings: type[Settings]
    train: Callable[..., Any]


def train_task(
    make: Callable[..., Task],
    train: Any,
    validation: Any,
    settings: Any,
    out: Path,
    resume: bool = False,
    console: Console | None = None,
) -> Any:
    """Train a model with the training loop, see ``fit``.

    The same seed gives the same result on one machine.

    Args:
        make: takes the samples to train on, the samples to validate on, settings and console;
            returns the task.
        train: labeled samples.
        validation: labeled samples; if empty, the last epoch is kept.
        settings: settings of the training.
        out: folder of the run.
        resume: continue an earlier run in ``out``.
        console: where progress is shown; None: nowhere.

    Returns:
        The trained model in evaluation mode.

    Raises:
        InputError: if there is nothing to train on, or a file or ``out`` cannot be used.
    """
    torch.manual_seed(settings.training.seed)
    task = make(train, validation, settings, console)
    fit(task, settings.training, out, resume, console)
    return task.trained()
