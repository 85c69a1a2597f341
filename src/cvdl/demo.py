"""The demo: simulate a tabletop, replay it, and compare the results with the ground truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cvdl.core.errors import InputError
from cvdl.core.frame import RgbdFrame
from cvdl.core.scene import Scene
from cvdl.evaluation.scene_scores import SceneScore, evaluate_scene
from cvdl.evaluation.segmentation import DETECTED_F
from cvdl.pipeline import PerceptionConfig
from cvdl.recognition.config import RecognitionConfig
from cvdl.replay import ReplayOptions, ReplaySummary, replay
from cvdl.simulation.export import BagExport
from cvdl.simulation.generate import simulate_scenes
from cvdl.viz.pictures import contact_sheet, overlay, write_png
from cvdl.warm_up import warmed_up

__all__ = ["DemoResult", "run_demo"]

_SHEET_PAIRS = 8  # scenes on the contact sheet


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
    # What users have taught is not in the simulation, and would only spoil the comparison.
    perception = warmed_up(PerceptionConfig(gallery=RecognitionConfig(enable=False)))

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
