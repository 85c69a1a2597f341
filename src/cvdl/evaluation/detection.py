"""How good detections are: COCO's average precision and recall, and which mistakes are made.

Figures follow the COCO protocol (Lin et al. 2014, "Microsoft COCO: common objects in context",
and its tools, pycocotools): at most 100 detections an image and class, best first, each matched to
the free labelled box of its class that it overlaps most; precision interpolated at 101 recalls;
AP is the mean over the overlaps (intersection over union) 0.50, 0.55, ... 0.95 and the classes
that are labelled at all, AR the recall so averaged.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import nan
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pycocotools import mask as run_lengths
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from torchvision.ops import nms

from cvdl.datasets.detection_sample import DetectionSample
from cvdl.detection.detections import Detections
from cvdl.evaluation.figures import mean_of_defined, or_none
from cvdl.evaluation.mistakes import Mistake, confusion_matrix, judge

__all__ = [
    "RECALLS",
    "DetectionReport",
    "DetectionScores",
    "MaskReport",
    "evaluate_detections",
]

#: Where precision is told.
RECALLS = np.linspace(0, 1, 101)
_MOST = 100  # detections of an image and class that count
#: Above this overlap, of two boxes that are both "something", the worse one goes.
_SAME_THING = 0.6
_ANYTHING = ("object",)


@dataclass(frozen=True)
class MaskReport:
    """The same figures, with the overlap of masks for that of boxes."""

    ap50: float
    ap: float
    ar: float


@dataclass(frozen=True)
class DetectionReport:
    """A detector's figures on a data set; NaN where nothing is labelled.

    Attributes:
        classes: C names, in label order.
        images: number of them.
        boxes: number of labelled boxes, crowds not counted.
        ap50: mean over the classes of the average precision at an overlap of 0.5.
        ap: the same, also averaged over the overlaps 0.50, 0.55, ... 0.95.
        ar: recall with 100 detections an image and class, averaged like ``ap``.
        class_boxes: (C,) int64, labelled boxes of each class.
        class_ap50: (C,) float64.
        class_ap: (C,) float64.
        precision: (C, 101) at an overlap of 0.5, at ``RECALLS``.
        threshold: score at which F1 at an overlap of 0.5, over all classes, is highest; the
            figures below are of the detections with at least that score. NaN if none is right.
        f1: the highest.
        confusion: (C + 1, C + 1) int64, numbers of what the row's class was taken for; the last
            row is background (false alarms), the last column what was missed. Boxes of one class
            are matched first, then what is left of both sides whatever its class.
        mistakes: all of them, image by image.
        mask: figures of the masks, where detections and labels have them.
    """

    classes: tuple[str, ...]
    images: int
    boxes: int
    ap50: float
    ap: float
    ar: float
    class_boxes: NDArray[np.int64]
    class_ap50: NDArray[np.float64]
    class_ap: NDArray[np.float64]
    precision: NDArray[np.float64]
    threshold: float
    f1: float
    confusion: NDArray[np.int64]
    mistakes: tuple[Mistake, ...]
    mask: MaskReport | None = None

    def figures(self) -> dict[str, float]:
        """The single figures by name."""
        figures = {"ap50": self.ap50, "ap": self.ap, "ar": self.ar, "f1": self.f1}
        if self.mask is not None:
            masks = {"mask_ap50": self.mask.ap50, "mask_ap": self.mask.ap, "mask_ar": self.mask.ar}
            figures.update(masks)
        return figures

    def report(self) -> dict[str, Any]:
        """All but the mistakes and curves, as JSON takes it: None for what is undefined.

        ``images``, ``boxes``; those of ``figures``; ``threshold``; ``classes``: for each name
        ``boxes``, ``ap50``, ``ap``; ``confusion`` (a list of rows, see the attribute).
        """
        each = zip(self.classes, self.class_boxes, self.class_ap50, self.class_ap, strict=True)
        return {
            "images": self.images,
            "boxes": self.boxes,
            **{name: or_none(value) for name, value in self.figures().items()},
            "threshold": or_none(self.threshold),
            "classes": {
                name: {"boxes": int(count), "ap50": or_none(ap50), "ap": or_none(ap)}
                for name, count, ap50, ap in each
            },
            "confusion": self.confusion.tolist(),
        }


def evaluate_detections(
    samples: Iterable[DetectionSample],
    detections: Iterable[Detections],
    classes: Sequence[str],
    class_agnostic: bool = False,
) -> DetectionReport:
    """Score a detector on labelled views, which are read once and not kept.

    Args:
        samples: the views.
        detections: what was found in each of them, in the same order.
        classes: of both; their labels are places in it.
        class_agnostic: ask only whether something is there, not what: see ``DetectionScores``.

    Raises:
        ValueError: if there are more views than detections or the other way round, or a label is
            none of the classes.
        DatasetError: if a view cannot be read.
    """
    scores = DetectionScores(classes, class_agnostic)
    for sample, found in zip(samples, detections, strict=True):
        scores.add(sample, found)
    return scores.report()


class DetectionScores:
    """Takes the detections of one view after the other, then gives the figures of all.

    Args:
        classes: names in label order.
        class_agnostic: every label and detection is an "object", whatever its label. A detector
            that finds one thing as several classes is asked for one box a thing: of boxes that
            overlap by more than 0.6 only the one with the highest score counts.
    """

    def __init__(self, classes: Sequence[str], class_agnostic: bool = False) -> None:
        self.classes = _ANYTHING if class_agnostic else tuple(classes)
        self._class_agnostic = class_agnostic
        self._views: list[_View] = []

    def __add__(self, other: DetectionScores) -> DetectionScores:
        """Both together: the folds of a cross-validation."""
        both = DetectionScores(self.classes)
        both._class_agnostic = self._class_agnostic
        both._views = self._views + other._views
        return both

    def __len__(self) -> int:
        """How many views were taken in."""
        return len(self._views)

    def add(self, sample: DetectionSample, found: Detections) -> None:
        """Take in a view.

        Raises:
            ValueError: if a label is none of the classes.
        """
        labels, names = sample.labels, found.labels
        if self._class_agnostic:
            found = _one_each(found)
            labels, names = np.zeros_like(labels), np.zeros_like(found.labels)
        for some in (labels, names):
            if some.size and not (some.min() >= 0 and some.max() < len(self.classes)):
                raise ValueError(f"labels {some.tolist()} of {len(self.classes)} classes")
        self._views.append(
            _View(
                sample.name,
                (sample.frame.camera.height, sample.frame.camera.width),
                sample.boxes,
                labels,
                sample.crowd,
                Detections(found.boxes, names, found.scores),
                _encoded(sample.masks, len(sample.boxes)),
                _encoded(found.masks, len(found)),
            )
        )

    def report(self) -> DetectionReport:
        """The figures of all views taken in so far."""
        count = len(self.classes)
        labelled = [view.labels[~view.crowd] for view in self._views]
        class_boxes = np.bincount(np.concatenate([[], *labelled]).astype(int), minlength=count)
        boxes = _coco_figures(self._views, count, "bbox")
        threshold, f1 = _operating_point(boxes, int(class_boxes.sum()))
        right: list[int] = []
        mistakes: list[Mistake] = []
        for view in self._views:
            some = view.found[view.found.scores >= threshold]
            labels, wrong = judge(view.boxes, view.labels, view.crowd, some, view.name)
            right += labels
            mistakes += wrong
        mask = None
        if all(view.has_masks for view in self._views) and any(v.found_masks for v in self._views):
            masks = _coco_figures(self._views, count, "segm")
            mask = MaskReport(
                mean_of_defined(masks.class_ap50), mean_of_defined(masks.class_ap), masks.ar
            )
        return DetectionReport(
            classes=self.classes,
            images=len(self._views),
            boxes=int(class_boxes.sum()),
            ap50=mean_of_defined(boxes.class_ap50),
            ap=mean_of_defined(boxes.class_ap),
            ar=boxes.ar,
            class_boxes=class_boxes,
            class_ap50=boxes.class_ap50,
            class_ap=boxes.class_ap,
            precision=boxes.precision,
            threshold=threshold,
            f1=f1,
            confusion=confusion_matrix(count, right, mistakes),
            mistakes=tuple(mistakes),
            mask=mask,
        )


@dataclass(frozen=True)
class _View:
    """What is kept of a view: boxes, and masks as compressed run lengths."""

    name: str
    size: tuple[int, int]  # height, width
    boxes: NDArray[np.float64]
    labels: NDArray[np.int64]
    crowd: NDArray[np.bool_]
    found: Detections
    masks: list[Any] | None
    found_masks: list[Any] | None

    @property
    def has_masks(self) -> bool:
        return self.masks is not None and self.found_masks is not None


@dataclass(frozen=True)
class _Figures:
    """What pycocotools says, by boxes or by masks."""

    class_ap50: NDArray[np.float64]
    class_ap: NDArray[np.float64]
    precision: NDArray[np.float64]
    ar: float
    scores: NDArray[np.float64]  # (N,) of all detections that count at an overlap of 0.5
    right: NDArray[np.bool_]  # (N,)


def _coco_figures(views: Sequence[_View], classes: int, kind: str) -> _Figures:
    # pycocotools tells its progress on stdout, which belongs to the caller.
    with contextlib.redirect_stdout(io.StringIO()):
        labelled, found = _as_coco(views, classes, kind)
        evaluation = COCOeval(labelled, found, kind)
        evaluation.params.maxDets = [_MOST]
        evaluation.params.areaRng = [[0, 1e10]]
        evaluation.params.areaRngLbl = ["all"]
        evaluation.evaluate()
        evaluation.accumulate()
    # (T, 101, C) and (T, C); -1 where nothing is labelled.
    precision = evaluation.eval["precision"][:, :, :, 0, 0]
    recall = evaluation.eval["recall"][:, :, 0, 0]
    # Rounded: pycocotools divides by a little more than the number of detections.
    precision, recall = (np.where(x < 0, nan, x.round(12)) for x in (precision, recall))
    scores, right = [np.zeros(0)], [np.zeros(0, bool)]
    for part in evaluation.evalImgs:
        if part is not None:
            counts = ~part["dtIgnore"][0].astype(bool)
            scores.append(np.asarray(part["dtScores"])[counts])
            right.append(part["dtMatches"][0][counts] > 0)
    return _Figures(
        precision[0].mean(axis=0),
        precision.mean(axis=(0, 1)),
        precision[0].T,
        mean_of_defined(recall.mean(axis=0)),
        np.concatenate(scores),
        np.concatenate(right),
    )


def _as_coco(views: Sequence[_View], classes: int, kind: str) -> tuple[COCO, COCO]:
    truth: list[dict[str, Any]] = []
    found: list[dict[str, Any]] = []
    for number, view in enumerate(views):
        for row, box in enumerate(view.boxes):
            truth.append(_entry(truth, number, view.labels[row], box, view.masks, row, kind))
            truth[-1]["iscrowd"] = int(view.crowd[row])
        for row, box in enumerate(view.found.boxes):
            found.append(
                _entry(found, number, view.found.labels[row], box, view.found_masks, row, kind)
            )
            found[-1]["score"] = float(view.found.scores[row])
    both = []
    for entries in (truth, found):
        coco = COCO()
        coco.dataset = {
            "images": [
                {"id": number, "height": view.size[0], "width": view.size[1]}
                for number, view in enumerate(views)
            ],
            "annotations": entries,
            "categories": [{"id": label} for label in range(classes)],
        }
        coco.createIndex()
        both.append(coco)
    return both[0], both[1]


def _entry(
    entries: list[dict[str, Any]],
    image: int,
    label: np.int64,
    box: NDArray[np.float64],
    masks: list[Any] | None,
    row: int,
    kind: str,
) -> dict[str, Any]:
    x_min, y_min, x_max, y_max = box.tolist()
    size = x_max - x_min, y_max - y_min
    entry = {
        "id": len(entries) + 1,  # not 0, which pycocotools takes for "unmatched"
        "image_id": image,
        "category_id": int(label),
        "bbox": [x_min, y_min, *size],
        "area": size[0] * size[1],
        "iscrowd": 0,
    }
    if kind == "segm" and masks is not None:
        entry["segmentation"] = masks[row]
    return entry


def _operating_point(figures: _Figures, labelled: int) -> tuple[float, float]:
    """The score with the highest F1, and that F1."""
    if not figures.right.any():
        return nan, 0.0 if labelled else nan
    order = np.argsort(-figures.scores, kind="stable")
    right = np.cumsum(figures.right[order])
    scores = figures.scores[order]
    # Detections of equal score are taken or left together.
    ends = np.flatnonzero(np.append(scores[1:] != scores[:-1], True))
    f1 = 2 * right[ends] / (ends + 1 + labelled)
    best = int(np.argmax(f1))
    return float(scores[ends[best]]), float(f1[best])


def _one_each(found: Detections) -> Detections:
    """Of detections that overlap, whatever their classes, the best."""
    keep = nms(torch.tensor(found.boxes), torch.tensor(found.scores), _SAME_THING)
    return found[keep.numpy()]


def _encoded(masks: NDArray[np.bool_] | None, count: int) -> list[Any] | None:
    if masks is None:
        return None if count else []
    if not count:
        return []
    return list(run_lengths.encode(np.asfortranarray(masks.transpose(1, 2, 0), np.uint8)))
