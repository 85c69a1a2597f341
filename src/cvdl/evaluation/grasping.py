"""How good grasp rectangles are: the rectangle metric, and recognition of labeled rectangles.

The metric of Jiang, Moseson & Saxena 2011 ("Efficient grasping from RGBD images", section V) as
Lenz, Lee & Saxena 2014 ("Deep learning for detecting robotic grasps", section VI) use it: a
predicted rectangle is right if one and the same good rectangle differs from it by at most 30
degrees and has a Jaccard index above 0.25. *Detection* is the share of the images whose best
rectangle is right; the detector sees the whole image and no labels. *Recognition* is the share of
the labeled rectangles, good and bad, that the detector classifies correctly.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from math import nan
from operator import add
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from cvdl.core.frame import RgbdFrame
from cvdl.datasets.dataset import Dataset, tracked
from cvdl.datasets.grasp_sample import GraspSample
from cvdl.evaluation.binary import BinaryScores
from cvdl.evaluation.figures import as_json, mean_of_defined
from cvdl.grasping.detector import GraspDetector
from cvdl.grasping.rectangles import RIGHT_OVERLAP, GraspRectangles, best_overlap

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["JACCARDS", "GraspJudge", "GraspResult", "GraspScores", "score_grasp_detector"]

#: The threshold of the Jaccard index in the literature, and stricter ones.
JACCARDS = (RIGHT_OVERLAP, 0.30, 0.40, 0.50)


@runtime_checkable
class GraspJudge(Protocol):
    """A classifier of rectangles; a detector may be one too."""

    def judge(self, frame: RgbdFrame, rectangles: GraspRectangles) -> NDArray[np.floating]:
        """(N,) probabilities in [0, 1] that the rectangles are good."""
        ...


@dataclass(frozen=True)
class GraspResult:
    """The best rectangle of one image.

    Attributes:
        name: of the image.
        object_id: of the object in it.
        best: the best rectangle of the detector; empty if it found none.
        overlap: largest Jaccard index of ``best`` with a good rectangle within 30 degrees.
        latency_ms: of the detector.
    """

    name: str
    object_id: str
    best: GraspRectangles
    overlap: float
    latency_ms: float

    def report(self) -> dict[str, Any]:
        """The result for JSON; sides of the rectangle in pixels, its angle in radians."""
        best = None
        if len(self.best):
            fields = ("center", "angle", "opening", "plate", "score")
            best = {field: getattr(self.best, field)[0] for field in fields}
        return as_json(
            {
                "name": self.name,
                "object": self.object_id,
                "overlap": self.overlap,
                "right": {f"{threshold:.2f}": self.overlap > threshold for threshold in JACCARDS},
                "latency_ms": self.latency_ms,
                "best": best,
            }
        )


@dataclass(frozen=True)
class GraspScores:
    """The results of a grasp detector on a data set.

    Attributes:
        results: one for each image with a good rectangle.
        recognition: of the labeled rectangles; None for a detector that does not judge them.
    """

    results: tuple[GraspResult, ...]
    recognition: BinaryScores | None = None

    def __add__(self, other: GraspScores) -> GraspScores:
        mine, others = self.recognition, other.recognition
        both = None if mine is None or others is None else mine + others
        return GraspScores(self.results + other.results, both)

    def top1(self, threshold: float = RIGHT_OVERLAP) -> float:
        """Share of the images whose best rectangle is right; NaN without images."""
        return mean_of_defined(np.array([result.overlap > threshold for result in self.results]))

    def detection(self) -> BinaryScores:
        """Which of the best rectangles are right, and their scores."""
        found = [result for result in self.results if len(result.best)]
        return BinaryScores(
            np.array([result.overlap > RIGHT_OVERLAP for result in found], bool),
            np.array([result.best.score[0] for result in found], np.float64),
        )

    def figures(self) -> dict[str, float]:
        """The single figures by name: ``top1@0.25`` and so on, ``recognition`` (accuracy)."""
        figures = {f"top1@{threshold:.2f}": self.top1(threshold) for threshold in JACCARDS}
        if self.recognition is not None:
            figures["recognition"] = self.recognition.accuracy()
        return figures

    def report(self) -> dict[str, Any]:
        """All figures for JSON; undefined ones are None.

        ``views`` (number), ``found_nothing`` (views without a rectangle), ``top1`` (share of right
        ones by threshold of the Jaccard index), ``latency_ms`` (``median`` and ``p95``),
        ``detection`` and ``recognition`` (see ``BinaryScores.report``; the accuracy of detection
        takes a score of 0.5 as the sign of a right rectangle; recognition is None for a detector
        that does not judge), ``results`` (see ``GraspResult.report``).
        """
        latency = [result.latency_ms for result in self.results] or [nan]
        return as_json(
            {
                "views": len(self.results),
                "found_nothing": sum(not len(result.best) for result in self.results),
                "top1": {f"{threshold:.2f}": self.top1(threshold) for threshold in JACCARDS},
                "latency_ms": {"median": np.median(latency), "p95": np.percentile(latency, 95)},
                "detection": self.detection().report(),
                "recognition": None if self.recognition is None else self.recognition.report(),
                "results": [result.report() for result in self.results],
            }
        )


def score_grasp_detector(
    detector: GraspDetector, data: Dataset[GraspSample], console: Console | None = None
) -> GraspScores:
    """Score a detector on labeled images, and its recognition if it has ``judge``.

    Images without a good rectangle are skipped in detection: no rectangle would be right there.

    Args:
        detector: gets the whole images.
        data: labeled images.
        console: shows the progress.

    Raises:
        DatasetError: if an image cannot be read.
    """
    results = []
    for sample in tracked(data, "detecting", console):
        if not len(sample.good):
            continue
        start = perf_counter()
        best = detector(sample.frame, count=1)[:1]
        latency = 1000 * (perf_counter() - start)
        overlap = float(best_overlap(best, sample.good).max(initial=0))
        results.append(GraspResult(sample.name, sample.object_id, best, overlap, latency))
    recognition = None
    if isinstance(detector, GraspJudge) and len(data):
        views = tracked(data, "recognizing", console)
        recognition = reduce(add, (_recognition(detector, sample) for sample in views))
    return GraspScores(tuple(results), recognition)


def _recognition(judge: GraspJudge, sample: GraspSample) -> BinaryScores:
    """Judge the labeled rectangles of an image, good and bad."""
    scores = [judge.judge(sample.frame, some) for some in (sample.good, sample.bad)]
    truth = np.repeat([True, False], [len(sample.good), len(sample.bad)])
    return BinaryScores(truth, np.concatenate(scores))
