"""``cvdl simulate``: makes tabletop scenes."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from time import perf_counter
from typing import Annotated

import typer

from cvdl.cli.console import status_console
from cvdl.core.tally import counted
from cvdl.datasets.dataset import tracked
from cvdl.simulation import simulate_scenes
from cvdl.simulation.export import EXPORTS

__all__ = ["command"]


class Format(str, Enum):
    """The formats of the output."""

    bag = "bag"
    images = "images"
    coco = "coco"


def command(
    out: Annotated[Path, typer.Argument(help="Folder to write.")],
    scenes: Annotated[int, typer.Option(min=1, help="Number of scenes.")] = 100,
    seed: Annotated[
        int, typer.Option(min=0, help="Random seed; scene N of a seed is always the same.")
    ] = 0,
    format: Annotated[
        Format,
        typer.Option(help="A rosbag2; a folder of images in the layout of OSD; COCO instances."),
    ] = Format.bag,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the output of an earlier run.")
    ] = False,
) -> None:
    """Simulate tabletop scenes: color, noisy depth and ground truth for every pixel.

    Household objects lie, stand, lean and are stacked on a table in a furnished
    room.
    """
    start = perf_counter()
    with EXPORTS[format.value](out, overwrite, seed) as export:
        sequence = simulate_scenes(seed, scenes)
        console = status_console()
        for scene in tracked(sequence, "simulating", console, scenes):
            export.add(scene)
    rate = scenes / (perf_counter() - start)
    typer.echo(f"{counted(scenes, 'scene')} in {out} ({rate:.1f} per second)")
