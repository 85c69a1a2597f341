"""The segmentation of simulated scenes: errors of the plane, and objects with exactly one mask.

    python benchmarks/simulated_segmentation.py [--seeds 0 7] [--scenes N]

A plane is right within 2 degrees and 20 mm of the table top; the errors are those of right planes.
F: mean overlap of masks with the visible objects where there is depth. Found: mean share of the
objects with an overlap above 0.75. Harder than OSD: objects lean, stack and stick out over edges.
"""

from __future__ import annotations

import argparse

import numpy as np
from rich.console import Console
from rich.progress import track

from cvdl.core.scene import Scene
from cvdl.evaluation.scene_scores import evaluate_scene
from cvdl.evaluation.segmentation import mean_figures
from cvdl.segmentation import TabletopSegmenter
from cvdl.simulation import simulate_scene
from measuring import new_table

RIGHT_DEGREES, RIGHT_MM = 2.0, 20.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 7], help="of the scenes")
    parser.add_argument("--scenes", type=int, default=100, help="of each seed")
    args = parser.parse_args()
    headings = ("seed", "planes right", "median", "largest error", "F", "found", "wrong in")
    table = new_table(*headings)
    segment, console = TabletopSegmenter(), Console()
    for seed in args.seeds:
        scores = []
        for index in track(range(args.scenes), f"seed {seed}", console=console, transient=True):
            simulated = simulate_scene(seed, index)
            scene = Scene(*segment(simulated.frame))
            readings = np.isfinite(simulated.frame.depth)
            scores.append(evaluate_scene(simulated.truth, scene, readings))
        errors = np.array([(score.plane_angle_deg, score.plane_offset_mm) for score in scores])
        right = (errors < [RIGHT_DEGREES, RIGHT_MM]).all(axis=1)  # NaN (no plane) is not
        typical_and_worst = np.median(errors[right], axis=0), errors[right].max(axis=0)
        figures = mean_figures([score.segmentation for score in scores])
        table.add_row(
            str(seed),
            f"{right.sum()} of {len(scores)}",
            *("{:.2f}°, {:.1f} mm".format(*error) for error in typical_and_worst),
            f"{figures['overlap_f']:.3f}",
            f"{figures['detected']:.3f}",
            ", ".join(map(str, np.flatnonzero(~right))),
        )
    console.print(table)


if __name__ == "__main__":
    main()
