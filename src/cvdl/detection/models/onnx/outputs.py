"""Building blocks of the layouts of ONNX detectors: roles of outputs, boxes, scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvdl.core.errors import InputError
from cvdl.detection.models.onnx.declaration import OnnxLayout, Role

__all__ = [
    "Array",
    "Candidates",
    "ModelOutputs",
    "OutputsError",
    "activated",
    "best_class",
    "by_role",
    "from_center",
    "of_format",
    "only_output",
    "without_batch",
]

Array = NDArray[np.float32]

# Largest relative coordinate of a box: half of one as large as the image may lie outside.
_LARGEST_SHARE = 2.0

#: Parts of the names of outputs in exported models.
_HINTS: dict[Role, tuple[str, ...]] = {
    "count": ("num_det", "num_box", "bbox_num", "valid_det", "count"),
    "boxes": ("box", "location", "dets"),
    "scores": ("score", "conf", "logit", "prob"),
    "labels": ("label", "class", "categor"),
}


class OutputsError(InputError):
    """Outputs that do not have the layout; the message says what is expected."""


@dataclass(frozen=True)
class Candidates:
    """Detections before the suppression of overlaps.

    Attributes:
        boxes: (N, 4) float32: x_min, y_min, x_max, y_max, pixels of the network's input.
        labels: (N,) int64, class indices.
        scores: (N,) float32, 0 to 1.
    """

    boxes: Array
    labels: NDArray[np.int64]
    scores: Array


@dataclass(frozen=True)
class ModelOutputs:
    """The outputs of a model for one image, and what is needed to read them.

    Attributes:
        arrays: by name, in their order.
        layout: the description.
        classes: number of classes.
        size: width and height of the input, pixels.
    """

    arrays: Mapping[str, NDArray[Any]]
    layout: OnnxLayout
    classes: int
    size: tuple[int, int]

    @property
    def scale(self) -> Array:
        """The factors (4,) from relative boxes to pixels of the input."""
        return np.array([*self.size, *self.size], np.float32)


def only_output(model: ModelOutputs, length: int, axis: int, ndim: int) -> Array:
    """Return the only output, without the batch axis.

    Args:
        model: the outputs.
        length: expected length along an axis.
        axis: that axis.
        ndim: expected number of axes, without the batch axis.

    Raises:
        OutputsError: if there are several outputs, or it has another shape.
    """
    arrays = list(model.arrays.values())
    if len(arrays) != 1 or arrays[0].ndim != ndim + 1 or arrays[0].shape[0] != 1:
        raise OutputsError(f"there are {len(arrays)} outputs; expected one of {ndim + 1} axes")
    array = arrays[0][0]
    if array.shape[axis] != length:
        raise OutputsError(f"axis {axis + 1} has {array.shape[axis]} values; expected {length}")
    return np.asarray(array, np.float32)


def without_batch(array: NDArray[Any], ndim: int) -> NDArray[Any]:
    """Return an array with ``ndim`` axes; some exporters add a batch axis, others do not.

    Raises:
        OutputsError: if it is for several images, or has another number of axes.
    """
    shape = array.shape
    while array.ndim > ndim and len(array) == 1:
        array = array[0]
    if array.ndim != ndim:
        raise OutputsError(f"an output is {list(shape)}; expected {ndim} axes, of one image")
    return array


def by_role(model: ModelOutputs) -> dict[Role, Array]:
    """Return boxes (N, 4), and scores (N, C) or, with labels (N,), scores (N,).

    Boxes (N, 5) have their scores in the last column. Padded outputs are cut to the count.

    Raises:
        OutputsError: if the roles of the outputs are ambiguous, or their shapes do not fit.
    """
    names = _role_names(model.arrays, model.layout.outputs)
    found = {role: np.asarray(model.arrays[name], np.float32) for role, name in names.items()}
    boxes = without_batch(found["boxes"], 2)
    if "scores" not in found and boxes.shape[1] == 5:
        boxes, found["scores"] = boxes[:, :4], boxes[:, 4]
    if boxes.shape[1] != 4:
        raise OutputsError(f"boxes are {boxes.shape}; expected (boxes, 4)")
    found["boxes"] = boxes
    if "labels" in found:
        found["labels"] = found["labels"].reshape(-1)
        found["scores"] = found["scores"].reshape(-1)
    else:
        found["scores"] = without_batch(found["scores"], 2)
    count = found.pop("count", None)
    for role, array in found.items():
        if len(array) != len(boxes):
            raise OutputsError(f"there are {len(boxes)} boxes, but {len(array)} {role}")
    if count is not None and count.size == 1:
        found = {role: array[: int(count.item())] for role, array in found.items()}
    return found


def _role_names(
    outputs: Mapping[str, NDArray[Any]], declared: Mapping[Role, str]
) -> dict[Role, str]:
    """Names of the outputs by role: from the layout, else from names, else from shapes and types.

    Raises:
        OutputsError: if a role is ambiguous.
    """
    names = dict(declared)
    missing = [name for name in names.values() if name not in outputs]
    if missing:
        raise OutputsError(f"there is no output {missing[0]}")

    def free() -> list[str]:
        return [name for name in outputs if name not in names.values()]

    for role, hints in _HINTS.items():
        likely = [name for name in free() if any(hint in name.lower() for hint in hints)]
        if role not in names and len(likely) == 1:
            names[role] = likely[0]
    for width in (4, 5):
        fits = [name for name in free() if outputs[name].shape[-1:] == (width,)]
        axes = max((outputs[name].ndim for name in free() if name not in fits), default=0)
        alone = len(fits) == 1 and (width == 4 or axes < outputs[fits[0]].ndim)
        if "boxes" not in names and alone:
            names["boxes"] = fits[0]
    if {"boxes", "labels"} <= names.keys() and not {"labels", "scores"} & declared.keys():
        # The logits of RF-DETR have this name.
        has_many = outputs[names["labels"]].ndim == outputs[names["boxes"]].ndim
        if "scores" not in names and has_many:
            names["scores"] = names.pop("labels")
    whole = [name for name in free() if np.issubdtype(outputs[name].dtype, np.integer)]
    if "labels" not in names and len(whole) == 1:
        names["labels"] = whole[0]
    with_scores = "boxes" in names and outputs[names["boxes"]].shape[-1:] == (5,)
    if "scores" not in names and len(free()) == 1 and not with_scores:
        names["scores"] = free()[0]
    if "boxes" not in names or not ("scores" in names or with_scores):
        role = "scores" if "boxes" in names else "boxes"
        raise OutputsError(f"it is unclear which output holds the {role}; set the key outputs")
    return names


def best_class(boxes: Array, scores: Array) -> Candidates:
    """Return candidates of boxes (N, 4) with the best of their scores (N, C)."""
    labels = scores.argmax(axis=1)
    return Candidates(boxes, labels, np.take_along_axis(scores, labels[:, None], axis=1)[:, 0])


def from_center(boxes: Array) -> Array:
    """Convert boxes (N, 4) from center and size to corners."""
    center, half = boxes[:, :2], boxes[:, 2:] / 2
    return np.concatenate([center - half, center + half], axis=1)


def of_format(boxes: Array, scores: Array, model: ModelOutputs) -> Array:
    """Convert boxes from the format of the layout to corners (N, 4) in pixels of the input.

    If the layout does not say whether they are relative or in pixels, this is inferred from the
    boxes with a sufficient score.

    Args:
        boxes: (N, 4).
        scores: (N,) or (N, C), confidences.
        model: the outputs that they are from.
    """
    layout = model.layout
    if layout.box_format == "cxcywh":
        boxes = from_center(boxes)
    elif layout.box_format == "yxyx":
        boxes = boxes[:, [1, 0, 3, 2]]
    normalized = layout.normalized
    if normalized is None:
        best = scores if scores.ndim == 1 else scores.max(axis=1, initial=0)
        counting = boxes[best >= layout.min_score]
        # The median is robust to outliers.
        largest = np.median(np.abs(counting).max(axis=1)) if len(counting) else np.inf
        normalized = bool(largest <= _LARGEST_SHARE)
    return boxes * model.scale if normalized else boxes


def activated(logits: Array, activation: str | None) -> Array:
    """Return the confidences of raw scores (N, C), unchanged without an activation."""
    if activation == "sigmoid":
        # By tanh, which does not overflow.
        return np.asarray((1 + np.tanh(logits / 2)) / 2, np.float32)
    if activation == "softmax":
        power = np.exp(logits - logits.max(axis=-1, keepdims=True))
        return np.asarray(power / power.sum(axis=-1, keepdims=True), np.float32)
    return logits
