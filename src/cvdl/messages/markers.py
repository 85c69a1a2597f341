"""What RViz is to draw of a scene: the plane, boxes with their names, grippers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.core.frame import RgbdFrame
from cvdl.core.scene import BOX_EDGES, PLANE_LABEL, Scene, SceneObject
from cvdl.viz.pictures import PLATE_COLOR, object_color

__all__ = ["Marker", "scene_markers"]

_TEXT_HEIGHT = 0.025  # metres
_OUTLINE_STRIDE = 8  # pixels; the plane's outline is for the eye, and this is much faster


@dataclass(frozen=True)
class Marker:
    """What becomes a visualization_msgs/Marker.

    Attributes:
        namespace: with the number, the marker's identity.
        number: see there.
        kind: name of a constant of the message, as "LINE_LIST".
        scale: metres; what of depends on the kind.
        rgba: each 0 to 1.
        points: (N, 3) in the camera's optical frame, metres.
        position: (3,) the same, where the kind has one place.
        text: what is written there.
    """

    namespace: str
    number: int
    kind: str
    scale: tuple[float, float, float]
    rgba: tuple[float, float, float, float]
    points: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 3)))
    position: NDArray[np.float64] = field(default_factory=lambda: np.zeros(3))
    text: str = ""


def scene_markers(frame: RgbdFrame, scene: Scene) -> Iterator[Marker]:
    """Plane, boxes, names and grippers; each object's best grasp opaque, its others faint."""
    if scene.plane is not None:
        rgba = _rgba(object_color(PLANE_LABEL), 0.35)
        triangles = _plane_triangles(frame, scene)
        yield Marker("plane", PLANE_LABEL, "TRIANGLE_LIST", (1, 1, 1), rgba, points=triangles)
    for item in scene.objects:
        yield from _box_markers(item, scene.caption(item))
    best = scene.best_grasps()
    for number, grasp in enumerate(scene.grasps):
        is_best = grasp is best[grasp.label]
        yield Marker(
            "grasps",
            number,
            "LINE_LIST",
            scale=(0.004 if is_best else 0.0015, 0, 0),
            rgba=_rgba(PLATE_COLOR, 1.0 if is_best else 0.4),
            points=grasp.wireframe().reshape(-1, 3),
        )


def _box_markers(item: SceneObject, caption: str) -> Iterator[Marker]:
    box = item.box3d
    edges = box.corners()[BOX_EDGES].reshape(-1, 3)
    rgba = _rgba(object_color(item.label), 1.0)
    yield Marker("boxes", item.label, "LINE_LIST", (0.003, 0, 0), rgba, points=edges)
    yield Marker(
        "names",
        item.label,
        "TEXT_VIEW_FACING",
        scale=(0, 0, _TEXT_HEIGHT),
        rgba=(1, 1, 1, 1),
        position=box.center + box.rotation[:, 2] * (box.size[2] / 2 + _TEXT_HEIGHT),
        text=caption,
    )


def _rgba(color: tuple[int, int, int], alpha: float) -> tuple[float, float, float, float]:
    red, green, blue = color
    return red / 255, green / 255, blue / 255, alpha


def _plane_triangles(frame: RgbdFrame, scene: Scene) -> NDArray[np.float64]:
    """The convex outline of what is seen of the plane, as a fan of triangles: (3 n, 3), metres."""
    assert scene.plane is not None
    rows, columns = np.nonzero(scene.labels[::_OUTLINE_STRIDE, ::_OUTLINE_STRIDE] == PLANE_LABEL)
    if len(rows) < 3:
        return np.empty((0, 3))
    hull = cv2.convexHull(np.stack([columns, rows], axis=-1).astype(np.int32))
    pixels = cv2.approxPolyDP(hull, 0.5, True)[:, 0] * _OUTLINE_STRIDE
    rays = frame.camera.deproject_pixels(pixels, np.ones(len(pixels)))
    slope = rays @ scene.plane.normal
    corners = (rays * (-scene.plane.offset / slope)[:, None])[slope < 0]
    fan = [(0, i, i + 1) for i in range(1, len(corners) - 1)]
    return corners[np.array(fan, int).reshape(-1)]
