"""How far a training is, on the screen and for TensorBoard."""

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


#: Is told how many epochs are done, in parts of them, and at the end of one its figures.
Show = Callable[[float, str | None], None]

_MEMORY = 3600.0  # seconds of progress that the time left is estimated from; epochs may be long


@contextmanager
def epoch_bar(console: Console | None, epochs: int) -> Iterator[Show]:
    """Gives what shows how far a training is, and the time left.

    On a terminal that is a bar; where the console writes to a file or a pipe, a line an epoch.

    Args:
        console: where; None: nowhere.
        epochs: of the whole training.
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
            if summary is None:
                bar.update(row, completed=done, description=epoch)
            else:
                bar.update(row, completed=done, description=epoch, summary=summary)

        yield show


def _line_by_line(console: Console, epochs: int) -> Show:
    began: tuple[float, int] | None = None

    def show(done: float, summary: str | None) -> None:
        nonlocal began
        if began is None:  # in the middle of an epoch; a run that goes on starts at a later one
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
    """TensorBoard's writer into ``out/tensorboard``, from an epoch on."""
    from torch.utils.tensorboard import SummaryWriter

    # What a killed run has logged past its last checkpoint is logged again.
    with SummaryWriter(str(out / "tensorboard"), purge_step=epoch) as writer:
        yield writer
