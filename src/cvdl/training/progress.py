"""The progress of a training, on the screen and for TensorBoard."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from math import ceil
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["epoch_bar", "summary_writer"]

#: Called with the number of epochs done, also fractions, and at the end of each its summary.
Show = Callable[[float, str | None], None]

_MEMORY = 3600.0  # seconds of progress from which the remaining time is estimated


@contextmanager
def epoch_bar(console: Console | None, epochs: int) -> Iterator[Show]:
    """Show progress and remaining time.

    On a terminal as a bar; if the console writes to a file or a pipe, as one line per epoch.

    Args:
        console: where progress is shown; None: nowhere.
        epochs: number of epochs of the training.
    """
    if console is None:
        yield lambda done, summary: None
        return
    if not console.is_terminal:
        yield _line_by_line(console, epochs)
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[summary]}"))
    with Progress(
        *columns,
        TimeRemainingColumn(),
        console=console,
        transient=True,
        speed_estimate_period=_MEMORY,
    ) as bar:
        row = bar.add_task("starting", total=epochs, summary="")

        def show(done: float, summary: str | None) -> None:
            epoch = f"epoch {min(int(done) + 1, epochs)} of {epochs}"
            bar.update(row, completed=done, description=epoch)
            if summary is not None:
                bar.update(row, summary=summary)

        yield show


def _line_by_line(console: Console, epochs: int) -> Show:
    began: tuple[float, int] | None = None

    def show(done: float, summary: str | None) -> None:
        nonlocal began
        if began is None:  # in the middle of an epoch; a resumed run starts at a later one
            began = perf_counter(), max(ceil(done) - 1, 0)
        if summary is None:
            return
        start, first = began
        left = round((perf_counter() - start) / max(done - first, 1) * (epochs - done))
        time = f"; about {timedelta(seconds=left)} left" if done < epochs else ""
        line = f"epoch {done:.0f} of {epochs}: {summary}{time}"
        console.print(line, highlight=False, soft_wrap=True)

    return show


@contextmanager
def summary_writer(out: Path, epoch: int) -> Iterator[Any]:
    """A TensorBoard writer to ``out/tensorboard`` that starts at an epoch."""
    from torch.utils.tensorboard import SummaryWriter

    # Entries of a killed run after its last checkpoint are replaced.
    with SummaryWriter(str(out / "tensorboard"), purge_step=epoch) as writer:
        yield writer
