"""Speed of a replay end to end: bag in, bag out.

    python benchmarks/replay.py [--data DIR] [--frames N] [--rounds N]

A bag of N frames, the repeated frames of an image folder, is replayed with several outputs, in
turn in each round, after a first run that compiles. Frames per second are those of the whole run,
with the closing of the output. They, and the median milliseconds of a frame, are medians over the
rounds. In the last row, each frame is begun when the one before it is done.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
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
    parser.add_argument("--frames", type=int, default=100, help="in the bag")
    parser.add_argument("--rounds", type=int, default=5, help="of all variants")
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
            "the same, no overlap": (everything, ReplayOptions(overwrite=True, overlap=False)),
        }
        figures: dict[str, list[list[float]]] = defaultdict(list)
        for _ in track(range(arguments.rounds), "replaying", transient=True):
            for name, (perception, options) in variants.items():
                summary, elapsed = timed(replay, bag, out, perception, options)
                stages = (summary.latency_ms.get(stage, (np.nan, 0))[0] for stage in STAGES)
                size = sum(file.stat().st_size for file in out.iterdir()) / 1e6
                figures[name].append([1e3 * summary.frames / elapsed, *stages, size])
        for name, rounds in figures.items():
            *cells, size = np.median(rounds, axis=0)
            shown = ("" if np.isnan(value) else f"{value:.1f}" for value in cells)
            table.add_row(name, *shown, f"{size:.0f}")
        reading = timed(read, bag)[1] / arguments.frames
    console = Console(width=120)
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
