"""What the outputs of ONNX detectors mean: one function a layout, from arrays to candidates.

Nothing here runs a network or suppresses overlaps; see ``onnx_detector``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from cvdl.errors import InputError
from cvdl.settings import Settings

__all__ = ["LAYOUTS", "Candidates", "Layout", "LayoutName", "OnnxLayout", "OutputsError"]

Array = NDArray[np.float32]
LayoutName = Literal["fastestdet", "yolov5", "yolov8", "ssd", "detr"]
Role = Literal["boxes", "scores", "labels"]


class OutputsError(InputError):
    """Outputs that are not of the layout; the message says what is expected."""


class OnnxLayout(Settings):
    """A detector in an ONNX file: the keys of the YAML or JSON file beside it.

    Colours go in as ``(value * scale - mean) / std``, value 0 to 255.
    """

    model: Path | None = Field(
        None, description="The ONNX file, seen from this file; default: of this file's name."
    )
    layout: LayoutName = Field(description="What the outputs mean.")
    classes: list[str] | Path = Field(
        description="Names of the classes, or a text file of them, a line each, seen from this "
        "file; without a background."
    )
    outputs: dict[Role, str] = Field(
        default={},
        description="Names of the outputs of ssd and detr, where names and shapes do not tell.",
    )
    color_order: Literal["rgb", "bgr"] = Field("rgb", description="Of the input's channels.")
    scale: float = Field(
        1 / 255,
        gt=0,
        description="First factor on the colours; a model that takes uint8 gets them as they are.",
    )
    mean: tuple[float, float, float] = Field(
        (0.0, 0.0, 0.0), description="Taken from the scaled colours, in the input's order."
    )
    std: tuple[PositiveFloat, PositiveFloat, PositiveFloat] = Field(
        (1.0, 1.0, 1.0), description="What they are divided by then."
    )
    resize: Literal["letterbox", "stretch"] = Field(
        "letterbox",
        description="How an image becomes as large as the input: letterbox keeps its shape and "
        "pads it on both sides alike.",
    )
    padding: int = Field(114, ge=0, le=255, description="Grey value that pads.")
    input_size: tuple[PositiveInt, PositiveInt] | None = Field(
        None, description="Width and height, where the model takes any."
    )
    box_format: Literal["xyxy", "yxyx", "cxcywh"] = Field(
        "xyxy", description="Of ssd: two corners, or centre and size."
    )
    normalized: bool = Field(True, description="Of ssd: boxes in shares of the input, not pixels.")
    background: bool = Field(
        False, description="Of ssd: the first score, or label 0, is the background."
    )
    activation: Literal["none", "sigmoid", "softmax"] | None = Field(
        None,
        description="What makes the raw scores of ssd (default: none) and detr confidences: "
        "softmax for DETR, whose last class is no object; sigmoid for Deformable DETR and "
        "RT-DETR.",
    )
    min_score: float = Field(0.05, ge=0, le=1, description="Below, nothing is told.")
    nms_overlap: float | None = Field(
        None,
        gt=0,
        le=1,
        description="Of two boxes of a class that overlap by more (intersection over union), the "
        "better is kept; 1: both. Default: 0.45; detr: 1.",
    )
    max_detections: int = Field(100, ge=1, description="Of an image, at most.")

    @model_validator(mode="after")
    def _detr_tells_its_activation(self) -> OnnxLayout:
        if self.layout == "detr" and self.activation not in ("sigmoid", "softmax"):
            raise ValueError("detr needs activation: softmax or sigmoid")
        return self


@dataclass(frozen=True)
class Candidates:
    """What may be in an image, before overlaps are suppressed.

    Attributes:
        boxes: (N, 4) float32: x_min, y_min, x_max, y_max, pixels of the network's input.
        labels: (N,) int64, places in the classes.
        scores: (N,) float32, 0 to 1.
    """

    boxes: Array
    labels: NDArray[np.int64]
    scores: Array


@dataclass(frozen=True)
class Layout:
    """A way to write detections into arrays.

    Attributes:
        outputs: in words: their shapes.
        decode: the outputs (by name, in their order) of one image, the settings, the number of
            classes and the input's (width, height), pixels, to candidates; raises `OutputsError`.
    """

    outputs: str
    decode: Callable[[Mapping[str, Array], OnnxLayout, int, tuple[int, int]], Candidates]


def _fastestdet(
    outputs: Mapping[str, Array], layout: OnnxLayout, classes: int, size: tuple[int, int]
) -> Candidates:
    """FastestDet (Xuehao Ma, 2022): one grid, a box a cell, one class a box.

    Channels: objectness; shift of the centre from the cell's corner, in cells, before tanh; size
    in shares of the input, before the sigmoid; class probabilities. The score is
    objectness^0.6 class^0.4.
    """
    grid = _only(outputs, classes + 5, axis=0, ndim=3)
    rows, columns = grid.shape[1:]
    y, x = np.mgrid[:rows, :columns].astype(np.float32)
    share = _sigmoid(grid[3:5])
    center = np.stack([(x + np.tanh(grid[1])) / columns, (y + np.tanh(grid[2])) / rows])
    boxes = _from_center(np.concatenate([center, share]).reshape(4, -1).T) * _scale(size)
    scores = grid[0] ** 0.6 * grid[5:] ** 0.4
    return _best_class(boxes, scores.reshape(classes, -1).T)


def _yolov5(
    outputs: Mapping[str, Array], layout: OnnxLayout, classes: int, size: tuple[int, int]
) -> Candidates:
    """YOLOv5 to v7 as exported: a row is centre, size (pixels), objectness, class probabilities."""
    rows = _only(outputs, classes + 5, axis=1, ndim=2)
    return _best_class(_from_center(rows[:, :4]), rows[:, 4:5] * rows[:, 5:])


def _yolov8(
    outputs: Mapping[str, Array], layout: OnnxLayout, classes: int, size: tuple[int, int]
) -> Candidates:
    """YOLOv8 and v11 as exported: a column is centre, size (pixels), class probabilities."""
    columns = _only(outputs, classes + 4, axis=0, ndim=2)
    return _best_class(_from_center(columns[:4].T), columns[4:].T)


def _ssd(
    outputs: Mapping[str, Array], layout: OnnxLayout, classes: int, size: tuple[int, int]
) -> Candidates:
    """Boxes and scores in outputs of their own: a score a class, or one score and a label."""
    found = _by_role(outputs, layout)
    boxes, scores = found["boxes"], found["scores"]
    if layout.box_format == "cxcywh":
        boxes = _from_center(boxes)
    elif layout.box_format == "yxyx":
        boxes = boxes[:, [1, 0, 3, 2]]
    if layout.normalized:
        boxes = boxes * _scale(size)
    scores = _activated(scores, layout.activation or "none")
    background = int(layout.background)
    if "labels" not in found:
        if scores.shape != (len(boxes), classes + background):
            raise OutputsError(
                f"scores are {scores.shape}; expected ({len(boxes)}, {classes + background})"
            )
        return _best_class(boxes, scores[:, background:])
    labels = found["labels"].astype(np.int64) - background
    if len(labels) and labels.max() >= classes:
        raise OutputsError(
            f"a label is {labels.max() + background}; expected below {classes + background}"
        )
    real = labels >= 0
    return Candidates(boxes[real], labels[real], scores[real])


def _detr(
    outputs: Mapping[str, Array], layout: OnnxLayout, classes: int, size: tuple[int, int]
) -> Candidates:
    """DETR (Carion et al. 2020) and its kin: class logits, and centre and size as shares."""
    found = _by_role(outputs, layout)
    no_object = int(layout.activation == "softmax")
    logits = found["scores"]
    if logits.shape != (len(found["boxes"]), classes + no_object):
        raise OutputsError(
            f"logits are {logits.shape}; expected ({len(found['boxes'])}, {classes + no_object})"
        )
    scores = _activated(logits, layout.activation or "none")[:, :classes]
    return _best_class(_from_center(found["boxes"]) * _scale(size), scores)


#: The layouts that are known, by name.
LAYOUTS: dict[LayoutName, Layout] = {
    "fastestdet": Layout("one [1, 5 + classes, rows, columns]", _fastestdet),
    "yolov5": Layout("one [1, boxes, 5 + classes]", _yolov5),
    "yolov8": Layout("one [1, 4 + classes, boxes]", _yolov8),
    "ssd": Layout(
        "boxes [1, boxes, 4]; scores [1, boxes, classes], or scores and labels [1, boxes]", _ssd
    ),
    "detr": Layout("logits [1, queries, classes (+ 1)] and boxes [1, queries, 4]", _detr),
}

#: Parts of the names that exporters give to outputs.
_HINTS: dict[Role, tuple[str, ...]] = {
    "boxes": ("box", "location"),
    "scores": ("score", "conf", "logit", "prob"),
    "labels": ("label", "class", "categor"),
}


def _only(outputs: Mapping[str, Array], length: int, axis: int, ndim: int) -> Array:
    """The single output, without the batch's axis."""
    arrays = list(outputs.values())
    if len(arrays) != 1 or arrays[0].ndim != ndim + 1 or arrays[0].shape[0] != 1:
        raise OutputsError(f"there are {len(arrays)} outputs; expected one of {ndim + 1} axes")
    array = arrays[0][0]
    if array.shape[axis] != length:
        raise OutputsError(f"axis {axis + 1} has {array.shape[axis]} values; expected {length}")
    return array


