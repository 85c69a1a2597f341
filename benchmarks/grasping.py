"""How fast the two grasp detectors are: one stage against two, and as candidates grow.

    python benchmarks/grasping.py [--data DIR] [--rounds N] [--device cpu|cuda]

Median milliseconds from a 640x480 RGB-D frame to ranked rectangles, everything included: channels,
normals, both stages. In the first table the methods take turns on each frame, so that whatever
else the machine does falls on all of them. *One stage* lets the large network judge what two
stages leave to the small one: all candidates of ``lenz2014``; the best 10,000 cells of the
cascade's dense network.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from cvdl.core.camera import Camera
from cvdl.core.frame import RgbdFrame
from cvdl.datasets.cornell import CornellDataset
from cvdl.grasping import GRASP_DETECTORS
from cvdl.grasping.models.cascade.network import ANGLES, OPENINGS, STRIDE
from cvdl.grasping.models.lenz2014.detector import LenzConfig, LenzDetector

DATA = Path(__file__).parents[1] / "../shared/data/cornell/01"
CELL = ANGLES * len(OPENINGS)  # candidates of the cascade a cell
Method = Callable[[RgbdFrame], object]


def lenz_detector(device: str, config: LenzConfig) -> LenzDetector:
    """The packaged one with other settings of its search."""
    detector = GRASP_DETECTORS["lenz2014"].load(device=device)
    return LenzDetector(detector.small, detector.large, config, device)


def methods(device: str) -> dict[str, tuple[Method, int]]:
    """Each detector with one stage and with two, and the candidates it judges."""
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


def timed(method: Method, frame: RgbdFrame) -> float:
    start = perf_counter()
    method(frame)
    return (perf_counter() - start) * 1e3


def stages(frames: list[RgbdFrame], rounds: int, device: str) -> Table:
    todo = methods(device)
    times: dict[str, list[float]] = {name: [] for name in todo}
    for method, _ in todo.values():
        method(frames[0])
    for _ in range(rounds):
        for frame in frames:
            for name, (method, _) in todo.items():
                times[name].append(timed(method, frame))
    table = _table("detector", "candidates", "median ms", "p95 ms", "candidates/s")
    for name, (_, count) in todo.items():
        median, p95 = np.median(times[name]), np.percentile(times[name], 95)
        rate = count / median * 1e3
        table.add_row(name, f"{count:,}", f"{median:.1f}", f"{p95:.1f}", f"{rate:,.0f}")
    return table


def growth(frames: list[RgbdFrame], rounds: int, device: str) -> Table:
    table = _table("candidates", "cascade ms", "lenz2014 ms")
    cascade = GRASP_DETECTORS["cascade"].load(device=device)
    for count in (10**3, 10**4, 10**5, 10**6):
        lenz = lenz_detector(device, LenzConfig(candidates=count))
        small = [_cropped(frame, count) for frame in frames]
        some_frames = frames if count < 10**6 else frames[:1]
        pairs: list[tuple[Method, list[RgbdFrame]]] = [(cascade, small), (lenz, some_frames)]
        medians = []
        for method, some in pairs:
            method(some[0])
            medians.append(np.median([timed(method, frame) for frame in some * rounds]))
        table.add_row(f"{count:,}", *(f"{median:.1f}" for median in medians))
    return table


def _cropped(frame: RgbdFrame, candidates: int) -> RgbdFrame:
    """The middle of a frame with so many candidates of the cascade, as far as it has them."""
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


def _table(first: str, *others: str) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column(first, no_wrap=True)
    for heading in others:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA, help="folder of Cornell views")
    parser.add_argument("--rounds", type=int, default=3, help="times that each frame is timed")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    args = parser.parse_args()
    dataset = CornellDataset(args.data)
    frames = [dataset[index].frame for index in range(0, len(dataset), 8)]
    console = Console()
    where = torch.cuda.get_device_name() if args.device == "cuda" else "CPU"
    console.print(
        f"{len(frames)} frames of {args.data.name}, {where}, {torch.get_num_threads()} threads"
    )
    console.print(stages(frames, args.rounds, args.device))
    console.print(growth(frames, args.rounds, args.device))


if __name__ == "__main__":
    main()
