"""What another camera's resolution does to segmentation, detection and grasps.

    python benchmarks/cameras.py [--scenes N] [--seed S]

The same kinds of simulated scenes, seen by cameras of several resolutions and one field of view.
F: overlap of the segmentation with the visible masks. AP50, AP50:95: of the default detector. 0.25
and 0.50: share of the scenes in which the default grasp detector's best rectangle of the whole
image has more than that Jaccard index with a labelled one. Medians of milliseconds a frame.
"""

from __future__ import annotations

import argparse
from time import perf_counter

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import track
from rich.table import Table

from cvdl.core.scene import Scene
from cvdl.datasets.simulated import SimulatedDetection
from cvdl.detection import load_detector as load_object_detector
from cvdl.evaluation.detection import DetectionScores
from cvdl.evaluation.scene import evaluate_scene
from cvdl.grasping import load_detector as load_grasp_detector
from cvdl.grasping.rectangles import best_overlap
from cvdl.segmentation import TabletopSegmenter
from cvdl.simulation import SimulationConfig, simulate_scene
from cvdl.simulation.grasps import label_grasps

SIZES = ((320, 240), (640, 480), (1280, 960), (1920, 1200))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenes", type=int, default=60, help="of each resolution")
    parser.add_argument("--seed", type=int, default=10_000, help="of the scenes")
    args = parser.parse_args()
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("camera", "F", "ms", "AP50", "AP50:95", "ms", "0.25", "0.50", "ms"):
        table.add_column(heading, justify="right")
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
        times: dict[str, list[float]] = {"segment": [], "detect": [], "grasp": []}
        indices = range(args.scenes)
        for index in track(indices, f"{width}x{height}", console=console, transient=True):
            simulated = simulate_scene(args.seed, index, config)
            frame, good = simulated.frame, label_grasps(simulated).good
            start = perf_counter()
            scene = Scene(*segment(frame))
            segmented = perf_counter()
            (found,) = detect([frame])
            detected = perf_counter()
            best = grasp(frame, count=1)
            end = perf_counter()
            for name, seconds in (
                ("segment", segmented - start),
                ("detect", detected - segmented),
                ("grasp", end - detected),
            ):
                times[name].append(1e3 * seconds)
            seen = np.isfinite(frame.depth)
            overlaps.append(evaluate_scene(simulated.truth, scene, seen).segmentation.overlap.f)
            scores.add(data[index], found)
            if len(good):
                fits.append(best_overlap(best, good)[0] if len(best) else 0.0)
        report, right = scores.report(), np.array(fits)
        shares = (right > 0.25).mean(), (right > 0.5).mean()
        segment_ms, detect_ms, grasp_ms = (np.median(some) for some in times.values())
        table.add_row(
            f"{width}x{height}",
            *(f"{np.mean(overlaps):.3f}", f"{segment_ms:.0f}"),
            *(f"{report.ap50:.3f}", f"{report.ap:.3f}", f"{detect_ms:.0f}"),
            *(*(f"{100 * share:.0f} %" for share in shares), f"{grasp_ms:.0f}"),
        )
    console.print(table)


if __name__ == "__main__":
    main()
