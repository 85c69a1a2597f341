"""How far a scene is from the simulated truth: masks, plane and boxes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cvdl.core.scene import OrientedBox, Plane, Scene
from cvdl.evaluation.segmentation import SegmentationScore, evaluate_segmentation

__all__ = ["BoxScore", "SceneScore", "box_iou", "evaluate_scene", "plane_error"]

_SAMPLES = 10_000  # points in a box


@dataclass(frozen=True)
class BoxScore:
    """A predicted 3-D box against that of the matched object.

    Attributes:
        center_mm: distance of the centres, millimetres.
        iou: volume in common, divided by the volume of both together, 0 to 1.
    """

    center_mm: float
    iou: float


@dataclass(frozen=True)
class SceneScore:
    """One scene against the truth.

    Attributes:
        segmentation: of the masks.
        plane_angle_deg: angle between the normals; NaN where either scene has no plane.
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
        scene: what was found.
        valid: (H, W), the pixels whose labels count: those with a depth reading, say; all by
            default.

    Raises:
        ValueError: if the label images differ in size.
    """
    segmentation = evaluate_segmentation(truth.labels, scene.labels, valid)
    angle, offset = plane_error(truth.plane, scene.plane)
    true_boxes = {item.label: item.box3d for item in truth.objects}
    found_boxes = {item.label: item.box3d for item in scene.objects}
    pairs = [(true_boxes[m.truth], found_boxes[m.predicted]) for m in segmentation.matches]
    boxes = tuple(
        BoxScore(float(np.linalg.norm(a.center - b.center)) * 1e3, box_iou(a, b)) for a, b in pairs
    )
    return SceneScore(segmentation, angle, offset, boxes)


def plane_error(truth: Plane | None, plane: Plane | None) -> tuple[float, float]:
    """Angle in degrees and difference of offset in millimetres; NaN where a plane is missing."""
    if truth is None or plane is None:
        return float("nan"), float("nan")
    # The sine resolves small angles, where the cosine is flat.
    sine = np.linalg.norm(np.cross(truth.normal, plane.normal))
    angle = np.degrees(np.arctan2(sine, truth.normal @ plane.normal))
    return float(angle), abs(truth.offset - plane.offset) * 1e3


def box_iou(a: OrientedBox, b: OrientedBox) -> float:
    """Intersection over union of two oriented boxes, by sampling; good to about 0.005."""
    # Evenly spread and the same in every run: Roberts' R3 sequence, from the root of x^4 = x + 1.
    spread = np.arange(_SAMPLES)[:, None] * 1.2207440846057596 ** -np.arange(1.0, 4.0)
    points = a.center + ((spread % 1 - 0.5) * a.size) @ a.rotation.T
    inside = (np.abs((points - b.center) @ b.rotation) <= b.size / 2).all(axis=1)
    volume_a, volume_b = float(np.prod(a.size)), float(np.prod(b.size))
    common = float(inside.mean()) * volume_a
    union = volume_a + volume_b - common
    return common / union if union else 0.0
