"""The output of all stages: the scene found in a frame.

Points, planes and boxes are in the camera's optical frame (z forward, x right, y down), meters.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.core.camera import Camera
from cvdl.core.frame import contiguous

__all__ = [
    "BOX_EDGES",
    "FIRST_OBJECT_LABEL",
    "PLANE_LABEL",
    "Detection",
    "Grasp",
    "Hypothesis",
    "OrientedBox",
    "Plane",
    "Region",
    "Scene",
    "SceneObject",
    "Segmentation",
]

#: Values of a label image: 0 for nothing, 1 for the support plane, from 2 on one for each object.
PLANE_LABEL = 1
FIRST_OBJECT_LABEL = 2

#: Pairs of indices of ``OrientedBox.corners``: the edges of a box.
BOX_EDGES = [(i, i | 1 << axis) for i in range(8) for axis in range(3) if not i >> axis & 1]
#: The corners (8, 3) of a box of size 1 around the origin.
_CORNERS = np.array([[(i >> axis & 1) - 0.5 for axis in range(3)] for i in range(8)])
#: The lines (4, 2, 3) of a gripper that opens from -1 to 1, with plates of length 1: the plates,
#: the palm and the wrist.
_GRIPPER = np.array(
    [
        [[-1, 0, 0], [-1, 0, -1]],
        [[1, 0, 0], [1, 0, -1]],
        [[-1, 0, -1], [1, 0, -1]],
        [[0, 0, -1], [0, 0, -2]],
    ]
)


@dataclass(frozen=True)
class Plane:
    """The plane normal . p + offset = 0, with a unit normal that points to the camera's side.

    ``offset`` is the distance of the camera from the plane (meters, positive). ``height`` is
    positive on the camera's side: above a table.
    """

    normal: NDArray[np.float64]  # (3,)
    offset: float

    def height(self, points: NDArray[np.floating]) -> NDArray[np.floating]:
        """Return the signed distance of points (..., 3) from the plane, (...), meters."""
        return points @ self.normal.astype(points.dtype) + points.dtype.type(self.offset)


@dataclass(frozen=True)
class OrientedBox:
    """An oriented 3-D box.

    Attributes:
        center: (3,) meters.
        rotation: (3, 3), right-handed; the columns are the axes of the box. For a box that stands
            on a plane, the third column is the normal of the plane.
        size: (3,) full extents along the axes, meters.
    """

    center: NDArray[np.float64]
    rotation: NDArray[np.float64]
    size: NDArray[np.float64]

    def corners(self) -> NDArray[np.float64]:
        """Return the corners (8, 3); bit k of an index is set on the positive side of axis k."""
        return self.center + (_CORNERS * self.size) @ self.rotation.T

    def contains(self, points: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Return whether points (..., 3) lie in the box, (...); False for NaN."""
        along = (points - self.center.astype(points.dtype)) @ self.rotation.astype(points.dtype)
        return np.asarray((np.abs(along) <= self.size / 2).all(axis=-1), bool)


@dataclass(frozen=True)
class Region:
    """The region of interest: results outside of it are dropped.

    Attributes:
        rectangle: part of the image, pixels: x_min, y_min, x_max, y_max, the last two exclusive.
        box: part of the space; None for all of it.
    """

    rectangle: tuple[int, int, int, int]
    box: OrientedBox | None = None

    def contains(
        self, pixels: NDArray[np.floating], points: NDArray[np.floating]
    ) -> NDArray[np.bool_]:
        """Return whether pixels (..., 2) and the points (..., 3) seen there lie in it, (...)."""
        low, high = self.rectangle[:2], self.rectangle[2:]
        inside = ((pixels >= low) & (pixels < high)).all(axis=-1)
        return np.asarray(inside if self.box is None else inside & self.box.contains(points), bool)

    def mask(self, depth: NDArray[np.float32], camera: Camera) -> NDArray[np.bool_]:
        """Return the pixels (H, W) of a depth image that lie in it.

        A pixel of the rectangle without a reading counts as inside if the nearest reading is, and
        its ray meets the box.
        """
        x_min, y_min, x_max, y_max = self.rectangle
        rows, cols = slice(y_min, y_max), slice(x_min, x_max)
        inside = np.zeros(depth.shape, bool)
        inside[rows, cols] = True
        if self.box is not None:
            x, y = camera.cropped(rows, cols).rays()
            for slope, middle, half in _along_axes(self.box, x, y):
                along = depth[rows, cols] * slope - middle
                inside[rows, cols] &= ~(np.abs(along) > half)  # NaN is inside
            unknown = np.isnan(depth[rows, cols])
            part = inside[rows, cols]
            part[unknown] = _nearest(part, ~unknown)[unknown] & _meets(self.box, x, y)[unknown]
        return inside


