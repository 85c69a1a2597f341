"""What happened in a training: figures of every epoch, as JSON, as curves and for TensorBoard."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from cvdl.weights import write_atomically

__all__ = ["History", "draw_losses"]

_BLUE, _ORANGE = "#1f6fb4", "#d9541e"


@dataclass
class History:
    """The epochs of a training.

    Attributes:
        epochs: one dict an epoch: ``learning_rate``, ``seconds``, the means of the training's
            losses as ``train/NAME``, the validation's figures as ``validation/NAME``. The
            first epoch is 0.
    """

    epochs: list[dict[str, float]] = field(default_factory=list)

    @property
    def best_epoch(self) -> int:
        """The last one with the highest ``validation/score``; -1 before any.

        Of epochs that a small validation cannot tell apart, the one that has learnt longest.
        """
        scores = self.series("validation/score")
        return max(range(len(scores)), key=lambda epoch: (scores[epoch], epoch), default=-1)

    @property
    def waited(self) -> int:
        """Epochs since the highest ``validation/score`` was first reached."""
        return len(self.epochs) - 1 - self.series("validation/score").index(self.best_score)

    @property
    def best_score(self) -> float:
        """Of the best epoch; minus infinity before any."""
        return self.epochs[self.best_epoch]["validation/score"] if self.epochs else float("-inf")

    def series(self, name: str) -> list[float]:
        """A figure of every epoch."""
        return [epoch[name] for epoch in self.epochs]

    def write(self, path: Path) -> None:
        """As JSON: ``best_epoch``, ``best_score`` and ``epochs``."""
        content: dict[str, Any] = {
            "best_epoch": self.best_epoch,
            "best_score": self.best_score,
            "epochs": self.epochs,
        }
        write_atomically(path, (json.dumps(content, indent=2) + "\n").encode())

    def draw(self, path: Path) -> None:
        """Losses, validation and learning rate over the epochs, as PNG."""
        figure = Figure(figsize=(12, 3.6), dpi=100)
        losses, validation, rate = figure.subplots(1, 3)
        figure.subplots_adjust(left=0.05, right=0.99, bottom=0.14, top=0.91, wspace=0.2)
        names = list(self.epochs[0]) if self.epochs else []
        for name in names:
            part, _, short = name.partition("/")
            axes = {"train": losses, "validation": validation}.get(part)
            if axes is None:
                continue
            main = short in ("loss", "score")
            axes.plot(self.series(name), label=short, linewidth=2 if main else 1, zorder=2 + main)
        losses.set(title="training losses", xlabel="epoch")
        validation.set(title="validation", xlabel="epoch")
        if self.epochs:
            rate.plot(self.series("learning_rate"), color=_BLUE)
            if min(self.series("train/loss")) > 0:
                losses.set_yscale("log")
            validation.plot(
                self.best_epoch, self.best_score, "o", color=_ORANGE, label="best", zorder=4
            )
            losses.legend(frameon=False)
            validation.legend(frameon=False)
        rate.set(title="learning rate", xlabel="epoch")
        for axes in (losses, validation, rate):
            _tidy(axes)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path)


def draw_losses(path: Path, parts: Mapping[str, Sequence[float]]) -> None:
    """The losses of trainings one after the other, each with a scale of its own, as PNG."""
    figure = Figure(figsize=(3 * max(len(parts), 1), 3), dpi=100, layout="constrained")
    for number, (name, losses) in enumerate(parts.items(), start=1):
        axes = figure.add_subplot(1, len(parts), number)
        axes.plot(range(1, len(losses) + 1), losses, "o-", color=_BLUE, markersize=3)
        axes.set(title=f"{name}: loss", xlabel="epoch")
        _tidy(axes)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


def _tidy(axes: Axes) -> None:
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
