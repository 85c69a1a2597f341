"""How far a scene is from the simulated truth: masks, plane and boxes."""

from __future__ import annotations

from dataclasses import dataclass
from math import nan

import numpy as np
from numpy.typing import NDArray

from cvdl.core.scene import OrientedBox, Plane, Scene
from cvdl.evaluation.segmentation import SegmentationScore, evaluate_segmentation

__all__ = ["BoxScore", "SceneScore", "box_iou", "evaluate_scene", "plane_error"]

_SAMPLES = 10_000  # points in a box


@dataclass(frozen=True)
class BoxScore:
    """The error of a predicted 3-D box.

    Attributes:
        center_mm: distance of the centers, millimeters.
        iou: common volume divided by the volume of both together, 0 to 1.
    """

    center_mm: float
    iou: float


@dataclass(frozen=True)
class SceneScore:
    """The errors of one scene.

    Attributes:
        segmentation: of the masks.
        plane_angle_deg: angle between the normals; NaN if either scene has no plane.
        plane_offset_mm: difference of the camera's distances from the planes; NaN likewise.
        boxes: one for each matched object, in the order of ``segmentation.matches``.
    """

    segmentation: SegmentationScore
    plane_angle_deg: float
    plane_offset_mm: float
    boxes: tuple[BoxScore, ...]


def evaluate_scene(
    truth: Scene, scene: Scene, valid: NDArray[np.bool_] | None = None
) -> SceneScore:
    """Compare a scene with the truth.

    Args:
        truth: the simulated scene.
        scene: the predicted one.
        valid: (H, W), the pixels whose labels count, such as those with depth; default: all.

    Raises:
        ValueError: if the label images differ in size.
    """
    segmentation = evaluate_segmentation(truth.labels, scene.labels, valid)
    true_boxes = {item.label: item.box3d for item in truth.objects}
    found_boxes = {item.label: item.box3d for item in scene.objects}
    pairs = [(true_boxes[m.truth], found_boxes[m.predicted]) for m in segmentation.matches]
    boxes = tuple(
        BoxScore(float(np.linalg.norm(a.center - b.center)) * 1e3, box_iou(a, b)) for a, b in pairs
    )
    return SceneScore(segmentation, *plane_error(truth.plane, scene.plane), boxes)


def plane_error(truth: Plane | None, plane: Plane | None) -> tuple[float, float]:
    """Angle in degrees and difference of offset in millimeters; NaN if a plane is missing."""
    if truth is None or plane is None:
        return nan, nan
    # The sine resolves small angles, where the cosine is flat.
    sine = np.linalg.norm(np.cross(truth.normal, plane.normal))
    angle = np.degrees(np.arctan2(sine, truth.normal @ plane.normal))
    return float(angle), abs(truth.offset - plane.offset) * 1e3


def box_iou(a: OrientedBox, b: OrientedBox) -> float:
    """Intersection over union of two oriented boxes, by sampling; exact to about 0.005."""
    # Evenly spread and reproducible: Roberts' R3 sequence, from the root of x^4 = x + 1.
    spread = np.arange(_SAMPLES)[:, None] * 1.2207440846057596 ** -np.arange(1.0, 4.0)
    points = a.center + ((spread % 1 - 0.5) * a.size) @ a.rotation.T
    inside = (np.abs((points - b.center) @ b.rotation) <= b.size / 2).all(axis=1)
    volume_a, volume_b = float(np.prod(a.size)), float(np.prod(b.size))
    common = float(inside.mean()) * volume_a
    union = volume_a + volume_b - common
    return common / union if union else 0.0