def _nearest(values: NDArray[np.bool_], known: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The value (H, W) of the nearest known pixel; the values themselves if none is known."""
    if not known.any():
        return values
    _, index = cv2.distanceTransformWithLabels(
        (~known).view(np.uint8), cv2.DIST_L2, 3, labelType=cv2.DIST_LABEL_PIXEL
    )
    table = np.zeros(index.max() + 1, bool)
    table[index[known]] = values[known]
    return table[index]


def _along_axes(
    box: OrientedBox, x: NDArray[np.float32], y: NDArray[np.float32]
) -> Iterator[tuple[NDArray[np.float32], np.float32, np.float32]]:
    """Yield for each axis: what rays (x, y, 1) gain along it, the box's middle, half its size."""
    for axis, size in zip(box.rotation.T.astype(np.float32), box.size, strict=True):
        slope = axis[0] * x + axis[1] * y + axis[2]
        yield slope, np.float32(axis @ box.center), np.float32(size / 2)


def _meets(box: OrientedBox, x: NDArray[np.float32], y: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Whether the rays (x, y, 1) from the camera meet a box, (H, W), by its pairs of faces."""
    enter, leave = np.zeros((), np.float32), np.full((), np.inf, np.float32)
    for slope, middle, half in _along_axes(box, x, y):
        with np.errstate(divide="ignore", invalid="ignore"):
            one, other = (middle - half) / slope, (middle + half) / slope
        enter, leave = np.fmax(enter, np.fmin(one, other)), np.fmin(leave, np.fmax(one, other))
    return np.asarray(enter <= leave, bool)


class Hypothesis(NamedTuple):
    """What an object may be: a class name, and the confidence in it, 0 to 1."""

    class_name: str
    score: float


@dataclass(frozen=True)
class SceneObject:
    """One object on the support plane.

    Attributes:
        label: value of its pixels in ``Scene.labels``.
        box2d: (4,) float64, pixels: x_min, y_min, x_max, y_max, the last two exclusive.
        box3d: oriented box that stands on the support plane.
        area: number of pixels of its mask.
        class_name: empty if unknown.
        score: confidence in the class, 0 to 1.
        objectness: mean probability, by the instance network, that a pixel of its mask is of an
            object, 0 to 1; 1 without the network.
        is_taught: whether the class name is from the gallery of what users have taught.
        detected: what the detector says about an object that the gallery has named.
    """

    label: int
    box2d: NDArray[np.float64]
    box3d: OrientedBox
    area: int
    class_name: str = ""
    score: float = 1.0
    objectness: float = 1.0
    is_taught: bool = False
    detected: Hypothesis | None = None


@dataclass(frozen=True)
class Detection:
    """One detection of the object detector, or an object that only the gallery has named.

    Attributes:
        box2d: (4,) float64, pixels: x_min, y_min, x_max, y_max, the last two exclusive.
        class_name: name of the class.
        score: confidence in the class, 0 to 1.
        label: label of the segmented object that it matches; 0 if it matches none.
        track: track id, constant over the frames; -1 if it is not tracked.
        off_support: whether the depth shows it behind, beside or under the support plane.
        is_taught, detected: as of its object.
    """

    box2d: NDArray[np.float64]
    class_name: str
    score: float
    label: int = 0
    track: int = -1
    off_support: bool = False
    is_taught: bool = False
    detected: Hypothesis | None = None


@dataclass(frozen=True)
class Segmentation:
    """A segmentation, perhaps with names; see ``Scene`` for the attributes."""

    labels: NDArray[np.uint16]
    plane: Plane | None
    objects: tuple[SceneObject, ...]
    detections: tuple[Detection, ...] = ()
    classes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", contiguous(self.labels))


@dataclass(frozen=True)
class Grasp:
    """A grasp of an object with a parallel gripper: a pose and a rectangle in the image.

    The rectangle is that between the tips of the opened plates as the camera would see it.

    Attributes:
        center: (2,) center of the rectangle, pixels (u, v).
        angle: direction of the opening, along which the gripper closes, radians in
            [-pi/2, pi/2), from +u to +v: clockwise in the image, as v points down.
        opening: length of the rectangle along that direction, pixels.
        plate: length of the rectangle along the plates of the gripper, pixels.
        score: chance that the object is held, 0 to 1, as a network predicts it.
        label: label of the object.
        position: (3,) midpoint between the tips of the plates, meters.
        rotation: (3, 3), right-handed; the columns are the axes of the gripper: x along the
            opening, y along the plates, z the approach direction.
        opening_m: distance between the plates before they close, meters.
        plate_m: width of the plates along y, meters.
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
    plate_m: float

    def wireframe(self, length: float = 0.05) -> NDArray[np.float64]:
        """Return four lines (4, 2, 3) that draw a gripper: two plates, palm and wrist; meters.

        Args:
            length: length of the plates and of the wrist, meters.
        """
        lines = _GRIPPER * (self.opening_m / 2, 0, length)
        return self.position + lines @ self.rotation.T


@dataclass(frozen=True)
class Scene:
    """What the stages found in one frame. Each stage adds its results to the scene it is given.

    Attributes:
        labels: (H, W) uint16: 0 for nothing, 1 for the support plane, from 2 on one for each
            object.
        plane: the support plane; None if none is in view. Then there are no grasps, and only the
            objects that a network sees.
        objects: sorted by label.
        latency_ms: wall time of each stage by name, milliseconds.
        grasps: grasps of all objects, best first.
        refused: number of objects without a grasp by reason.
        detections: detections, best first. An object without a detection has no class name.
        refused_detections: number of detections that the depth contradicts or that are outside of
            the region, by reason.
        unnamed: number of objects that the gallery does not name, by reason.
        classes: class names of the detector, then those of the gallery; empty without both.
        notices: what to tell the person who looks at the scene, as that an object was taught.
        doubts: reasons to doubt the results: for each a short cause and a sentence.
        region: the region of interest that all results lie in; None for the whole view.
        support_kind: "bin", "table" or "surface", see ``cvdl.segmentation.support_kind``; empty
            without a plane.
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
    region: Region | None = None
    support_kind: str = ""
    notices: tuple[str, ...] = ()
    unnamed: dict[str, int] = field(default_factory=dict)

    def mask(self, item: SceneObject) -> NDArray[np.bool_]:
        """Return the mask (H, W) bool of an object."""
        return self.labels == item.label

    def best_grasps(self) -> dict[int, Grasp]:
        """Return the best grasp of each object by label, for objects that have grasps."""
        best: dict[int, Grasp] = {}
        for grasp in self.grasps:
            best.setdefault(grasp.label, grasp)
        return best

    def caption(self, item: SceneObject | Detection) -> str:
        """Return the text drawn beside an object or a detection: label, class, score and track.

        Unknown parts are omitted: "3 mug 0.87 #12", "3", "mug 0.87". So is a score of 1, which
        ground truth has. A name of the gallery has an asterisk: "3 *mug 0.87".
        """
        words = [str(item.label)] if item.label else []
        if item.class_name:
            words.append(f"*{item.class_name}" if item.is_taught else item.class_name)
            if item.score < 1:
                words.append(f"{item.score:.2f}")
        if isinstance(item, Detection):
            track = item.track
        else:
            track = next((d.track for d in self.detections if d.label == item.label), -1)
        if track >= 0:
            words.append(f"#{track}")
        return " ".join(words)
