"""The segmentation's score over a labelled data set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvdl.core.frame import RgbdFrame
from cvdl.core.scene import Scene
from cvdl.core.tally import Tally, latency_report
from cvdl.datasets import OsdDataset
from cvdl.evaluation.segmentation import (
    SegmentationScore,
    evaluate_segmentation,
    mean_figures,
)
from cvdl.pipeline import Perception
from cvdl.viz.pictures import contact_sheet, overlay

__all__ = ["FrameResult", "evaluate_dataset", "pooled", "report", "worst_sheet"]


@dataclass(frozen=True)
class FrameResult:
    """One frame's score; ``index`` is its place in the data set."""

    index: int
    name: str
    score: SegmentationScore
    latency_ms: dict[str, float]


def evaluate_dataset(dataset: OsdDataset, perception: Perception) -> Iterator[FrameResult]:
    """Run every frame and score it on the labelled pixels, one after the other.

    Raises:
        DatasetError: if a frame or its truth cannot be read.
    """
    for index, name in enumerate(dataset.names):
        scene = perception(dataset[index])
        truth = dataset.truth(index)
        score = evaluate_segmentation(truth, scene.labels, truth > 0)
        yield FrameResult(index, name, score, scene.latency_ms)


def pooled(results: Sequence[FrameResult]) -> SegmentationScore:
    """All frames' pixels and objects in one score."""
    first, *others = (result.score for result in results)
    return sum(others, first)


def report(results: Sequence[FrameResult]) -> dict[str, Any]:
    """Means, pooled figures, latencies and each scene's figures, as JSON takes them."""
    tally = Tally()
    for result in results:
        tally.add(result.latency_ms)
    return {
        "frames": len(results),
        "objects": sum(result.score.objects for result in results),
        "mean": mean_figures([result.score for result in results]),
        "pooled": pooled(results).figures(),
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


def worst_sheet(
    dataset: OsdDataset, perception: Perception, results: Sequence[FrameResult], count: int
) -> NDArray[np.uint8]:
    """Truth beside prediction for the frames of lowest overlap F, worst first; RGB.

    Matched objects have the same colour in both.
    """
    worst = sorted(results, key=lambda result: result.score.overlap.f)[:count]
    pictures, captions = [], []
    for result in worst:
        frame, figures = dataset[result.index], result.score.figures()
        pictures += [
            _truth_picture(frame, dataset.truth(result.index), result.score),
            overlay(frame, perception(frame)),
        ]
        captions += [
            f"{result.name}: truth, {result.score.objects} objects",
            f"F {figures['overlap_f']:.3f}, boundary {figures['boundary_f']:.3f}, "
            f"detected {figures['detected']:.0%}",
        ]
    return contact_sheet(pictures, captions)


def _truth_picture(
    frame: RgbdFrame, truth: NDArray[np.uint16], score: SegmentationScore
) -> NDArray[np.uint8]:
    numbers = np.arange(int(truth.max()) + 1, dtype=np.uint16)
    numbers[2:] += 200  # far from any partner's number: an object that was missed
    for match in score.matches:
        numbers[match.truth] = match.predicted
    return overlay(frame, Scene(numbers[truth], None))
