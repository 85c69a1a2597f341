"""Markers for RViz: the plane, boxes with their names, grippers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvdl.core.frame import RgbdFrame
from cvdl.core.scene import BOX_EDGES, PLANE_LABEL, Scene
from cvdl.messages.factory import MessageFactory
from cvdl.viz.pictures import PLATE_COLOR, object_color

__all__ = ["marker_array"]

_TEXT_HEIGHT = 0.025  # meters
_SPACE = 0.6 * _TEXT_HEIGHT  # RViz makes spaces as wide as ``scale.x``; of 0, many times too wide


def marker_array(
    make: MessageFactory, frame: RgbdFrame, scene: Scene, support: NDArray[np.float64]
) -> Any:
    """MarkerArray: deletes all earlier markers, then shows plane, boxes, names and grippers.

    The best grasp of each object is opaque, the others are faint. Points are in the camera's
    optical frame, meters. ``support`` is the outline of the visible plane, see `support_outline`.
    """
    add = _Markers(make, frame)
    add("", 0, "ARROW", (0, 0, 0), action="DELETEALL")
    if scene.plane is not None:
        rgba = _rgba(object_color(PLANE_LABEL), 0.35)
        add("plane", PLANE_LABEL, "TRIANGLE_LIST", (1, 1, 1), rgba, _fan(support))
    for item in scene.objects:
        box = item.box3d
        edges = box.corners()[BOX_EDGES].reshape(-1, 3)
        rgba = _rgba(object_color(item.label), 1.0)
        add("boxes", item.label, "LINE_LIST", (0.003, 0, 0), rgba, edges)
        above = box.center + box.rotation[:, 2] * (box.size[2] / 2 + _TEXT_HEIGHT)
        add(
            "names",
            item.label,
            "TEXT_VIEW_FACING",
            scale=(_SPACE, 0, _TEXT_HEIGHT),
            rgba=(1, 1, 1, 1),
            position=above,
            text=scene.caption(item),
        )
    best = scene.best_grasps()
    for number, grasp in enumerate(scene.grasps):
        is_best = grasp is best[grasp.label]
        width, alpha = (0.004, 1.0) if is_best else (0.0015, 0.4)
        lines = grasp.wireframe().reshape(-1, 3)
        add("grasps", number, "LINE_LIST", (width, 0, 0), _rgba(PLATE_COLOR, alpha), lines)
    return make.new("visualization_msgs/msg/MarkerArray", markers=add.markers)


class _Markers:
    """Builds markers and collects them in ``markers``.

    Equal parts are one message: in Python, making them takes much longer than sending them.
    """

    def __init__(self, make: MessageFactory, frame: RgbdFrame) -> None:
        self.markers: list[Any] = []
        self._make = make
        self._type = make.type("visualization_msgs/msg/Marker")
        header, no_bytes = make.header(frame), make.sequence(np.empty(0, np.uint8))
        self._level = make.new("geometry_msgs/msg/Quaternion", x=0.0, y=0.0, z=0.0, w=1.0)
        self._same = {
            "header": header,
            "lifetime": make.new("builtin_interfaces/msg/Duration", sec=0, nanosec=0),
            "frame_locked": False,
            "colors": [],
            "texture_resource": "",
            "texture": make.new(
                "sensor_msgs/msg/CompressedImage", header=header, format="", data=no_bytes
            ),
            "uv_coordinates": [],
            "mesh_resource": "",
            "mesh_file": make.new("visualization_msgs/msg/MeshFile", filename="", data=no_bytes),
            "mesh_use_embedded_materials": False,
        }

    def __call__(
        self,
        namespace: str,
        number: int,
        kind: str,
        scale: tuple[float, float, float],
        rgba: tuple[float, float, float, float] = (0, 0, 0, 0),
        points: NDArray[np.float64] | tuple[()] = (),
        position: NDArray[np.float64] | tuple[float, float, float] = (0, 0, 0),
        text: str = "",
        action: str = "ADD",
    ) -> None:
        """Add a marker; kind and action are names of constants of the message."""
        new, xyz = self._make.new, self._make.xyz
        red, green, blue, alpha = (float(channel) for channel in rgba)
        at = xyz("Point", position)
        corners = [tuple(point) for point in np.asarray(points).tolist()]
        corner = {point: xyz("Point", point) for point in set(corners)}
        marker = self._type(
            ns=namespace,
            id=number,
            type=getattr(self._type, kind),
            action=getattr(self._type, action),
            pose=new("geometry_msgs/msg/Pose", position=at, orientation=self._level),
            scale=xyz("Vector3", scale),
            color=new("std_msgs/msg/ColorRGBA", r=red, g=green, b=blue, a=alpha),
            points=[corner[point] for point in corners],
            text=text,
            **self._same,
        )
        self.markers.append(marker)


def _rgba(color: tuple[int, int, int], alpha: float) -> tuple[float, float, float, float]:
    red, green, blue = color
    return red / 255, green / 255, blue / 255, alpha


def _fan(outline: NDArray[np.float64]) -> NDArray[np.float64]:
    """The triangles (3 n, 3) of a convex outline, in its sense: viewers light their front."""
    fan = [(0, i, i + 1) for i in range(1, len(outline) - 1)]
    return outline[np.array(fan, int).reshape(-1)]
