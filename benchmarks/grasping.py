"""How fast the two grasp detectors are: with one and two stages, by number of candidates.

    python benchmarks/grasping.py [--data DIR] [--rounds N] [--device cpu|cuda]

Median milliseconds from a 640x480 RGB-D frame to ranked rectangles, everything included: channels,
normals, both stages. In the first table the methods take turns on each frame, so that other load
on the machine affects all of them. With *one stage* the large network judges all candidates of
``lenz2014``, or the best 10,000 cells of the cascade's dense network, which otherwise the small
network filters.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from cvdl.core.camera import Camera
from cvdl.core.frame import RgbdFrame
from cvdl.datasets.cornell import CornellDataset
from cvdl.grasping import GRASP_DETECTORS
from cvdl.grasping.models.cascade.frames import STRIDE
from cvdl.grasping.models.cascade.network import ANGLES, OPENINGS
from cvdl.grasping.models.lenz2014.detector import LenzConfig, LenzDetector
from measuring import DATA, machine, new_table, timed

CELL = ANGLES * len(OPENINGS)  # candidates of the cascade per cell
Method = Callable[[RgbdFrame], object]


def lenz_detector(device: str, config: LenzConfig) -> LenzDetector:
    """The packaged detector with other settings of its search."""
    detector = GRASP_DETECTORS["lenz2014"].load(device=device)
    return LenzDetector(detector.small, detector.large, config, device)


def methods(device: str) -> dict[str, tuple[Method, int]]:
    """Each detector with one stage and with two, and the number of candidates it judges."""
    cascade = GRASP_DETECTORS["cascade"].load(device=device)
    two = GRASP_DETECTORS["lenz2014"].load(device=device)
    one = lenz_detector(device, LenzConfig(stages=1))
    cells = 640 * 480 // STRIDE**2 * CELL
    return {
        "cascade, two stages": (cascade, cells),
        "cascade, 10,000 survivors": (partial(cascade, count=10_000), cells),
        "lenz2014, two stages": (two, two.config.candidates),
        "lenz2014, one stage": (one, one.config.candidates),
    }


def stages(frames: list[RgbdFrame], rounds: int, device: str) -> Table:
    todo = methods(device)
    times: dict[str, list[float]] = {name: [] for name in todo}
    for method, _ in todo.values():
        method(frames[0])
    for _ in range(rounds):
        for frame in frames:
            for name, (method, _) in todo.items():
                times[name].append(timed(method, frame)[1])
    table = new_table("detector", "candidates", "median ms", "p95 ms", "candidates/s")
    for name, (_, count) in todo.items():
        median, p95 = np.median(times[name]), np.percentile(times[name], 95)
        rate = count / median * 1e3
        table.add_row(name, f"{count:,}", f"{median:.1f}", f"{p95:.1f}", f"{rate:,.0f}")
    return table


def growth(frames: list[RgbdFrame], rounds: int, device: str) -> Table:
    table = new_table("candidates", "cascade ms", "lenz2014 ms")
    cascade = GRASP_DETECTORS["cascade"].load(device=device)
    for count in (10**3, 10**4, 10**5, 10**6):
        lenz = lenz_detector(device, LenzConfig(candidates=count))
        small = [_cropped(frame, count) for frame in frames]
        some_frames = frames if count < 10**6 else frames[:1]
        pairs: list[tuple[Method, list[RgbdFrame]]] = [(cascade, small), (lenz, some_frames)]
        medians = []
        for method, some in pairs:
            method(some[0])
            medians.append(np.median([timed(method, frame)[1] for frame in some * rounds]))
        table.add_row(f"{count:,}", *(f"{median:.1f}" for median in medians))
    return table


def _cropped(frame: RgbdFrame, candidates: int) -> RgbdFrame:
    """The middle of a frame with this number of cascade candidates, or all of it."""
    side = int(np.sqrt(candidates / CELL)) * STRIDE
    width, height = min(640, max(side, 16)), min(480, max(side, 16))
    if candidates >= 10**6:
        width, height = 640, 480
    x, y = (640 - width) // 2, (480 - height) // 2
    camera = frame.camera
    return RgbdFrame(
        np.ascontiguousarray(frame.color[y : y + height, x : x + width]),
        np.ascontiguousarray(frame.depth[y : y + height, x : x + width]),
        Camera(width, height, camera.fx, camera.fy, camera.cx - x, camera.cy - y),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--data", type=Path, default=DATA / "cornell/01", help="folder of Cornell views"
    )
    parser.add_argument("--rounds", type=int, default=3, help="times that each frame is timed")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    args = parser.parse_args()
    dataset = CornellDataset(args.data)
    frames = [dataset[index].frame for index in range(0, len(dataset), 8)]
    console = Console()
    console.print(f"{len(frames)} frames of {args.data.name}, {machine(args.device)}")
    console.print(stages(frames, args.rounds, args.device))
    console.print(growth(frames, args.rounds, args.device))


if __name__ == "__main__":
    main()
