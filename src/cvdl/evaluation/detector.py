"""A detector run over labelled views, one by one, timed and scored."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from time import perf_counter

from cvdl.core.tally import Tally
from cvdl.datasets.detection_sample import DetectionSample
from cvdl.detection.detector import Detector
from cvdl.detection.proposals import Proposer
from cvdl.evaluation.detection import DetectionReport, DetectionScores
from cvdl.evaluation.shared_classes import SharedClasses

__all__ = ["DetectorScores", "report_on", "score_detector"]


@dataclass(frozen=True)
class DetectorScores:
    """What a detector found on a data set, and how long it took.

    Attributes:
        scores: of all views.
        latency_ms: median and 95th percentile of each stage, milliseconds: ``propose`` where
            proposals were asked for, ``detect``.
        unknown: the data set's classes that the detector does not know; they are not scored.
    """

    scores: DetectionScores
    latency_ms: dict[str, tuple[float, float]]
    unknown: tuple[str, ...] = ()


def score_detector(
    detector: Detector,
    samples: Iterable[DetectionSample],
    classes: Sequence[str],
    proposer: Proposer | None = None,
    class_agnostic: bool = False,
) -> DetectorScores:
    """Give a detector one view after the other.

    The first view is shown to it twice, and only the second time counts: what is allocated or
    compiled on first use is no part of the latency.

    Args:
        detector: finds any classes; those that the views have too are scored.
        samples: labelled views.
        classes: theirs.
        proposer: gives the detector boxes to look at, from the same frame.
        class_agnostic: whether things are found, whatever they are taken for; see
            ``DetectionScores``.

    Raises:
        InputError: if detector and views have no class in common, or a view cannot be read.
    """
    shared = None if class_agnostic else SharedClasses.between(detector.classes, classes)
    scores = DetectionScores(classes if shared is None else shared.names, class_agnostic)
    tally = Tally()
    for sample in samples:
        times = {}
        start = perf_counter()
        proposals = None if proposer is None else [proposer(sample.frame)]
        if proposer is not None:
            times["propose"] = 1e3 * (perf_counter() - start)
        if not len(scores):
            detector([sample.frame], proposals)
        start = perf_counter()
        (found,) = detector([sample.frame], proposals)
        times["detect"] = 1e3 * (perf_counter() - start)
        tally.add(times)
        if shared is not None:
            sample, found = shared.sample(sample), shared.found(found)
        scores.add(sample, found)
    return DetectorScores(scores, tally.latency_ms(), () if shared is None else shared.unknown)


def report_on(detector: Detector, samples: Iterable[DetectionSample]) -> DetectionReport:
    """Score a detector on views of its own classes, read once and not kept: to validate with.

    Args:
        detector: is given one view after the other.
        samples: labelled views; their labels are places in the detector's classes.

    Raises:
        DatasetError: if a view cannot be read.
    """
    scores = DetectionScores(detector.classes)
    for sample in samples:
        scores.add(sample, detector([sample.frame])[0])
    return scores.report()
