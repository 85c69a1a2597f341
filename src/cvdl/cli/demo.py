"""``cvdl demo``: the main job in one command."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.progress import TaskID
    from rich.table import Table

    from cvdl.cli.demo_run import DemoResult

__all__ = ["command"]


def command(
    out: Annotated[Path, typer.Argument(help="Folder for the outputs.")] = Path("demo"),
    scenes: Annotated[int, typer.Option(min=1, help="Number of scenes to simulate.")] = 60,
    seed: Annotated[int, typer.Option(min=0, help="Random seed of the simulation.")] = 0,
) -> None:
    """Simulate a tabletop, write it as a bag, replay it, and score the results.

    Replaces the outputs of an earlier demo. The first run compiles code, which takes
    about half a minute.
    """
    from rich.console import Console
    from rich.progress import Progress

    from cvdl.cli.console import status_console
    from cvdl.cli.demo_run import run_demo
    from cvdl.cli.replay import replay_table

    with Progress(console=status_console(), transient=True) as progress:
        tasks: dict[str, TaskID] = {}

        def show(step: str, done: int, expected: int) -> None:
            if step not in tasks:
                tasks[step] = progress.add_task(step)
            progress.update(tasks[step], completed=done, total=expected)

        result = run_demo(out, scenes, seed, show)
    Console().print(replay_table(result.summary), _quality_table(result))
    typer.echo(f"simulated bag: {result.scenes}")
    typer.echo(f"result bag:    {result.bag}")
    typer.echo(f"contact sheet: {result.sheet}")


def _quality_table(result: DemoResult) -> Table:
    import numpy as np

    from cvdl.cli.tables import empty_table
    from cvdl.evaluation.figures import median_of_defined
    from cvdl.evaluation.segmentation import DETECTED_F, mean_figures

    figures = mean_figures([score.segmentation for score in result.scores])
    angles = np.array([score.plane_angle_deg for score in result.scores])
    offsets = np.array([score.plane_offset_mm for score in result.scores])
    overlaps = np.array([box.iou for score in result.scores for box in score.boxes])
    table = empty_table("compared with the ground truth", "measure", "value")
    table.add_row("masks: overlap F, mean over scenes", f"{figures['overlap_f']:.3f}")
    table.add_row(f"objects with F > {DETECTED_F}", f"{figures['detected']:.0%}")
    table.add_row("scenes with a plane", f"{np.isfinite(angles).sum()} of {len(angles)}")
    table.add_row("plane: median angle", f"{median_of_defined(angles):.2f} deg")
    table.add_row("plane: median offset", f"{median_of_defined(offsets):.1f} mm")
    table.add_row("3-D boxes: median IoU", f"{median_of_defined(overlaps):.2f}")
    if result.recognised is not None:
        share = result.recognised / max(result.detected, 1)
        table.add_row(
            f"objects with F > {DETECTED_F}: right class", f"{share:.0%} of {result.detected}"
        )
    if result.graspable is not None:
        share = result.graspable / max(result.objects, 1)
        table.add_row("found objects with a grasp", f"{share:.0%} of {result.objects}")
    return table
