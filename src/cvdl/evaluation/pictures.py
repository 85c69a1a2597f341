"""Pictures of predictions beside labels; (H, W, 3) uint8, RGB."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.datasets.grasp_sample import GraspSample
from cvdl.evaluation.grasping import JACCARDS, GraspResult
from cvdl.grasping.rectangles import GraspRectangles
from cvdl.pictures import contact_sheet

__all__ = ["draw_rectangles", "prediction_picture", "prediction_sheet"]

_LABEL = (40, 120, 255)
_RIGHT, _WRONG = (20, 205, 60), (255, 40, 40)
_FAINT = 0.55  # share of the labels in the mixture
_CELL = 360  # pixels wide
_SUBPIXEL_BITS = 4


def draw_rectangles(
    picture: NDArray[np.uint8],
    rectangles: GraspRectangles,
    color: tuple[int, int, int],
    plate: int,
    opening: int,
) -> None:
    """Draw rectangles into a picture, the gripper's plates and the sides between them.

    Args:
        picture: (H, W, 3) uint8 RGB, changed.
        rectangles: in its pixels.
        color: RGB.
        plate: width of the lines along the plates, pixels.
        opening: width of the lines along the opening, pixels.
    """
    # OpenCV clips lines to the picture, but only those that fit its integers.
    corners = rectangles.corners().clip(-10_000, 10_000) * 2**_SUBPIXEL_BITS
    for points in corners.round().astype(np.int32):
        for width, ends in ((opening, ((0, 1), (2, 3))), (plate, ((1, 2), (3, 0)))):
            for first, second in ends:
                a, b = points[first].tolist(), points[second].tolist()
                cv2.line(picture, a, b, color, width, cv2.LINE_AA, _SUBPIXEL_BITS)


def prediction_picture(sample: GraspSample, result: GraspResult) -> NDArray[np.uint8]:
    """A view with its good rectangles, thin and blue, and the best prediction, thick.

    The prediction is green where it is right (see ``rectangle_metric``, at a Jaccard index of
    0.25), red where it is not; the gripper's plates are drawn thicker than the opening. Where all
    rectangles fit into half of the view's width and height, the picture is that part of it.
    """
    unit = max(1, round(sample.frame.camera.width / 640))
    labels = sample.frame.color.copy()
    draw_rectangles(labels, sample.good, _LABEL, unit, unit)
    picture = cv2.addWeighted(labels, _FAINT, sample.frame.color, 1 - _FAINT, 0)
    color = _RIGHT if result.overlap > JACCARDS[0] else _WRONG
    draw_rectangles(picture, result.best, color, 3 * unit, unit)
    return picture[_window(sample, result)]


def _window(sample: GraspSample, result: GraspResult) -> tuple[slice, slice]:
    """Rows and columns of half the view's sides round all rectangles; all where they do not fit."""
    camera = sample.frame.camera
    corners = np.concatenate([sample.good.corners(), result.best.corners()]).reshape(-1, 2)
    sides = np.array([camera.width, camera.height])
    if not len(corners) or (np.ptp(corners, axis=0) > sides / 2).any():
        return slice(None), slice(None)
    middle = (corners.min(axis=0) + corners.max(axis=0)) / 2
    x, y = (middle - sides / 4).round().clip(0, sides - sides // 2).astype(int).tolist()
    width, height = (sides // 2).tolist()
    return slice(y, y + height), slice(x, x + width)


def prediction_sheet(
    samples: Iterable[GraspSample], results: Sequence[GraspResult], columns: int = 6
) -> NDArray[np.uint8]:
    """The pictures of some views in a grid, each under its name, overlap and score.

    Args:
        samples: one for each result.
        results: at least one.
        columns: pictures side by side.

    Raises:
        ValueError: if there is no view, or not one result for each.
    """
    pictures, captions = [], []
    for sample, result in zip(samples, results, strict=True):
        pictures.append(prediction_picture(sample, result))
        score = f"score {result.best.score[0]:.2f}" if len(result.best) else "nothing found"
        captions.append(f"{result.name}: Jaccard {result.overlap:.2f}, {score}")
    return contact_sheet(pictures, captions, columns, _CELL)
