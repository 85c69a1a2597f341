"""``cvdl demo``: simulate a tabletop, replay it, and compare the results with the ground truth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cvdl.core.extras import require

if TYPE_CHECKING:
    from rich.progress import TaskID
    from rich.table import Table

    from cvdl.demo import DemoResult

__all__ = ["command"]


def command(
    out: Annotated[Path, typer.Argument(help="Folder for the outputs.")] = Path("demo"),
    scenes: Annotated[int, typer.Option(min=1, help="Number of scenes to simulate.")] = 60,
    seed: Annotated[int, typer.Option(min=0, help="Random seed of the simulation.")] = 0,
) -> None:
    """Simulate a tabletop, write it as a bag, replay it, and score the results.

    Replaces the outputs of an earlier demo.
    """
    require("sim", "cvdl demo")
    from rich.console import Console
    from rich.progress import Progress

    from cvdl.cli.console import status_console
    from cvdl.cli.replay import replay_table
    from cvdl.demo import run_demo

    with Progress(console=status_console(), transient=True) as progress:
        tasks: dict[str, TaskID] = {}

        def show(step: str, done: int, expected: int) -> None:
            if step not in tasks:
                tasks[step] = progress.add_task(step)
            progress.update(tasks[step], completed=done, total=expected)

        result = run_demo(out, scenes, seed, show)
    Console().print(replay_table(result.summary), _quality_table(result))
    typer.echo(f"simulated bag: {out / 'scenes'}")
    typer.echo(f"result bag:    {out / 'result'}")
    typer.echo(f"contact sheet: {out / 'sheet.png'}")


def _quality_table(result: DemoResult) -> Table:
    import numpy as np

    from cvdl.cli.tables import empty_table
    from cvdl.evaluation.figures import median_of_defined
    from cvdl.evaluation.segmentation import DETECTED_F, mean_figures

    figures = mean_figures([score.segmentation for score in result.scores])
    angles = np.array([score.plane_angle_deg for score in result.scores])
    offsets = np.array([score.plane_offset_mm for score in result.scores])
    overlaps = np.array([box.iou for score in result.scores for box in score.boxes])
    recognized = result.recognized / max(result.detected, 1)
    graspable = result.graspable / max(result.objects, 1)
    table = empty_table("compared with the ground truth", "measure", "value")
    for measure, value in (
        ("masks: overlap F, mean over scenes", f"{figures['overlap_f']:.3f}"),
        (f"objects with F > {DETECTED_F}", f"{figures['detected']:.0%}"),
        ("scenes with a plane", f"{np.isfinite(angles).sum()} of {len(angles)}"),
        ("plane: median angle", f"{median_of_defined(angles):.2f} deg"),
        ("plane: median offset", f"{median_of_defined(offsets):.1f} mm"),
        ("3-D boxes: median IoU", f"{median_of_defined(overlaps):.2f}"),
        (f"objects with F > {DETECTED_F}: right class", f"{recognized:.0%} of {result.detected}"),
        ("found objects with a grasp", f"{graspable:.0%} of {result.objects}"),
    ):
        table.add_row(measure, value)
    return table
