"""Pictures of a segmentation beside its truth."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cvdl.core.frame import RgbdFrame
from cvdl.core.scene import FIRST_OBJECT_LABEL, Scene
from cvdl.evaluation.segmentation import SegmentationScore
from cvdl.viz.pictures import overlay

__all__ = ["side_by_side"]

_MISSED = 200  # added to the label of a missed object: far from that of any partner


def side_by_side(
    frame: RgbdFrame,
    truth: NDArray[np.integer],
    predicted: Scene | NDArray[np.integer],
    score: SegmentationScore,
    name: str,
) -> tuple[list[NDArray[np.uint8]], list[str]]:
    """Draw truth and prediction, with their captions; matched objects have the same color in both.

    Args:
        frame: the frame.
        truth: its true labels (H, W), as in ``Scene.labels``.
        predicted: the predicted scene, or its labels.
        score: of the prediction.
        name: of the frame.
    """
    partners = np.arange(int(truth.max()) + 1)
    partners[FIRST_OBJECT_LABEL:] += _MISSED
    for match in score.matches:
        partners[match.truth] = match.predicted
    scene = predicted if isinstance(predicted, Scene) else _scene(predicted)
    figures = score.figures()
    return [overlay(frame, _scene(partners[truth])), overlay(frame, scene)], [
        f"{name}: truth, {score.objects} objects",
        f"F {figures['overlap_f']:.3f}, boundary {figures['boundary_f']:.3f}, "
        f"detected {figures['detected']:.0%}",
    ]


def _scene(labels: NDArray[np.integer]) -> Scene:
    return Scene(labels.astype(np.uint16), None)
