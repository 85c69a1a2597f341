"""The time that one pass over an image saves: OverFeat's sliding network and single windows.

    python benchmarks/sliding_window.py [--size WIDTH HEIGHT] [--rounds N] [--device cpu|cuda]

Both score the same windows of a pyramid of the same random image with the same untrained network;
a batch of single windows is a row. The last column is the largest difference of their logits.
Rounds alternate between the two; times are medians per level, in milliseconds.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import Tensor

from cvdl.detection.models.overfeat.detector import OverfeatDetector, pyramid_scales
from cvdl.detection.models.overfeat.network import STRIDE, WINDOW, WindowNetwork
from cvdl.networks.device import pick_device
from measuring import new_table, timed


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, nargs=2, default=(640, 480), help="width and height")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    arguments = parser.parse_args()
    device = pick_device(arguments.device)
    width, height = arguments.size
    detector = OverfeatDetector([f"class {number}" for number in range(23)]).eval().to(device)
    color = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    levels = [detector.level(color, scale) for scale in pyramid_scales(height, width)]
    times = np.zeros((arguments.rounds, len(levels), 2))
    difference = np.zeros(len(levels))
    for number in track(range(-1, arguments.rounds), "scoring", transient=True):  # one warms up
        for index, level in enumerate(levels):
            dense, dense_ms = timed(slid, detector.network, level)
            singly, singly_ms = timed(one_by_one, detector.network, level)
            difference[index] = float((dense - singly).abs().max())
            if number >= 0:
                times[number, index] = dense_ms, singly_ms
    headings = ("level", "windows", "one pass", "one by one", "ratio", "difference")
    table = new_table(*headings, title=f"{width} x {height}, {device}")
    medians = np.median(times, axis=0)
    for level, (once, singly_ms), most in zip(levels, medians, difference, strict=True):
        rows, cols = grid(level)
        name = f"{level.shape[3]} x {level.shape[2]}"
        add(table, name, rows * cols, once, singly_ms, most)
    total = sum(rows * cols for rows, cols in map(grid, levels))
    once, singly_ms = np.median(times.sum(axis=1), axis=0)
    add(table, "all", total, once, singly_ms, difference.max())
    Console().print(table)


def add(table: Table, name: str, windows: int, once: float, singly: float, most: float) -> None:
    ratio = f"{singly / once:.1f}"
    table.add_row(name, str(windows), f"{once:.1f}", f"{singly:.1f}", ratio, f"{most:.1e}")


def grid(level: Tensor) -> tuple[int, int]:
    rows, cols = ((side - WINDOW) // STRIDE + 1 for side in level.shape[2:])
    return rows, cols


def slid(network: WindowNetwork, level: Tensor) -> Tensor:
    """Logits (windows, classes), row by row, on the CPU."""
    return network.slide(level)[0][0].flatten(1).T.cpu()


def one_by_one(network: WindowNetwork, level: Tensor) -> Tensor:
    """The same, with the windows of a row as a batch."""
    windows = level.unfold(2, WINDOW, STRIDE).unfold(3, WINDOW, STRIDE)[0]  # (3, h, w, ...)
    return torch.cat([network(row.transpose(0, 1))[0].cpu() for row in windows.unbind(1)])


if __name__ == "__main__":
    main()
