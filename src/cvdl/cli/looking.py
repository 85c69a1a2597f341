"""What the commands share that look at the frames of a bag or folder, without writing a bag."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from cvdl.core.errors import InputError

if TYPE_CHECKING:
    from cvdl.core.frame import RgbdFrame
    from cvdl.core.scene import Scene

__all__ = ["look_at"]


def look_at(
    source: Path, look: Callable[[RgbdFrame], Scene], limit: int | None, points_topic: str | None
) -> None:
    """Call a function with the frames of a bag, or of a folder of images.

    Args:
        source: the bag or the folder.
        look: takes a frame, and returns what the perception finds in it.
        limit: number of frames, at most.
        points_topic: of organized clouds, see ``cvdl replay``.

    Raises:
        InputError: if the source cannot be used, or no frame was processed.
    """
    from rich.progress import Progress

    from cvdl.bags.members import member_files
    from cvdl.cli.console import status_console
    from cvdl.datasets.dataset import tracked
    from cvdl.datasets.image_folder import ImageFolder
    from cvdl.replay import ReplayOptions, replay

    is_bag = (source / "metadata.yaml").exists() or not source.is_dir() or member_files(source)
    if not is_bag:
        images = ImageFolder(source)
        count = min(len(images), limit or len(images))
        for frame in tracked(islice(images, count), "looking", status_console(), count):
            look(frame)
        return
    with Progress(console=status_console(), transient=True) as progress:
        task = progress.add_task("looking", total=None)

        def show(done: int, expected: int) -> None:
            progress.update(task, completed=done, total=max(done, expected))

        options = ReplayOptions(limit=limit, points_topic=points_topic, overlap=False)
        summary = replay(source, None, look, options, show)
    if summary.problem:
        raise InputError(f"no frame was processed: {summary.problem}")
    if summary.interrupted:
        raise KeyboardInterrupt
