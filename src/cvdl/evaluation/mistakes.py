"""Which mistakes a detector makes: missed objects, false alarms, confused classes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as run_lengths

from cvdl.detection.detections import Detections

__all__ = ["HIT", "Mistake", "judge"]

#: Least overlap of a detection with the object it is matched to.
HIT = 0.5
#: Least overlap of a loose box with its object (TIDE: Bolya et al. 2020, section 2.2).
_NEAR = 0.1


@dataclass(frozen=True)
class Mistake:
    """One object that is missed or confused with another class, or one false alarm.

    Attributes:
        name: of the image.
        box: (4,) the labeled box; of a false alarm, the detected one; pixels.
        truth: true class index; -1 for a false alarm.
        found: detected class index; -1 for a missed object.
        score: of the detection; 0 for a missed object.
        near: (4,) the labeled box of the same class that a false alarm overlaps most, if by 0.1
            or more. The alarm is a loose box around that object or, from 0.5 on, a second one.
        overlap: of the alarm with ``near``.
    """

    name: str
    box: NDArray[np.float64]
    truth: int
    found: int
    score: float
    near: NDArray[np.float64] | None = None
    overlap: float = 0.0


def judge(
    boxes: NDArray[np.float64],
    labels: NDArray[np.int64],
    crowd: NDArray[np.bool_],
    found: Detections,
    name: str,
) -> tuple[list[int], list[Mistake]]:
    """Compare the detections of an image with its labeled boxes.

    Detections, best first, and boxes of their class are matched one to one where they overlap by
    at least 0.5; then the remaining ones of both sides, whatever their class. Crowds are neither
    missed nor false alarms.

    Args:
        boxes: (N, 4) labeled boxes.
        labels: (N,) their class indices.
        crowd: (N,) bool, see ``DetectionSample``.
        found: the detections whose scores are high enough to count.
        name: of the image.

    Returns:
        The class indices of the correct detections; the mistakes.
    """
    found = found[np.argsort(-found.scores, kind="stable")]
    overlap = _overlap(found.boxes, boxes, crowd)
    same = np.where(found.labels[:, None] == labels, overlap, 0)
    in_crowd = np.any(same[:, crowd] >= HIT, axis=1)
    same[:, crowd], overlap[:, crowd] = 0, 0
    right = _match(same)
    for row, box in right:
        overlap[row], overlap[:, box] = 0, 0
    confused = _match(overlap)
    is_used, is_seen = in_crowd.copy(), crowd.copy()
    for row, box in right + confused:
        is_used[row], is_seen[box] = True, True
    taken, scores, truth = found.labels.tolist(), found.scores.tolist(), labels.tolist()
    mistakes = [
        *(Mistake(name, boxes[box], truth[box], taken[row], scores[row]) for row, box in confused),
        *(Mistake(name, boxes[box], truth[box], -1, 0.0) for box in np.flatnonzero(~is_seen)),
    ]
    for row in np.flatnonzero(~is_used).tolist():
        most = float(same[row].max(initial=0.0))
        near = (boxes[same[row].argmax()], most) if most >= _NEAR else ()
        mistakes.append(Mistake(name, found.boxes[row], -1, taken[row], scores[row], *near))
    return [truth[box] for _, box in right], mistakes


def _match(overlap: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Pair each row with the free column of the largest overlap, if that is a hit."""
    pairs: list[tuple[int, int]] = []
    if not overlap.size:
        return pairs
    free = overlap.copy()
    for row in range(len(free)):
        column = int(free[row].argmax())
        if free[row, column] >= HIT:
            pairs.append((row, column))
            free[:, column] = 0
    return pairs


def _overlap(
    found: NDArray[np.float64], boxes: NDArray[np.float64], crowd: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Intersection over union (N, M); of a crowd, the share of the detection inside it."""
    if not len(found) or not len(boxes):
        return np.zeros((len(found), len(boxes)))
    sides = (np.concatenate([b[:, :2], b[:, 2:] - b[:, :2]], axis=1) for b in (found, boxes))
    return np.asarray(run_lengths.iou(*sides, crowd.tolist()))
