"""How good grasp rectangles are: the rectangle metric, and recognition of labelled rectangles.

The metric of Jiang, Moseson & Saxena 2011 ("Efficient grasping from RGBD images", section V) as
Lenz, Lee & Saxena 2014 ("Deep learning for detecting robotic grasps", section VI) use it: a
predicted rectangle is right if one and the same good rectangle differs from it by at most 30
degrees and has a Jaccard index above 0.25. *Detection* counts the views whose best rectangle is
right; whole images go in, and nothing of the labels helps to find the object. *Recognition*
counts the labelled rectangles, good and bad, that are told apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import nan
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import (
    average_precision_score,
    precision_recall_curve,
    roc_auc_score,
    roc_curve,
)

from cvdl.core.frame import RgbdFrame
from cvdl.datasets.dataset import Dataset, tracked
from cvdl.datasets.grasp_sample import GraspSample
from cvdl.evaluation.figures import mean_of_defined, or_none
from cvdl.evaluation.folds import spread
from cvdl.grasping.detector import GraspDetector
from cvdl.grasping.rectangles import RIGHT_OVERLAP, GraspRectangles, best_overlap

if TYPE_CHECKING:
    from rich.console import Console

__all__ = [
    "JACCARDS",
    "BinaryScores",
    "GraspJudge",
    "GraspResult",
    "GraspScores",
    "evaluate_detector",
    "fold_report",
    "recognise",
    "score_detector",
]

#: The literature's threshold of the Jaccard index, and stricter ones.
JACCARDS = (RIGHT_OVERLAP, 0.30, 0.40, 0.50)


@runtime_checkable
class GraspJudge(Protocol):
    """What can tell good rectangles from bad ones; a detector may be one too."""

    def judge(self, frame: RgbdFrame, rectangles: GraspRectangles) -> NDArray[np.floating]:
        """(N,) probability in [0, 1] of each rectangle's being good."""
        ...


