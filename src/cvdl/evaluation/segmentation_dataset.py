"""The score of the segmentation on a labeled data set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvdl.core.tally import Tally, latency_report
from cvdl.datasets import OsdDataset
from cvdl.evaluation.segmentation import SegmentationScore, evaluate_segmentation, mean_figures
from cvdl.evaluation.segmentation_pictures import side_by_side
from cvdl.pipeline import Perception
from cvdl.viz.pictures import contact_sheet

__all__ = ["FrameResult", "evaluate_dataset", "segmentation_report", "worst_frames"]


@dataclass(frozen=True)
class FrameResult:
    """The score of one frame; ``index`` is its place in the data set."""

    index: int
    name: str
    score: SegmentationScore
    latency_ms: dict[str, float]


def evaluate_dataset(dataset: OsdDataset, perception: Perception) -> Iterator[FrameResult]:
    """Run every frame, one after the other, and score it on the labeled pixels.

    Raises:
        DatasetError: if a frame or its truth cannot be read.
    """
    for index, name in enumerate(dataset.names):
        scene = perception(dataset[index])
        truth = dataset.truth(index)
        score = evaluate_segmentation(truth, scene.labels, truth > 0)
        yield FrameResult(index, name, score, scene.latency_ms)


def segmentation_report(results: Sequence[FrameResult]) -> dict[str, Any]:
    """Means, pooled figures, latencies and the figures of each scene for JSON."""
    scores = [result.score for result in results]
    tally = Tally()
    for result in results:
        tally.add(result.latency_ms)
    return {
        "frames": len(results),
        "objects": sum(score.objects for score in scores),
        "mean": mean_figures(scores),
        "pooled": reduce(add, scores).figures(),
        "latency_ms": latency_report(tally.latency_ms()),
        "scenes": [
            {
                "name": result.name,
                "objects": result.score.objects,
                **result.score.figures(),
                "latency_ms": result.latency_ms,
            }
            for result in results
        ],
    }


def worst_frames(
    dataset: OsdDataset, perception: Perception, results: Sequence[FrameResult], count: int
) -> NDArray[np.uint8]:
    """Truth and prediction side by side for the frames of lowest overlap F, worst first; RGB.

    Matched objects have the same color in both.
    """
    pictures, captions = [], []
    for result in sorted(results, key=lambda result: result.score.overlap.f)[:count]:
        frame, truth = dataset[result.index], dataset.truth(result.index)
        pair, words = side_by_side(frame, truth, perception(frame), result.score, result.name)
        pictures += pair
        captions += words
    return contact_sheet(pictures, captions)
