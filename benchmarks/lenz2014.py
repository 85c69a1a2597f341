"""The grasp detector of Lenz, Lee & Saxena 2014: its accuracy in folds, ablations and its time.

    python benchmarks/lenz2014.py [--data DIR] [--only folds|ablations|speed] [--threads N]

Folds are those of ``cvdl train grasp --detector lenz2014 --folds 5``.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import reduce
from operator import add
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from cvdl.datasets.cornell import CornellDataset
from cvdl.datasets.dataset import Subset
from cvdl.datasets.grasp_sample import GraspData, GraspSample
from cvdl.evaluation.figures import spread
from cvdl.evaluation.grasping import GraspScores, score_grasp_detector
from cvdl.grasping import GRASP_DETECTORS
from cvdl.grasping.foreground import foreground
from cvdl.grasping.models.lenz2014.candidates import candidates
from cvdl.grasping.models.lenz2014.detector import LARGE, SMALL, LenzConfig, LenzDetector
from cvdl.grasping.models.lenz2014.training import (
    LearningSet,
    LenzTraining,
    learning_set,
    train_network,
)
from cvdl.training.splits import folds
from measuring import DATA, new_table, timed

FOLDS = 5
PLAIN = LenzTraining()
ABLATIONS = {
    "as published": PLAIN,
    "no multimodal penalty": PLAIN.model_copy(
        update={"pretraining": PLAIN.pretraining.model_copy(update={"group_weight": 0.0})}
    ),
    "no pre-training": PLAIN.model_copy(
        update={"pretraining": PLAIN.pretraining.model_copy(update={"epochs": 0})}
    ),
    "no mask scaling": PLAIN.model_copy(update={"cap": 1.0}),
    "color only": PLAIN.model_copy(update={"modalities": ("color",)}),
    "depth only": PLAIN.model_copy(update={"modalities": ("depth",)}),
    "normals only": PLAIN.model_copy(update={"modalities": ("normals",)}),
    "depth and normals": PLAIN.model_copy(update={"modalities": ("depth", "normals")}),
}
SEARCHES = {
    "two stages": LenzConfig(),
    "first stage only": LenzConfig(survivors=1),
    "large network only": LenzConfig(stages=1),
}


def cross_validate(
    views: GraspData,
    sets: Sequence[LearningSet],
    by: str,
    config: LenzTraining,
    searches: Sequence[LenzConfig],
) -> list[list[GraspScores]]:
    """The scores of each search in each fold."""
    scores: list[list[GraspScores]] = [[] for _ in searches]
    for split in folds(views.object_ids, FOLDS, by):
        data = LearningSet.joined([sets[i] for i in split.train])
        small, large = (train_network(hidden, data, config) for hidden in (SMALL, LARGE))
        tested = Subset([(views, split.test)])
        for search, into in zip(searches, scores, strict=True):
            into.append(score_grasp_detector(LenzDetector(small, large, search), tested))
    return scores


def accuracy_table(title: str) -> Table:
    return new_table("", "recognition, %", "top-1 at 0.25, %", title=title)


def add_accuracy(table: Table, name: str, scores: list[GraspScores]) -> None:
    report = spread(reduce(add, scores).figures(), [fold.figures() for fold in scores])
    cells = (
        f"{100 * report[key]['mean']:.1f} ± {100 * report[key]['deviation']:.1f}"
        for key in ("recognition", "top1@0.25")
    )
    table.add_row(name, *cells)


def milliseconds(detector: LenzDetector, sample: GraspSample, repeats: int) -> float:
    times = [timed(detector, sample.frame)[1] for _ in range(repeats + 1)]
    return float(np.median(times[1:]))  # the first one warms up


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA / "cornell/01")
    parser.add_argument("--only", choices=("folds", "ablations", "speed"))
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    console = Console()
    views = CornellDataset(args.data)
    if args.only != "speed":
        sets = [learning_set(sample, PLAIN) for sample in views]
    if args.only in (None, "folds"):
        for by in ("image", "object"):
            table = accuracy_table(f"{FOLDS} folds, {by}-wise")
            scores = cross_validate(views, sets, by, PLAIN, list(SEARCHES.values()))
            for name, each in zip(SEARCHES, scores, strict=True):
                add_accuracy(table, name, each)
            console.print(table)
    if args.only in (None, "ablations"):
        table = accuracy_table(f"{FOLDS} folds, image-wise")
        for name, config in ABLATIONS.items():
            scores = cross_validate(views, sets, "image", config, [LenzConfig()])
            add_accuracy(table, name, scores[0])
        console.print(table)
    if args.only in (None, "speed"):
        detector = GRASP_DETECTORS["lenz2014"].load()
        table = new_table("rectangles", "one stage, ms", "two stages, ms")
        sample = views[0]
        for wanted in (1_000, 10_000, 100_000):
            mask = foreground(sample.frame)
            count = len(candidates(mask, wanted, sample.frame.camera.fx))
            times = [
                milliseconds(
                    LenzDetector(
                        detector.small,
                        detector.large,
                        LenzConfig(candidates=wanted, stages=stages),
                    ),
                    sample,
                    repeats=1 if stages == 1 else 5,
                )
                for stages in (1, 2)
            ]
            table.add_row(f"{count:,}", *(f"{value:.0f}" for value in times))
        console.print(table)


if __name__ == "__main__":
    main()
