"""Reads what other nodes have published of a frame: its segmentation, and the names."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cvdl.core.rotations import rotation_of
from cvdl.core.scene import (
    FIRST_OBJECT_LABEL,
    Detection,
    Hypothesis,
    OrientedBox,
    SceneObject,
    Segmentation,
)
from cvdl.messages.images import MessageError
from cvdl.messages.support import plane_of
from cvdl.messages.topics import OBJECT_CLASS, OFF_SUPPORT
from cvdl.segmentation.labels import pixels_by_label

__all__ = ["Segmented", "read_names", "read_segmentation"]


class Segmented(NamedTuple):
    """Messages of other nodes about one frame.

    Attributes:
        labels: Image of `segmentation/labels`.
        objects: Detection3DArray of `segmentation/objects`.
        support: PolygonStamped of `segmentation/support`.
        boxes: Detection2DArray of `detection/boxes`; None where nothing is to be named.
        classes: the names of `detection/label_info`.
    """

    labels: Any
    objects: Any
    support: Any
    boxes: Any = None
    classes: tuple[str, ...] = ()


def read_segmentation(messages: Segmented) -> tuple[Segmentation, str]:
    """Read a segmentation.

    Args:
        messages: those of one frame. Objects with a class, and those of older bags, get an
            objectness of 1. A second class is that of the detector: the first one is of the
            gallery then.

    Returns:
        The segmentation, and the frame id of its boxes and plane.

    Raises:
        MessageError: if the label image has another format, or an id is not a label in it.
    """
    labels, objects = messages.labels, messages.objects
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
    corners = np.array([[at.x, at.y, at.z] for at in messages.support.polygon.points])
    plane = plane_of(corners.reshape(-1, 3))
    return Segmentation(image, plane, items), messages.support.header.frame_id


def read_names(messages: Segmented, found: Segmentation) -> Segmentation:
    """Add the detections of another node, and the classes of the objects that they name."""
    if messages.boxes is None:
        return found
    detections = tuple(_read_detection(each) for each in messages.boxes.detections)
    of_label = {each.label: each for each in detections if each.label}
    objects = tuple(
        replace(item, **_name_of(of_label[item.label])) if item.label in of_label else item
        for item in found.objects
    )
    return replace(found, objects=objects, detections=detections, classes=messages.classes)


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
    first, detected = _hypotheses(message)
    is_named = first is not None and first.class_name != OBJECT_CLASS
    return SceneObject(
        label,
        np.array([cols.min(), rows.min(), cols.max() + 1, rows.max() + 1], float),
        OrientedBox(
            np.array([center.x, center.y, center.z]),
            rotation_of([turn.x, turn.y, turn.z, turn.w]),
            np.array([size.x, size.y, size.z]),
        ),
        len(rows),
        *(first if first and is_named else ("", 1.0)),
        first.score if first and not is_named else 1.0,
        detected is not None,
        detected,
    )


def _read_detection(message: Any) -> Detection:
    center, width, height = message.bbox.center.position, message.bbox.size_x, message.bbox.size_y
    first, detected = _hypotheses(message)
    return Detection(
        np.array(
            [
                center.x - width / 2,
                center.y - height / 2,
                center.x + width / 2,
                center.y + height / 2,
            ]
        ),
        *(first or ("", 0.0)),
        label=int(message.id) if message.id.isdigit() else 0,
        off_support=message.id == OFF_SUPPORT,
        is_taught=detected is not None,
        detected=detected,
    )


def _hypotheses(message: Any) -> tuple[Hypothesis | None, Hypothesis | None]:
    """The class of a detection, and what the detector says where that is another's."""
    found = [Hypothesis(r.hypothesis.class_id, r.hypothesis.score) for r in message.results]
    return found[0] if found else None, found[1] if len(found) > 1 else None


def _name_of(detection: Detection) -> dict[str, Any]:
    names = ("class_name", "score", "is_taught", "detected")
    return {name: getattr(detection, name) for name in names}
