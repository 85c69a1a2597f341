"""Reads a segmentation that another node has published."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvdl.core.rotations import rotation_of
from cvdl.core.scene import (
    FIRST_OBJECT_LABEL,
    Hypothesis,
    OrientedBox,
    Plane,
    SceneObject,
    Segmentation,
)
from cvdl.messages.images import MessageError
from cvdl.messages.topics import OBJECT_CLASS
from cvdl.segmentation.labels import pixels_by_label

__all__ = ["read_segmentation"]


def read_segmentation(labels: Any, objects: Any) -> tuple[Segmentation, str]:
    """Read messages of `segmentation/labels` and `segmentation/objects` as a segmentation.

    The plane is derived from the boxes that stand on it: their third axis is its normal, and the
    lowest box reaches down to it. Without objects there is no plane.

    Args:
        labels: Image, mono16.
        objects: Detection3DArray; ``id`` is the label number. Objects with a class, and those of
            older bags, get an objectness of 1. A second class is that of the detector: the first
            one is of the gallery then.

    Returns:
        The segmentation, and the frame id of its boxes and plane.

    Raises:
        MessageError: if the label image has another format, or an id is not a label in it.
    """
    if labels.encoding != "mono16" or len(labels.data) != labels.step * labels.height:
        raise MessageError(
            "unusable segmentation/labels",
            f"{labels.encoding} with {len(labels.data)} bytes; accepted: mono16, "
            "step times height bytes",
        )
    rows = np.frombuffer(labels.data, np.uint8).reshape(labels.height, labels.step)
    dtype = np.dtype(np.uint16).newbyteorder(">" if labels.is_bigendian else "<")
    image = rows[:, : 2 * labels.width].view(dtype).astype(np.uint16)
    pixels = pixels_by_label(image.astype(np.int32))
    items = tuple(_read_object(each, pixels, image.shape[1]) for each in objects.detections)
    return Segmentation(image, _plane_below(items), items), objects.header.frame_id


def _read_object(message: Any, pixels: dict[int, NDArray[np.intp]], width: int) -> SceneObject:
    label = int(message.id) if message.id.isdigit() else 0
    if label < FIRST_OBJECT_LABEL or label not in pixels:
        raise MessageError("unusable segmentation/objects", f"id {message.id!r} is not a label")
    rows, cols = np.divmod(pixels[label], width)
    center, turn, size = (
        message.bbox.center.position,
        message.bbox.center.orientation,
        message.bbox.size,
    )
    name, score, objectness, detected = "", 1.0, 1.0, None
    if message.results:
        found = message.results[0].hypothesis
        if found.class_id == OBJECT_CLASS:
            objectness = found.score
        else:
            name, score = found.class_id, found.score
            if len(message.results) > 1:
                other = message.results[1].hypothesis
                detected = Hypothesis(other.class_id, other.score)
    return SceneObject(
        label,
        np.array([cols.min(), rows.min(), cols.max() + 1, rows.max() + 1], float),
        OrientedBox(
            np.array([center.x, center.y, center.z]),
            rotation_of([turn.x, turn.y, turn.z, turn.w]),
            np.array([size.x, size.y, size.z]),
        ),
        len(rows),
        name,
        score,
        objectness,
        detected is not None,
        detected,
    )


def _plane_below(objects: tuple[SceneObject, ...]) -> Plane | None:
    if not objects:
        return None
    normal = objects[0].box3d.rotation[:, 2]
    bottoms = [
        normal @ (item.box3d.center - item.box3d.rotation[:, 2] * item.box3d.size[2] / 2)
        for item in objects
    ]
    return Plane(normal, -float(min(bottoms)))
