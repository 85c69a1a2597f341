"""``cvdl demo``: simulate a tabletop, replay it, and compare the results with the ground truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.progress import Progress, TaskID
from rich.table import Table

from cvdl.cli.console import status_console
from cvdl.cli.replay import replay_table
from cvdl.cli.tables import empty_table
from cvdl.core.errors import InputError
from cvdl.core.frame import RgbdFrame
from cvdl.core.scene import Scene
from cvdl.evaluation.figures import median_of_defined
from cvdl.evaluation.scene_scores import SceneScore, evaluate_scene
from cvdl.evaluation.segmentation import DETECTED_F, mean_figures
from cvdl.pipeline import PerceptionConfig
from cvdl.replay import ReplayOptions, ReplaySummary, replay
from cvdl.simulation.export import BagExport
from cvdl.simulation.generate import simulate_scenes
from cvdl.viz.pictures import contact_sheet, overlay, write_png
from cvdl.warm_up import warmed_up

__all__ = ["DemoResult", "command", "run_demo"]

_SHEET_PAIRS = 8  # scenes on the contact sheet


def command(
    out: Annotated[Path, typer.Argument(help="Folder for the outputs.")] = Path("demo"),
    scenes: Annotated[int, typer.Option(min=1, help="Number of scenes to simulate.")] = 60,
    seed: Annotated[int, typer.Option(min=0, help="Random seed of the simulation.")] = 0,
) -> None:
    """Simulate a tabletop, write it as a bag, replay it, and score the results.

    Replaces the outputs of an earlier demo.
    """
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


@dataclass(frozen=True)
class DemoResult:
    """The figures of a demo.

    Attributes:
        summary: of the replay.
        scores: one per scene, in order.
        objects: number of objects that were found in all scenes.
        graspable: number of these that have a grasp.
        detected: number of true objects that were found, with an overlap F above `DETECTED_F`.
        recognized: number of these with the right class.
    """

    summary: ReplaySummary
    scores: tuple[SceneScore, ...]
    objects: int
    graspable: int
    detected: int
    recognized: int


def run_demo(
    out: Path,
    scenes: int,
    seed: int,
    on_progress: Callable[[str, int, int], None] = lambda step, done, expected: None,
) -> DemoResult:
    """Simulate scenes into a bag, replay it, and compare the results with the ground truth.

    Args:
        out: folder for all outputs; those of an earlier demo are replaced.
        scenes: number of scenes, at least 1.
        seed: of the simulation.
        on_progress: called with the name of the step, the number done and the number expected.

    Raises:
        InputError: if something else is in the place of an output, or a stage failed.
        OSError: if an output cannot be written.
    """
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file; expected a folder for the demo's outputs")
    truths: dict[int, tuple[RgbdFrame, Scene]] = {}
    with BagExport(out / "scenes", overwrite=True, seed=seed) as export:
        for done, simulated in enumerate(simulate_scenes(seed, scenes), start=1):
            export.add(simulated)
            truths[simulated.frame.stamp_ns] = simulated.frame, simulated.truth
            on_progress("simulating", done, scenes)

    results: dict[int, Scene] = {}
    perception = warmed_up(PerceptionConfig())

    def remember(frame: RgbdFrame) -> Scene:
        results[frame.stamp_ns] = perception(frame)
        return results[frame.stamp_ns]

    summary = replay(
        out / "scenes",
        out / "result",
        remember,
        ReplayOptions(overwrite=True),
        lambda done, expected: on_progress("replaying", done, expected),
    )
    if summary.interrupted:
        raise KeyboardInterrupt
    if len(results) < len(truths):
        causes = summary.problem or ", ".join(summary.dropped)
        raise InputError(f"{len(results)} of {len(truths)} scenes were processed: {causes}")
    scores, rights = [], []
    for done, (stamp, (frame, truth)) in enumerate(truths.items(), start=1):
        scene = results[stamp]
        # Pixels without a depth reading cannot be found.
        score = evaluate_scene(truth, scene, np.isfinite(frame.depth))
        true_class = {item.label: item.class_name for item in truth.objects}
        found_class = {item.label: item.class_name for item in scene.objects}
        rights += [
            found_class[match.predicted] == true_class[match.truth]
            for match in score.segmentation.matches
            if match.f > DETECTED_F
        ]
        scores.append(score)
        on_progress("comparing with the ground truth", done, scenes)
    _draw_sheet(out / "sheet.png", truths, results, scores)
    return DemoResult(
        summary=summary,
        scores=tuple(scores),
        objects=sum(len(scene.objects) for scene in results.values()),
        graspable=sum(len(scene.best_grasps()) for scene in results.values()),
        detected=len(rights),
        recognized=sum(rights),
    )


def _draw_sheet(
    path: Path,
    truths: dict[int, tuple[RgbdFrame, Scene]],
    results: dict[int, Scene],
    scores: list[SceneScore],
) -> None:
    """Scenes from the best to the worst, evenly spread: the result beside the truth."""
    stamps = list(truths)
    order = np.argsort([-score.segmentation.overlap.f for score in scores])
    chosen = order[np.linspace(0, len(order) - 1, min(_SHEET_PAIRS, len(order))).astype(int)]
    pictures, captions = [], []
    for index in chosen:
        frame, truth = truths[stamps[index]]
        pictures += [overlay(frame, results[stamps[index]]), overlay(frame, truth)]
        score = scores[index].segmentation
        captions += [f"scene {index}: found, F {score.overlap.f:.2f}", f"scene {index}: truth"]
    write_png(path, contact_sheet(pictures, captions))


def _quality_table(result: DemoResult) -> Table:
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
