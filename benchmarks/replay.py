"""Speed of a replay end to end: bag in, bag out.

    python benchmarks/replay.py [--data DIR] [--frames N]

A bag of N frames, the repeated frames of an image folder, is replayed with several outputs. Frames
per second are those of the whole run, with the closing of the output, after a first run that
compiles; milliseconds are medians per frame.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.progress import track

from cvdl.bags import BagReader, BagWriter, write_frames
from cvdl.core.frame import RgbdFrame
from cvdl.datasets import ImageFolder
from cvdl.pipeline import Perception, PerceptionConfig
from cvdl.replay import ReplayOptions, replay
from measuring import DATA, new_table, timed

STAGES = ("read", "segment", "detect", "grasp", "draw", "write", "total")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA / "osd", help="folder of RGB-D images")
    parser.add_argument("--frames", type=int, default=300, help="in the bag")
    arguments = parser.parse_args()
    title = f"{arguments.frames} frames of {arguments.data.name}"
    table = new_table("output", "frames/s", *STAGES, "MB", title=title)
    with TemporaryDirectory() as folder:
        bag, out = Path(folder, "in"), Path(folder, "out")
        with BagWriter(bag) as writer:
            frames = repeated(arguments.data, arguments.frames)
            write_frames(writer, track(frames, "preparing", arguments.frames, transient=True), 30)
        everything, segmenting = Perception(), Perception(PerceptionConfig().segmentation_only())
        replay(bag, out, everything, ReplayOptions(limit=1))
        variants = {
            "input and results": (segmenting, ReplayOptions(overwrite=True)),
            "only results": (segmenting, ReplayOptions(overwrite=True, only_results=True)),
            "and pictures": (
                segmenting,
                ReplayOptions(overwrite=True, pictures=Path(folder, "pictures")),
            ),
            "with detection and grasps": (everything, ReplayOptions(overwrite=True)),
        }
        for name, (perception, options) in track(
            list(variants.items()), "replaying", transient=True
        ):
            summary, elapsed = timed(replay, bag, out, perception, options)
            rate = 1e3 * summary.frames / elapsed
            stages = (
                f"{summary.latency_ms[stage][0]:.1f}" if stage in summary.latency_ms else ""
                for stage in STAGES
            )
            size = sum(file.stat().st_size for file in out.iterdir()) / 1e6
            table.add_row(name, f"{rate:.1f}", *stages, f"{size:.0f}")
        reading = timed(read, bag)[1] / arguments.frames
    console = Console()
    console.print(table)
    console.print(f"reading the input alone: {reading:.1f} ms a frame")


def read(bag: Path) -> None:
    with BagReader(bag) as reader:
        for _ in reader.messages():
            pass


def repeated(folder: Path, count: int) -> Iterator[RgbdFrame]:
    return islice(cycle(list(ImageFolder(folder))), count)


if __name__ == "__main__":
    main()