def _by_role(outputs: Mapping[str, Array], layout: OnnxLayout) -> dict[Role, Array]:
    """Boxes (N, 4), scores (N, C) or, with labels (N,), scores (N,)."""
    names = _role_names(outputs, layout)
    found = {role: outputs[name] for role, name in names.items()}
    # Exporters differ in whether there is an axis for the one image.
    for role, array in found.items():
        if role != "boxes" and "labels" in found:
            found[role] = array.reshape(-1)
        elif array.ndim == 3:
            found[role] = array[0]
    boxes = found["boxes"]
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise OutputsError(f"boxes are {boxes.shape}; expected (boxes, 4)")
    for role, array in found.items():
        if len(array) != len(boxes):
            raise OutputsError(f"there are {len(boxes)} boxes, but {len(array)} {role}")
    return found


def _role_names(outputs: Mapping[str, Array], layout: OnnxLayout) -> dict[Role, str]:
    """Which output is which: as the layout says, else by their names, else by their shapes."""
    names = dict(layout.outputs)
    missing = [name for name in names.values() if name not in outputs]
    if missing:
        raise OutputsError(f"there is no output {missing[0]}")

    def free() -> list[str]:
        return [name for name in outputs if name not in names.values()]

    for role, hints in _HINTS.items():
        likely = [name for name in free() if any(hint in name.lower() for hint in hints)]
        if role not in names and len(likely) == 1:
            names[role] = likely[0]
    fours = [name for name in free() if outputs[name].shape[-1:] == (4,)]
    if "boxes" not in names and len(fours) == 1:
        names["boxes"] = fours[0]
    if "scores" not in names and len(free()) == 1:
        names["scores"] = free()[0]
    for role in ("boxes", "scores"):
        if role not in names:
            raise OutputsError(f"which output holds the {role} is unclear; the key outputs tells")
    return names


def _best_class(boxes: Array, scores: Array) -> Candidates:
    labels = scores.argmax(axis=1)
    return Candidates(boxes, labels, np.take_along_axis(scores, labels[:, None], axis=1)[:, 0])


def _from_center(boxes: Array) -> Array:
    """Corners (N, 4) of boxes (N, 4) of centre and size."""
    center, half = boxes[:, :2], boxes[:, 2:] / 2
    return np.concatenate([center - half, center + half], axis=1)


def _scale(size: tuple[int, int]) -> Array:
    return np.array([*size, *size], np.float32)


def _activated(logits: Array, activation: str) -> Array:
    if activation == "sigmoid":
        return _sigmoid(logits)
    if activation == "softmax":
        power = np.exp(logits - logits.max(axis=-1, keepdims=True))
        return np.asarray(power / power.sum(axis=-1, keepdims=True), np.float32)
    return logits


def _sigmoid(logits: Array) -> Array:
    # By tanh, which does not overflow.
    return np.asarray((1 + np.tanh(logits / 2)) / 2, np.float32)
