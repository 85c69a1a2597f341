"""``cvdl simulate``: makes scenes with ground truth."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from cvdl.simulation import SimulationConfig

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
    grasps = "grasps"


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
        typer.Option(
            help="A rosbag2; a folder of images in the layout of OSD; COCO instances; grasps that "
            "were executed in a physics simulation, which tells whether they hold (extra "
            "cvdl[physics])."
        ),
    ] = Format.bag,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the output of an earlier run.")
    ] = False,
) -> None:
    """Simulate scenes: color, noisy depth and ground truth for every pixel.

    On the tabletop, household objects lie, stand, lean and are stacked on a
    table in a furnished room. The world has things of any shape on tables,
    floors and shelves and in bins.

    Executing grasps takes half a minute of one core for each scene, on all
    cores. Ctrl-C or a kill loses the scenes that are being made: the same
    command continues.
    """
    from cvdl.cli.console import status_console
    from cvdl.core.tally import counted
    from cvdl.datasets.dataset import tracked
    from cvdl.simulation import SimulationConfig, simulate_scenes
    from cvdl.simulation.export import EXPORTS

    if format is Format.grasps:
        _execute(out, scenes, seed, SimulationConfig(domain=domain.value), overwrite)
        return
    start = perf_counter()
    with EXPORTS[format.value](out, overwrite, seed) as export:
        sequence = simulate_scenes(seed, scenes, SimulationConfig(domain=domain.value))
        console = status_console()
        for scene in tracked(sequence, "simulating", console, scenes):
            export.add(scene)
    rate = scenes / (perf_counter() - start)
    typer.echo(f"{counted(scenes, 'scene')} in {out} ({rate:.1f} per second)")


def _execute(
    out: Path, scenes: int, seed: int, simulation: SimulationConfig, overwrite: bool
) -> None:
    """Execute the candidates for grasps in scenes, or in those that are missing in the folder."""
    from cvdl.cli.console import status_console
    from cvdl.core.errors import InputError
    from cvdl.core.extras import require
    from cvdl.core.tally import counted
    from cvdl.datasets.dataset import tracked

    require("physics", "cvdl simulate --format grasps")
    from cvdl.evaluation.physics.labeling import LabelingRun, label_scenes
    from cvdl.evaluation.physics.settings import PhysicsSettings
    from cvdl.pipeline import PerceptionConfig

    if overwrite:
        raise InputError("--overwrite does not apply to grasps: a run continues in its folder")
    run = LabelingRun(seed, simulation, PerceptionConfig(), PhysicsSettings())
    done = label_scenes(run, out, scenes)
    executed = held = 0
    for grasps, good in tracked(done, "executing", status_console(), scenes):
        executed, held = executed + grasps, held + good
    counts = f"{counted(scenes, 'scene')}, {counted(executed, 'grasp')}"
    typer.echo(f"{counts}, {held} that hold, in {out}")
