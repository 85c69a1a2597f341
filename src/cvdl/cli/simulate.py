"""``cvdl simulate``: makes scenes with ground truth."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from time import perf_counter
from typing import Annotated

import typer

__all__ = ["command"]


class Domain(str, Enum):
    """What the scenes are drawn from."""

    tabletop = "tabletop"
    world = "world"


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
    domain: Annotated[
        Domain,
        typer.Option(
            help="Household objects on a table; or any thing in any place, seen by any camera."
        ),
    ] = Domain.tabletop,
    format: Annotated[
        Format,
        typer.Option(help="A rosbag2; a folder of images in the layout of OSD; COCO instances."),
    ] = Format.bag,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the output of an earlier run.")
    ] = False,
) -> None:
    """Simulate scenes: color, noisy depth and ground truth for every pixel.

    On the tabletop, household objects lie, stand, lean and are stacked on a
    table in a furnished room. The world has things of any shape on tables,
    floors and shelves and in bins.
    """
    from cvdl.cli.console import status_console
    from cvdl.core.tally import counted
    from cvdl.datasets.dataset import tracked
    from cvdl.simulation import SimulationConfig, simulate_scenes
    from cvdl.simulation.export import EXPORTS

    start = perf_counter()
    with EXPORTS[format.value](out, overwrite, seed) as export:
        sequence = simulate_scenes(seed, scenes, SimulationConfig(domain=domain.value))
        console = status_console()
        for scene in tracked(sequence, "simulating", console, scenes):
            export.add(scene)
    rate = scenes / (perf_counter() - start)
    typer.echo(f"{counted(scenes, 'scene')} in {out} ({rate:.1f} per second)")
