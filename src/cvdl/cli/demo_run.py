"""The main job on an embedded default: simulate a tabletop, replay it, measure the result."""

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
from cvdl.pipeline import Perception
from cvdl.replay import ReplayOptions, ReplaySummary, replay
from cvdl.simulation.export import BagExport
from cvdl.simulation.generate import simulate_scenes
from cvdl.viz.pictures import contact_sheet, overlay, write_png

__all__ = ["DemoResult", "run_demo"]

_SHEET_PAIRS = 8  # scenes on the contact sheet


@dataclass(frozen=True)
class DemoResult:
    """What a demo made and measured.

    Attributes:
        scenes: the simulated bag.
        bag: the replayed one.
        sheet: PNG of what was found beside the truth.
        summary: of the replay.
        scores: one a scene, in order.
        objects: number found in all scenes.
        graspable: number of these with a grasp; None where no grasps were looked for.
        detected: number of the truth's objects that were found, with an overlap F above
            `DETECTED_F`.
        recognised: number of these with the right class; None where no classes were looked for.
    """

    scenes: Path
    bag: Path
    sheet: Path
    summary: ReplaySummary
    scores: tuple[SceneScore, ...]
    objects: int
    graspable: int | None
    detected: int
    recognised: int | None


def run_demo(
    out: Path,
    scenes: int,
    seed: int,
    on_progress: Callable[[str, int, int], None] = lambda step, done, expected: None,
) -> DemoResult:
    """Simulate scenes into a bag, replay it, and compare what was found with the truth.

    Args:
        out: folder for all outputs; those of an earlier demo are replaced.
        scenes: how many, at least 1.
        seed: of the simulation.
        on_progress: called with the name of the step, the number done and the number expected.

    Raises:
        InputError: if something else is where an output goes, or a stage failed.
        OSError: if an output cannot be written.
    """
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file; expected a folder for the demo's outputs")
    simulated, replayed, sheet = out / "scenes", out / "result", out / "sheet.png"
    truths: dict[int, tuple[RgbdFrame, Scene]] = {}
    with BagExport(simulated, overwrite=True, seed=seed) as export:
        for done, scene in enumerate(simulate_scenes(seed, scenes), start=1):
            export.add(scene)
            truths[scene.frame.stamp_ns] = scene.frame, scene.truth
            on_progress("simulating", done, scenes)

    found: dict[int, Scene] = {}
    perception = Perception()

    def remember(frame: RgbdFrame) -> Scene:
        found[frame.stamp_ns] = perception(frame)
        return found[frame.stamp_ns]

    summary = replay(
        simulated,
        replayed,
        remember,
        ReplayOptions(overwrite=True),
        lambda done, expected: on_progress("replaying", done, expected),
    )
    if summary.interrupted:
        raise KeyboardInterrupt
    if len(found) < len(truths):
        causes = summary.problem or ", ".join(summary.dropped)
        raise InputError(f"{len(found)} of {len(truths)} scenes were processed: {causes}")
    scores = []
    for done, (stamp, (frame, truth)) in enumerate(truths.items(), start=1):
        # Where the camera has no reading, nothing can be found.
        scores.append(evaluate_scene(truth, found[stamp], np.isfinite(frame.depth)))
        on_progress("comparing with the ground truth", done, scenes)
    _draw_sheet(sheet, truths, found, scores)
    objects = sum(len(scene.objects) for scene in found.values())
    graspable = None
    if perception.config.grasp.enable:
        graspable = sum(len(scene.best_grasps()) for scene in found.values())
    rights = []
    for (stamp, (_, truth)), score in zip(truths.items(), scores, strict=True):
        true_class = {item.label: item.class_name for item in truth.objects}
        found_class = {item.label: item.class_name for item in found[stamp].objects}
        rights += [
            found_class[match.predicted] == true_class[match.truth]
            for match in score.segmentation.matches
            if match.f > DETECTED_F
        ]
    return DemoResult(
        scenes=simulated,
        bag=replayed,
        sheet=sheet,
        summary=summary,
        scores=tuple(scores),
        objects=objects,
        graspable=graspable,
        detected=len(rights),
        recognised=sum(rights) if perception.config.detector.enable else None,
    )


def _draw_sheet(
    path: Path,
    truths: dict[int, tuple[RgbdFrame, Scene]],
    found: dict[int, Scene],
    scores: list[SceneScore],
) -> None:
    """Scenes from the best to the worst, evenly spread: what was found beside the truth."""
    stamps = list(truths)
    order = np.argsort([-score.segmentation.overlap.f for score in scores])
    chosen = order[np.linspace(0, len(order) - 1, min(_SHEET_PAIRS, len(order))).astype(int)]
    pictures, captions = [], []
    for index in chosen:
        frame, truth = truths[stamps[index]]
        pictures += [overlay(frame, found[stamps[index]]), overlay(frame, truth)]
        score = scores[index].segmentation
        captions += [f"scene {index}: found, F {score.overlap.f:.2f}", f"scene {index}: truth"]
    write_png(path, contact_sheet(pictures, captions))
