"""How good detections are: COCO's average precision and recall, confusion and mistakes.

Figures follow the COCO protocol (Lin et al. 2014, "Microsoft COCO: common objects in context")
and are computed by its tools, pycocotools: at most 100 detections per image and class, best first,
each matched to the free labeled box of its class that it overlaps most; precision interpolated at
101 recalls; AP is the mean over the overlaps (intersection over union) 0.50, 0.55, ... 0.95 and
the labeled classes, AR the recall averaged in the same way.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import nan
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as run_lengths
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from cvdl.core.tally import Tally
from cvdl.datasets.detection_sample import DetectionSample
from cvdl.detection.detections import Detections
from cvdl.detection.detector import Detector
from cvdl.detection.proposals import Proposer
from cvdl.detection.suppression import suppressed
from cvdl.evaluation.figures import as_json, confusion_matrix, mean_of_defined
from cvdl.evaluation.mistakes import Mistake, judge
from cvdl.evaluation.shared_classes import SharedClasses

__all__ = [
    "RECALLS",
    "CocoFigures",
    "DetectionReport",
    "DetectionScores",
    "DetectorResult",
    "report_on",
    "score_detector",
]

#: Recalls at which precision is reported.
RECALLS = np.linspace(0, 1, 101)
_MAX_DETECTIONS = 100  # that count, per image and class
#: Class-agnostic detections that overlap by more than this are one object.
_SAME_OBJECT = 0.6


@dataclass(frozen=True)
class CocoFigures:
    """Average precision and recall; NaN where nothing is labeled.

    Attributes:
        class_ap50: (C,) float64, average precision at an overlap of 0.5.
        class_ap: (C,) float64, the same, averaged over the overlaps 0.50, 0.55, ... 0.95.
        ar: recall with 100 detections per image and class, averaged like ``ap``.
        precision: (C, 101) at an overlap of 0.5, at ``RECALLS``.
    """

    class_ap50: NDArray[np.float64]
    class_ap: NDArray[np.float64]
    ar: float
    precision: NDArray[np.float64]

    @property
    def ap50(self) -> float:
        """Mean of ``class_ap50``."""
        return mean_of_defined(self.class_ap50)

    @property
    def ap(self) -> float:
        """Mean of ``class_ap``."""
        return mean_of_defined(self.class_ap)


@dataclass(frozen=True)
class DetectionReport(CocoFigures):
    """The figures of a detector on a data set: COCO's of the boxes, and these.

    Attributes:
        classes: C names, by class index.
        images: number of them.
        class_boxes: (C,) int64, number of labeled boxes of each class, without crowds.
        threshold: score of the highest F1 at an overlap of 0.5, over all classes; the figures
            below count the detections with at least this score. NaN if no detection is correct.
        f1: the highest.
        confusion: (C + 1, C + 1) int64; rows are true classes, columns detected ones. The last
            row is background (false alarms), the last column missed objects. Boxes of one class
            are matched first, then the remaining ones, whatever their class.
        mistakes: all of them, image by image.
        mask: figures by the overlap of masks, where detections and labels have masks.
    """

    classes: tuple[str, ...]
    images: int
    class_boxes: NDArray[np.int64]
    threshold: float
    f1: float
    confusion: NDArray[np.int64]
    mistakes: tuple[Mistake, ...]
    mask: CocoFigures | None = None

    @property
    def boxes(self) -> int:
        """Number of labeled boxes, without crowds."""
        return int(self.class_boxes.sum())

    def figures(self) -> dict[str, float]:
        """The single figures by name."""
        figures = {"ap50": self.ap50, "ap": self.ap, "ar": self.ar, "f1": self.f1}
        if self.mask is not None:
            figures |= {f"mask_{name}": getattr(self.mask, name) for name in ("ap50", "ap", "ar")}
        return figures

    def report(self) -> dict[str, Any]:
        """All but the mistakes and curves for JSON; undefined figures are None.

        ``images``, ``boxes``; those of ``figures``; ``threshold``; ``classes``: ``boxes``,
        ``ap50`` and ``ap`` of each name; ``confusion`` (a list of rows).
        """
        each = zip(self.class_boxes, self.class_ap50, self.class_ap, strict=True)
        rows = ({"boxes": count, "ap50": ap50, "ap": ap} for count, ap50, ap in each)
        return as_json(
            {
                "images": self.images,
                "boxes": self.boxes,
                **self.figures(),
                "threshold": self.threshold,
                "classes": dict(zip(self.classes, rows, strict=True)),
                "confusion": self.confusion,
            }
        )


@dataclass(frozen=True)
class _Image:
    """The labels and detections of an image; masks as compressed run lengths."""

    name: str
    size: tuple[int, int]  # height, width
    boxes: NDArray[np.float64]
    labels: NDArray[np.int64]
    crowd: NDArray[np.bool_]
    masks: list[Any] | None
    found: Detections
    found_masks: list[Any] | None


class DetectionScores:
    """Collects the detections of one image after the other, then reports on all.

    Args:
        classes: names by class index.
        class_agnostic: every label and detection is an "object", whatever its class. Of
            detections that overlap by more than 0.6 only the best counts, so that a detector may
            find one object as several classes.
    """

    def __init__(self, classes: Sequence[str], class_agnostic: bool = False) -> None:
        self.classes = ("object",) if class_agnostic else tuple(classes)
        self._class_agnostic = class_agnostic
        self._images: list[_Image] = []

    def __add__(self, other: DetectionScores) -> DetectionScores:
        both = DetectionScores(self.classes)
        both._class_agnostic = self._class_agnostic
        both._images = self._images + other._images
        return both

    def __len__(self) -> int:
        """Number of images."""
        return len(self._images)

    def add(self, sample: DetectionSample, found: Detections) -> None:
        """Add an image.

        Raises:
            ValueError: if a label is not the index of a class.
        """
        labels, found_labels = sample.labels, found.labels
        if self._class_agnostic:
            alike = np.zeros_like(found.labels)
            found = found[suppressed(found.boxes, found.scores, alike, _SAME_OBJECT)]
            labels, found_labels = np.zeros_like(labels), np.zeros_like(found.labels)
        for indices in (labels, found_labels):
            if indices.size and not (indices.min() >= 0 and indices.max() < len(self.classes)):
                raise ValueError(f"labels {indices.tolist()} of {len(self.classes)} classes")
        self._images.append(
            _Image(
                sample.name,
                (sample.frame.camera.height, sample.frame.camera.width),
                sample.boxes,
                labels,
                sample.crowd,
                _encoded(sample.masks, len(sample.boxes)),
                Detections(found.boxes, found_labels, found.scores),
                _encoded(found.masks, len(found)),
            )
        )

    def report(self) -> DetectionReport:
        """The figures of all images so far."""
        count, images = len(self.classes), self._images
        labeled = [image.labels[~image.crowd] for image in images]
        class_boxes = np.bincount(np.concatenate([[], *labeled]).astype(int), minlength=count)
        evaluation = _evaluation(images, count, "bbox")
        threshold, f1 = _operating_point(evaluation, int(class_boxes.sum()))
        right: list[int] = []
        mistakes: list[Mistake] = []
        for image in images:
            counted = image.found[image.found.scores >= threshold]
            correct, wrong = judge(image.boxes, image.labels, image.crowd, counted, image.name)
            right += correct
            mistakes += wrong
        confusion = confusion_matrix(
            np.array(right + [mistake.truth for mistake in mistakes], int),
            np.array(right + [mistake.found for mistake in mistakes], int),
            count + 1,
        )
        has_masks = any(image.found_masks for image in images) and all(
            image.masks is not None and image.found_masks is not None for image in images
        )
        return DetectionReport(
            **vars(_coco_figures(evaluation)),
            classes=self.classes,
            images=len(images),
            class_boxes=class_boxes,
            threshold=threshold,
            f1=f1,
            confusion=confusion,
            mistakes=tuple(mistakes),
            mask=_coco_figures(_evaluation(images, count, "segm")) if has_masks else None,
        )


@dataclass(frozen=True)
class DetectorResult:
    """The detections of a detector on a data set, and its latency.

    Attributes:
        scores: of all images.
        latency_ms: median and 95th percentile of each stage, milliseconds: ``propose`` if there
            is a proposer, and ``detect``.
        unknown: the classes of the data set that the detector does not know; they are not scored.
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
) -> DetectorResult:
    """Run a detector on one image after the other, with the time it takes.

    The detector sees the first image twice and only the second run counts: allocation and
    compilation on first use are not part of the latency.

    Args:
        detector: of any classes; the classes that the samples share are scored.
        samples: labeled images.
        classes: those of the samples.
        proposer: makes the proposals of the detector from the same frame.
        class_agnostic: see ``DetectionScores``.

    Raises:
        InputError: if detector and samples have no class in common, or an image cannot be read.
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
    return DetectorResult(scores, tally.latency_ms(), () if shared is None else shared.unknown)


def report_on(detector: Detector, samples: Iterable[DetectionSample]) -> DetectionReport:
    """Score a detector on labeled images of its own classes, such as those for validation.

    Raises:
        DatasetError: if an image cannot be read.
    """
    scores = DetectionScores(detector.classes)
    for sample in samples:
        scores.add(sample, detector([sample.frame])[0])
    return scores.report()


def _evaluation(images: Sequence[_Image], classes: int, kind: str) -> COCOeval:
    """Run pycocotools; ``kind`` is "bbox" or "segm"."""
    truth = [(i.boxes, i.labels, i.masks, {"iscrowd": i.crowd}) for i in images]
    found = [
        (i.found.boxes, i.found.labels, i.found_masks, {"score": i.found.scores}) for i in images
    ]
    # pycocotools prints its progress.
    with contextlib.redirect_stdout(io.StringIO()):
        both = (_coco(images, annotations, classes, kind) for annotations in (truth, found))
        evaluation = COCOeval(*both, kind)
        evaluation.params.maxDets = [_MAX_DETECTIONS]
        evaluation.params.areaRng = [[0, 1e10]]
        evaluation.params.areaRngLbl = ["all"]
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation


def _coco(
    images: Sequence[_Image], annotations: Sequence[tuple[Any, ...]], classes: int, kind: str
) -> COCO:
    entries: list[dict[str, Any]] = []
    for number, (boxes, labels, masks, values) in enumerate(annotations):
        for row, (x_min, y_min, x_max, y_max) in enumerate(boxes.tolist()):
            width, height = x_max - x_min, y_max - y_min
            entry = {
                "id": len(entries) + 1,  # not 0, which pycocotools takes for "unmatched"
                "image_id": number,
                "category_id": int(labels[row]),
                "bbox": [x_min, y_min, width, height],
                "area": width * height,
                "iscrowd": 0,
                **{name: value[row].item() for name, value in values.items()},
            }
            if kind == "segm":
                entry["segmentation"] = masks[row]
            entries.append(entry)
    coco = COCO()
    coco.dataset = {
        "images": [
            {"id": number, "height": image.size[0], "width": image.size[1]}
            for number, image in enumerate(images)
        ],
        "annotations": entries,
        "categories": [{"id": index} for index in range(classes)],
    }
    coco.createIndex()
    return coco


def _coco_figures(evaluation: COCOeval) -> CocoFigures:
    # (T, 101, C) and (T, C); -1 where nothing is labeled.
    precision = evaluation.eval["precision"][:, :, :, 0, 0]
    recall = evaluation.eval["recall"][:, :, 0, 0]
    # Rounded: pycocotools divides by a little more than the number of detections.
    precision, recall = (np.where(x < 0, nan, x.round(12)) for x in (precision, recall))
    return CocoFigures(
        class_ap50=precision[0].mean(axis=0),
        class_ap=precision.mean(axis=(0, 1)),
        ar=mean_of_defined(recall.mean(axis=0)),
        precision=precision[0].T,
    )


def _operating_point(evaluation: COCOeval, labeled: int) -> tuple[float, float]:
    """The score of the highest F1 at an overlap of 0.5, and that F1."""
    scores, right = [np.zeros(0)], [np.zeros(0, bool)]
    for image in evaluation.evalImgs:
        if image is not None:
            counts = ~image["dtIgnore"][0].astype(bool)
            scores.append(np.asarray(image["dtScores"])[counts])
            right.append(image["dtMatches"][0][counts] > 0)
    score, is_right = np.concatenate(scores), np.concatenate(right)
    if not is_right.any():
        return nan, 0.0 if labeled else nan
    order = np.argsort(-score, kind="stable")
    score, total_right = score[order], np.cumsum(is_right[order])
    # Detections of equal score count together.
    ends = np.flatnonzero(np.append(score[1:] != score[:-1], True))
    f1 = 2 * total_right[ends] / (ends + 1 + labeled)
    best = int(np.argmax(f1))
    return float(score[ends[best]]), float(f1[best])


def _encoded(masks: NDArray[np.bool_] | None, count: int) -> list[Any] | None:
    if masks is None:
        return None if count else []
    if not count:
        return []
    return list(run_lengths.encode(np.asfortranarray(masks.transpose(1, 2, 0), np.uint8)))