@dataclass(frozen=True)
class BinaryScores:
    """What should be told from the rest, and how sure the model is of each.

    Attributes:
        truth: (N,) bool.
        score: (N,) float, higher for what the model takes to be true.
    """

    truth: NDArray[np.bool_]
    score: NDArray[np.floating]

    def __add__(self, other: BinaryScores) -> BinaryScores:
        """Both together: the folds of a cross-validation."""
        return BinaryScores(
            np.concatenate([self.truth, other.truth]), np.concatenate([self.score, other.score])
        )

    def accuracy(self) -> float:
        """Share that lies on the right side of 0.5; NaN of nothing."""
        return mean_of_defined((self.score > 0.5) == self.truth)

    def average_precision(self) -> float:
        """Mean precision over the recall; NaN where nothing is true."""
        return float(average_precision_score(self.truth, self.score) if self.truth.any() else nan)

    def roc_auc(self) -> float:
        """Area under the ROC curve; NaN where all are true or none."""
        if self.truth.all() or not self.truth.any():
            return nan
        return float(roc_auc_score(self.truth, self.score))

    def precision_recall(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Precision and recall, (K,) each, as the threshold rises."""
        precision, recall, _ = precision_recall_curve(self.truth, self.score)
        return precision, recall

    def roc(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Rates of false and of true positives, (K,) each, as the threshold falls."""
        false, true, _ = roc_curve(self.truth, self.score)
        return false, true

    def report(self) -> dict[str, Any]:
        """The figures, as JSON takes them: None for what is undefined."""
        return {
            "count": len(self.truth),
            "good": int(self.truth.sum()),
            "accuracy": or_none(self.accuracy()),
            "average_precision": or_none(self.average_precision()),
            "roc_auc": or_none(self.roc_auc()),
        }


@dataclass(frozen=True)
class GraspResult:
    """One view's detection.

    Attributes:
        name: of the view.
        object_id: of what it shows.
        best: the detector's best rectangle; empty where it found none.
        overlap: largest Jaccard index of ``best`` with a good rectangle within 30 degrees.
        latency_ms: of the detector.
    """

    name: str
    object_id: str
    best: GraspRectangles
    overlap: float
    latency_ms: float

    def report(self) -> dict[str, Any]:
        """The result, as JSON takes it; the rectangle's sides in pixels, its angle in radians."""
        best = None
        if len(self.best):
            best = {
                "center": self.best.center[0].tolist(),
                "angle": float(self.best.angle[0]),
                "opening": float(self.best.opening[0]),
                "plate": float(self.best.plate[0]),
                "score": float(self.best.score[0]),
            }
        return {
            "name": self.name,
            "object": self.object_id,
            "overlap": self.overlap,
            "right": {_key(threshold): self.overlap > threshold for threshold in JACCARDS},
            "latency_ms": self.latency_ms,
            "best": best,
        }


@dataclass(frozen=True)
class GraspScores:
    """A detector's results on a data set.

    Attributes:
        results: one for each view that has a good rectangle.
        recognition: of the labelled rectangles; None for a detector that does not judge them.
    """

    results: tuple[GraspResult, ...]
    recognition: BinaryScores | None = None

    def __add__(self, other: GraspScores) -> GraspScores:
        """Both together: the folds of a cross-validation."""
        mine, others = self.recognition, other.recognition
        both = None if mine is None or others is None else mine + others
        return GraspScores(self.results + other.results, both)

    def top1(self, threshold: float = RIGHT_OVERLAP) -> float:
        """Share of the views whose best rectangle is right; NaN of no view."""
        return mean_of_defined(np.array([result.overlap > threshold for result in self.results]))

    def detection(self) -> BinaryScores:
        """Which views' best rectangles are right, and their scores: does the score tell?"""
        found = [result for result in self.results if len(result.best)]
        return BinaryScores(
            np.array([result.overlap > RIGHT_OVERLAP for result in found], bool),
            np.array([result.best.score[0] for result in found], np.float64),
        )

    def figures(self) -> dict[str, float]:
        """The single figures by name: ``top1@0.25`` and so on, ``recognition`` (accuracy)."""
        figures = {f"top1@{_key(threshold)}": self.top1(threshold) for threshold in JACCARDS}
        if self.recognition is not None:
            figures["recognition"] = self.recognition.accuracy()
        return figures

    def report(self) -> dict[str, Any]:
        """All of it, as JSON takes it.

        ``views`` (how many), ``found_nothing`` (views without a rectangle), ``top1`` (share right
        by threshold of the Jaccard index), ``latency_ms`` (``median`` and ``p95``), ``detection``
        and ``recognition`` (``count``, ``good``, ``accuracy``, ``average_precision``,
        ``roc_auc``; detection's accuracy is of a score of 0.5 as the sign of a right rectangle;
        recognition is None for a detector that does not judge), ``results`` (a list, see
        ``GraspResult.report``). Undefined figures are None.
        """
        latency = [result.latency_ms for result in self.results] or [nan]
        return {
            "views": len(self.results),
            "found_nothing": sum(not len(result.best) for result in self.results),
            "top1": {_key(threshold): or_none(self.top1(threshold)) for threshold in JACCARDS},
            "latency_ms": {
                "median": or_none(float(np.median(latency))),
                "p95": or_none(float(np.percentile(latency, 95))),
            },
            "detection": self.detection().report(),
            "recognition": None if self.recognition is None else self.recognition.report(),
            "results": [result.report() for result in self.results],
        }


def evaluate_detector(
    detector: GraspDetector, samples: Iterable[GraspSample]
) -> Iterator[GraspResult]:
    """Score the best rectangle of every view, one after the other.

    Views without a good rectangle are passed over: nothing would be right there.

    Args:
        detector: is given the whole image, and nothing of where the object lies.
        samples: labelled views.

    Raises:
        DatasetError: if a view cannot be read.
    """
    for sample in samples:
        if not len(sample.good):
            continue
        start = perf_counter()
        best = detector(sample.frame, count=1)[:1]
        latency = 1000 * (perf_counter() - start)
        overlap = best_overlap(best, sample.good)
        yield GraspResult(
            sample.name, sample.object_id, best, float(overlap.max(initial=0)), latency
        )


def recognise(judge: GraspJudge, samples: Iterable[GraspSample]) -> Iterator[BinaryScores]:
    """Judge the labelled rectangles of every view, good and bad, one view after the other.

    Raises:
        DatasetError: if a view cannot be read.
    """
    for sample in samples:
        scores = [judge.judge(sample.frame, some) for some in (sample.good, sample.bad)]
        truth = np.repeat([True, False], [len(sample.good), len(sample.bad)])
        yield BinaryScores(truth, np.concatenate(scores))


def score_detector(
    detector: GraspDetector, data: Dataset[GraspSample], console: Console | None = None
) -> GraspScores:
    """A detector's scores on some views; of recognition too if it has ``judge``."""
    results = tuple(evaluate_detector(detector, tracked(data, "detecting", console)))
    recognition = None
    if isinstance(detector, GraspJudge) and len(data):
        first, *others = recognise(detector, tracked(data, "recognising", console))
        recognition = sum(others, first)
    return GraspScores(results, recognition)


def fold_report(folds: Sequence[GraspScores]) -> dict[str, Any]:
    """Mean and deviation of every figure over the folds of a cross-validation, as JSON takes it.

    Each of ``GraspScores.figures`` has ``mean`` and ``deviation`` (of a sample: divided by one
    less than the number of folds), ``pooled`` (all views together) and ``folds`` (a list).
    """
    if not folds:
        return {}
    first, *others = folds
    return spread(sum(others, first).figures(), [fold.figures() for fold in folds])


def _key(threshold: float) -> str:
    return f"{threshold:.2f}"
