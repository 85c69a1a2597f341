"""How the resolution of the camera changes segmentation, detection and grasps.

    python benchmarks/cameras.py [--scenes N] [--seed S]

The same kinds of simulated scenes, seen by cameras of several resolutions and one field of view.
F: overlap of the segmentation with the visible masks. AP50, AP50:95: of the default detector. 0.25
and 0.50: share of the scenes in which the best rectangle of the default grasp detector on the whole
image has a larger Jaccard index with a labeled one. Milliseconds are medians per frame.
"""

from __future__ import annotations

import argparse

import numpy as np
from rich.console import Console
from rich.progress import track

from cvdl.core.scene import Scene
from cvdl.datasets.simulated.scenes import SimulatedDetection
from cvdl.detection import load_detector as load_object_detector
from cvdl.evaluation.detection import DetectionScores
from cvdl.evaluation.scene_scores import evaluate_scene
from cvdl.grasping import load_grasp_detector
from cvdl.grasping.rectangles import best_overlap
from cvdl.segmentation import TabletopSegmenter
from cvdl.simulation import SimulationConfig, simulate_scene
from cvdl.simulation.grasps import label_grasps
from measuring import new_table, timed

SIZES = ((320, 240), (640, 480), (1280, 960), (1920, 1200))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenes", type=int, default=60, help="of each resolution")
    parser.add_argument("--seed", type=int, default=10_000, help="of the scenes")
    args = parser.parse_args()
    table = new_table("camera", "F", "ms", "AP50", "AP50:95", "ms", "0.25", "0.50", "ms")
    segment, detect, grasp = (
        TabletopSegmenter(),
        load_object_detector(),
        load_grasp_detector("cascade"),
    )
    console = Console()
    for width, height in SIZES:
        config = SimulationConfig(width=width, height=height)
        data = SimulatedDetection(args.seed, args.scenes, config)
        scores, overlaps, fits = DetectionScores(data.classes), [], []
        times = []
        indices = range(args.scenes)
        for index in track(indices, f"{width}x{height}", console=console, transient=True):
            simulated = simulate_scene(args.seed, index, config)
            frame, good = simulated.frame, label_grasps(simulated).good
            segmented, segment_ms = timed(segment, frame)
            (found,), detect_ms = timed(detect, [frame])
            best, grasp_ms = timed(grasp, frame, count=1)
            times.append((segment_ms, detect_ms, grasp_ms))
            seen = np.isfinite(frame.depth)
            score = evaluate_scene(simulated.truth, Scene(*segmented), seen)
            overlaps.append(score.segmentation.overlap.f)
            scores.add(data[index], found)
            if len(good):
                fits.append(best_overlap(best, good)[0] if len(best) else 0.0)
        report, right = scores.report(), np.array(fits)
        shares = (right > 0.25).mean(), (right > 0.5).mean()
        segment_ms, detect_ms, grasp_ms = np.median(times, axis=0)
        table.add_row(
            f"{width}x{height}",
            *(f"{np.mean(overlaps):.3f}", f"{segment_ms:.0f}"),
            *(f"{report.ap50:.3f}", f"{report.ap:.3f}", f"{detect_ms:.0f}"),
            *(*(f"{100 * share:.0f} %" for share in shares), f"{grasp_ms:.0f}"),
        )
    console.print(table)


if __name__ == "__main__":
    main()
