"""What the stages find in a frame: the scene.

Points, planes and boxes are in the camera's optical frame (z forward, x right, y down), meters.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cvdl.core.frame import owned

__all__ = [
    "BOX_EDGES",
    "FIRST_OBJECT_LABEL",
    "PLANE_LABEL",
    "Detection",
    "Grasp",
    "OrientedBox",
    "Plane",
    "Scene",
    "SceneObject",
    "Segmentation",
]

#: Values of a label image: 0 nothing, 1 the support plane, 2... one number an object.
PLANE_LABEL = 1
FIRST_OBJECT_LABEL = 2

#: Pairs of ``OrientedBox.corners`` that an edge joins.
BOX_EDGES = [(i, i | 1 << axis) for i in range(8) for axis in range(3) if not i >> axis & 1]


@dataclass(frozen=True)
class Plane:
    """The plane normal . p + offset = 0; the normal has length 1 and points to the camera.

    So ``offset`` is the camera's distance from the plane (metres, positive), and
    ``height`` is positive on the camera's side: above a table.
    """

    normal: NDArray[np.float64]  # (3,)
    offset: float

    def height(self, points: NDArray[np.floating]) -> NDArray[np.floating]:
        """Signed distance of points (..., 3) from the plane, (...), metres."""
        return points @ self.normal.astype(points.dtype) + points.dtype.type(self.offset)


@dataclass(frozen=True)
class OrientedBox:
    """An oriented 3-D box.

    Attributes:
        center: (3,) metres.
        rotation: (3, 3), its columns the box's axes, right-handed; the third column is the
            support plane's normal for a box that stands on a plane.
        size: (3,) full extents along those axes, metres.
    """

    center: NDArray[np.float64]
    rotation: NDArray[np.float64]
    size: NDArray[np.float64]

    def corners(self) -> NDArray[np.float64]:
        """The eight corners, (8, 3); bit 0, 1, 2 of the index: + side of axis 0, 1, 2."""
        signs = np.array([[(i >> axis & 1) - 0.5 for axis in range(3)] for i in range(8)])
        return self.center + (signs * self.size) @ self.rotation.T


@dataclass(frozen=True)
class SceneObject:
    """One object on the support plane.

    Attributes:
        label: its value in ``Scene.labels``.
        box2d: (4,) float64, pixels: x_min, y_min, x_max, y_max, the last two exclusive.
        box3d: oriented box that stands on the support plane.
        area: number of pixels of its mask.
        class_name: what it is; empty where nobody has said so.
        score: confidence in the class, 0 to 1.
    """

    label: int
    box2d: NDArray[np.float64]
    box3d: OrientedBox
    area: int
    class_name: str = ""
    score: float = 1.0


@dataclass(frozen=True)
class Detection:
    """One thing that the detector found in the picture.

    Attributes:
        box2d: (4,) float64, pixels: x_min, y_min, x_max, y_max, the last two exclusive.
        class_name: what it is.
        score: confidence in the class, 0 to 1.
        label: of the object that it is, the value in ``Scene.labels``; 0 where the segmentation
            has no such object.
        track: the same number in every frame for the same thing; -1 where it is not tracked.
        off_support: whether the depth shows it behind, beside or under the support plane.
    """

    box2d: NDArray[np.float64]
    class_name: str
    score: float
    label: int = 0
    track: int = -1
    off_support: bool = False


@dataclass(frozen=True)
class Segmentation:
    """What the segmentation stage gives: ``labels``, ``plane`` and ``objects`` as of ``Scene``."""

    labels: NDArray[np.uint16]
    plane: Plane | None
    objects: tuple[SceneObject, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", owned(self.labels))


@dataclass(frozen=True)
class Grasp:
    """One way to grasp an object with a parallel gripper: in the picture, and in space.

    Attributes:
        center: (2,) of the rectangle, pixels (u, v).
        angle: of the opening, along which the gripper closes, radians in [-pi/2, pi/2), from +u
            towards +v; v points down, so it turns clockwise to the eye.
        opening: length of the rectangle along that direction, pixels.
        plate: length of the rectangle along the gripper's plates, pixels.
        score: higher is better.
        label: of the object, its value in ``Scene.labels``.
        position: (3,) the middle between the tips of the plates, metres.
        rotation: (3, 3), its columns the gripper's axes, right-handed: x along the opening, y
            along the plates, z the approach, out of the gripper.
        opening_m: distance between the plates before they close, metres.
    """

    center: NDArray[np.float64]
    angle: float
    opening: float
    plate: float
    score: float
    label: int
    position: NDArray[np.float64]
    rotation: NDArray[np.float64]
    opening_m: float

    def wireframe(self, length: float = 0.05) -> NDArray[np.float64]:
        """A gripper drawn with four lines, (4, 2, 3): two plates, palm and wrist; metres.

        Args:
            length: of the plates and of the wrist, metres.
        """
        half = self.opening_m / 2
        left, right = [-half, 0, -length], [half, 0, -length]
        lines = np.array(
            [
                [[-half, 0, 0], left],
                [[half, 0, 0], right],
                [left, right],
                [[0, 0, -length], [0, 0, -2 * length]],
            ]
        )
        return self.position + lines @ self.rotation.T


@dataclass(frozen=True)
class Scene:
    """What was found in one frame.

    Attributes:
        labels: (H, W) uint16: 0 nothing, 1 support plane, 2... one number an object.
        plane: the support plane, or None where none is in view; then nothing is segmented.
        objects: in order of their labels.
        latency_ms: wall time of each stage, by its name, milliseconds.
        grasps: of all objects, best first.
        refused: number of rectangles that became no grasp, by reason.
        detections: what the detector found, best first; an object that it did not find has no
            class name.
        refused_detections: number of those left out because of what the depth shows, by reason.
        classes: the names that the detector knows; empty where none ran.
        doubts: what speaks against the results: a cause in a few words and a sentence each.
    """

    labels: NDArray[np.uint16]
    plane: Plane | None
    objects: tuple[SceneObject, ...] = ()
    latency_ms: dict[str, float] = field(default_factory=dict)
    grasps: tuple[Grasp, ...] = ()
    refused: dict[str, int] = field(default_factory=dict)
    detections: tuple[Detection, ...] = ()
    classes: tuple[str, ...] = ()
    refused_detections: dict[str, int] = field(default_factory=dict)
    doubts: tuple[tuple[str, str], ...] = ()

    def mask(self, item: SceneObject) -> NDArray[np.bool_]:
        """(H, W) bool: the pixels of one object."""
        return self.labels == item.label

    def best_grasps(self) -> dict[int, Grasp]:
        """The best grasp of each object that has one, by its label."""
        best: dict[int, Grasp] = {}
        for grasp in self.grasps:
            best.setdefault(grasp.label, grasp)
        return best

    def caption(self, item: SceneObject | Detection) -> str:
        """What is written beside an object or a detection: label, class, score and track.

        Only what there is of these: "3 mug 0.87 #12", "3", "mug 0.87". A score of 1, as of a
        truth, is left out.
        """
        words = [str(item.label)] if item.label else []
        if item.class_name:
            words.append(item.class_name)
            if item.score < 1:
                words.append(f"{item.score:.2f}")
        if isinstance(item, Detection):
            track = item.track
        else:
            track = next((d.track for d in self.detections if d.label == item.label), -1)
        if track >= 0:
            words.append(f"#{track}")
        return " ".join(words)
