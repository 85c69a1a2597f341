"""The history of a training: metrics of every epoch, as JSON and as curves."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf, nan
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from cvdl.core.files import write_atomically
from cvdl.viz.charts import ACCENT_COLOR, LINE_COLOR, new_figure, tidy, write_figure

__all__ = ["SCORE", "History", "draw_losses"]

#: The metric that decides which epoch is best.
SCORE = "validation/score"


@dataclass
class History:
    """The epochs of a training.

    Attributes:
        epochs: one dict per epoch, from 0: ``learning_rate``, ``seconds``, the mean training losses
            as ``train/NAME``, and the defined validation metrics as ``validation/NAME``.
    """

    epochs: list[dict[str, float]] = field(default_factory=list)

    @property
    def best_epoch(self) -> int:
        """The last epoch with the highest score; the last of all without scores; -1 without epochs.

        If a small validation set cannot distinguish epochs, the longest training counts.
        """
        scores = [epoch.get(SCORE, -inf) for epoch in self.epochs]
        return max(range(len(scores)), key=lambda epoch: (scores[epoch], epoch), default=-1)

    @property
    def best_score(self) -> float | None:
        """The score of the best epoch; None if no epoch has a score."""
        return self.epochs[self.best_epoch].get(SCORE) if self.epochs else None

    @property
    def waited(self) -> int:
        """Epochs since the highest score was first reached; 0 if no epoch has a score."""
        if self.best_score is None:
            return 0
        return len(self.epochs) - 1 - self.series(SCORE).index(self.best_score)

    def series(self, name: str) -> list[float]:
        """A metric of every epoch; NaN where it is undefined."""
        return [epoch.get(name, nan) for epoch in self.epochs]

    def write(self, path: Path) -> None:
        """Write ``best_epoch``, ``best_score`` and ``epochs`` as JSON."""
        content: dict[str, Any] = {
            "best_epoch": self.best_epoch,
            "best_score": self.best_score,
            "epochs": self.epochs,
        }
        write_atomically(path, (json.dumps(content, indent=2) + "\n").encode())

    def draw(self, path: Path) -> None:
        """Draw losses, validation metrics and learning rate over the epochs, as PNG."""
        figure = new_figure(12, 3.6)
        losses, validation, rate = figure.subplots(1, 3)
        names = list(dict.fromkeys(name for epoch in self.epochs for name in epoch))
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
            rate.plot(self.series("learning_rate"), color=LINE_COLOR)
            if min(self.series("train/loss")) > 0:
                losses.set_yscale("log")
            losses.legend(frameon=False)
        if self.best_score is not None:
            best = self.best_epoch, self.best_score
            validation.plot(*best, "o", color=ACCENT_COLOR, label="best", zorder=4)
        if validation.lines:
            validation.legend(frameon=False)
        rate.set(title="learning rate", xlabel="epoch")
        for axes in (losses, validation, rate):
            _tidy_epochs(axes)
        write_figure(path, figure)


def draw_losses(path: Path, parts: Mapping[str, Sequence[float]]) -> None:
    """Draw the losses of consecutive parts of a training, each with its own scale, as PNG."""
    figure = new_figure(3 * max(len(parts), 1), 3)
    for number, (name, losses) in enumerate(parts.items(), start=1):
        axes = figure.add_subplot(1, len(parts), number)
        axes.plot(range(1, len(losses) + 1), losses, "o-", color=LINE_COLOR, markersize=3)
        axes.set(title=f"{name}: loss", xlabel="epoch", xlim=(0.5, len(losses) + 0.5))
        _tidy_epochs(axes)
    write_figure(path, figure)


def _tidy_epochs(axes: Axes) -> None:
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    tidy(axes)
