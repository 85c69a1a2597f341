"""How far a training is, on the screen and for TensorBoard."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["epoch_bar", "summary_writer"]


@contextmanager
def epoch_bar(
    console: Console | None, epochs: int
) -> Iterator[Callable[[float, str | None], None]]:
    """Gives what shows how many epochs are done, in parts of them, and the last one's figures."""
    if console is None:
        yield lambda done, summary: None
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[summary]}"))
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as bar:
        row = bar.add_task("starting", total=epochs, summary="")

        def show(done: float, summary: str | None) -> None:
            epoch = f"epoch {min(int(done) + 1, epochs)} of {epochs}"
            if summary is None:
                bar.update(row, completed=done, description=epoch)
            else:
                bar.update(row, completed=done, description=epoch, summary=summary)

        yield show


@contextmanager
def summary_writer(out: Path, epoch: int) -> Iterator[Any]:
    """TensorBoard's writer into ``out/tensorboard``, from an epoch on."""
    from torch.utils.tensorboard import SummaryWriter

    # What a killed run has logged past its last checkpoint is logged again.
    with SummaryWriter(str(out / "tensorboard"), purge_step=epoch) as writer:
        yield writer
