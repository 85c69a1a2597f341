"""Layouts of the outputs of ONNX detectors: one function per layout, from arrays to candidates.

``detector`` runs the networks and suppresses overlaps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from cvdl.detection.models.onnx.declaration import Column, LayoutName
from cvdl.detection.models.onnx.outputs import (
    Array,
    Candidates,
    ModelOutputs,
    OutputsError,
    activated,
    best_class,
    by_role,
    from_center,
    of_format,
    only_output,
    without_batch,
)

__all__ = ["LAYOUTS", "Layout"]

#: Columns of an output whose rows are detections, by their number.
_COLUMNS: dict[int, Sequence[Column]] = {
    6: ("box", "score", "label"),
    7: ("batch", "box", "label", "score"),
}
_ORDER = "; set the key columns or outputs if the order is another"
_LEAST_SCORE, _LARGEST_SCORE = -0.001, 1.001  # with the rounding of float16
_LARGEST_LOG = 20.0  # of the size of a box in cells
#: Pixels per cell of the levels of a pyramid; the coarsest levels may be missing.
_STRIDES = (8, 16, 32, 64, 128)


@dataclass(frozen=True)
class Layout:
    """A layout of outputs.

    Attributes:
        outputs: description of their shapes.
        decode: function from the outputs to candidates. It raises `OutputsError` if they do not
            have the layout.
    """

    outputs: str
    decode: Callable[[ModelOutputs], Candidates]


def _fastestdet(model: ModelOutputs) -> Candidates:
    """FastestDet (Xuehao Ma, 2022): one grid, one box per cell, one class per box.

    Channels: objectness; shift of the center from the corner of the cell, in cells, before tanh;
    size relative to the input, before the sigmoid; class probabilities. The score is
    objectness^0.6 class^0.4.
    """
    grid = only_output(model, model.classes + 5, axis=0, ndim=3)
    rows, columns = grid.shape[1:]
    y, x = np.mgrid[:rows, :columns].astype(np.float32)
    share = activated(grid[3:5], "sigmoid")
    center = np.stack([(x + np.tanh(grid[1])) / columns, (y + np.tanh(grid[2])) / rows])
    boxes = from_center(np.concatenate([center, share]).reshape(4, -1).T) * model.scale
    scores = grid[0] ** 0.6 * grid[5:] ** 0.4
    return best_class(boxes, scores.reshape(model.classes, -1).T)


def _yolov5(model: ModelOutputs) -> Candidates:
    """YOLOv5 to v7 as exported: rows of center, size (pixels), objectness, class probabilities."""
    rows = only_output(model, model.classes + 5, axis=1, ndim=2)
    if (rows[:, 2:4] < 0).any():
        raise OutputsError(
            "a box has a negative size; if boxes are relative to grids, the layout is yolox"
        )
    return best_class(from_center(rows[:, :4]), rows[:, 4:5] * rows[:, 5:])


def _yolox(model: ModelOutputs) -> Candidates:
    """YOLOX (Ge et al. 2021) as exported: like YOLOv5, with boxes relative to the cells of grids.

    The center is a shift from the corner of the cell, in cells; the size is a logarithm of cells.
    """
    rows = only_output(model, model.classes + 5, axis=1, ndim=2)
    counts = _levels(len(rows), model.size)
    if counts is None:
        raise OutputsError(
            f"there are {len(rows)} boxes; expected one per cell of grids of 8, 16 and 32 pixels"
        )
    cells = [_cells(stride, model.size) for stride in _STRIDES[: len(counts)]]
    corners = np.concatenate([cell * stride for cell, stride in zip(cells, _STRIDES, strict=False)])
    strides = np.repeat(_STRIDES[: len(counts)], counts).astype(np.float32)[:, None]
    if (rows[:, 2:4] > _LARGEST_LOG).any():
        raise OutputsError(
            "a box is larger than any image; if boxes are in pixels, the layout is yolov5"
        )
    boxes = np.hstack([rows[:, :2] * strides + corners, np.exp(rows[:, 2:4]) * strides])
    return best_class(from_center(boxes), rows[:, 4:5] * rows[:, 5:])


def _yolov8(model: ModelOutputs) -> Candidates:
    """YOLOv8 and v11 as exported: columns of center, size (pixels), class probabilities."""
    columns = only_output(model, model.classes + 4, axis=0, ndim=2)
    return best_class(from_center(columns[:4].T), columns[4:].T)


def _nanodet(model: ModelOutputs) -> Candidates:
    """NanoDet (RangiLyu 2020): scores and binned distances per level.

    For each side of the box there are logits of its distance from the center of the cell, 0, 1,
    2... cells; the distance is their mean (generalized focal loss, Li et al. 2020). NanoDet-Plus
    has all levels in one output, and distances from the corner of the cell.
    """
    arrays = [without_batch(array, 2) for array in model.arrays.values()]
    classes = model.classes
    middle = np.float32(0.5)
    if len(arrays) == 1:
        middle = np.float32(0)
        ends = np.cumsum(_levels(len(arrays[0]), model.size) or [0])[:-1]
        arrays = [
            part
            for side in (arrays[0][:, :classes], arrays[0][:, classes:])
            for part in np.split(side, ends)
        ]
    half = len(arrays) // 2
    scores = [array for array in arrays if array.shape[1] == classes][:half]
    bins = [array for array in arrays if not any(array is score for score in scores)]
    scores, bins = (sorted(part, key=len, reverse=True) for part in (scores, bins))
    cells = [_cells(stride, model.size) for stride in _STRIDES[:half]]
    wanted = [len(cell) for cell in cells]
    if (
        not half
        or [len(part) for part in scores] != wanted
        or [len(part) for part in bins] != wanted
        or any(part.shape[1] % 4 or part.shape[1] < 8 for part in bins)
    ):
        raise OutputsError(
            f"expected for each of the grids of 8, 16, 32... pixels scores (cells, {classes}) and "
            "distances (cells, 4 times the bins)"
        )
    boxes = [
        np.hstack([-distance[:, :2], distance[:, 2:]]) * stride
        + np.tile((cell + middle) * stride, 2)
        for distance, cell, stride in zip(map(_distances, bins), cells, _STRIDES, strict=False)
    ]
    return best_class(
        np.concatenate(boxes), activated(np.concatenate(scores), model.layout.activation or "none")
    )


def _picodet(model: ModelOutputs) -> Candidates:
    """PicoDet (Yu et al. 2021): like NanoDet, with the outputs of each level apart."""
    if len(model.arrays) == 1:
        raise OutputsError("there is 1 output; expected two for each level")
    return _nanodet(model)


def _nms(model: ModelOutputs) -> Candidates:
    """Detections of a model that suppresses overlaps itself.

    One output whose rows are detections, or boxes, scores and labels in separate outputs. Padding
    rows have a score of 0 or less, or the batch index -1.
    """
    found = _rows(model) if len(model.arrays) == 1 else by_role(model)
    if "labels" not in found:
        raise OutputsError("there are no labels; expected one per box")
    return _labeled(found["boxes"], found["scores"], found["labels"], model)


def _rows(model: ModelOutputs) -> dict[str, Array]:
    """Boxes, scores and labels of a single output."""
    rows = np.asarray(without_batch(next(iter(model.arrays.values())), 2), np.float32)
    order = model.layout.columns or _COLUMNS.get(rows.shape[1], _COLUMNS[6])
    width = len(order) + 3
    if rows.shape[1] != width:
        raise OutputsError(
            f"rows have {rows.shape[1]} values; expected {width}: {', '.join(order)}"
        )
    first = {name: order.index(name) for name in order}
    column = {name: at + 3 * (at > first["box"]) for name, at in first.items()}
    if "batch" in column:
        batch = rows[:, column["batch"]]
        if not np.isin(batch, (0, -1)).all():  # -1: padding
            wrong = batch[~np.isin(batch, (0, -1))][0]
            raise OutputsError(f"a batch index is {wrong:g}; expected 0{_ORDER}")
        rows = rows[batch == 0]
    return {
        "boxes": rows[:, column["box"] : column["box"] + 4],
        "scores": rows[:, column["score"]],
        "labels": rows[:, column["label"]],
    }


def _ssd(model: ModelOutputs) -> Candidates:
    """Boxes and scores in separate outputs: a score per class, or one score and a label."""
    found = by_role(model)
    scores = activated(found["scores"], model.layout.activation)
    if "labels" in found:
        return _labeled(found["boxes"], scores, found["labels"], model)
    background = int(model.layout.background)
    expected = len(found["boxes"]), model.classes + background
    if scores.shape != expected:
        raise OutputsError(f"scores are {scores.shape}; expected {expected}")
    if scores.min(initial=0) < _LEAST_SCORE:
        raise OutputsError(
            f"a score is {scores.min():g}; expected 0 to 1; raw scores need the key activation"
        )
    _check_scores(scores)
    scores = scores[:, background:]
    return best_class(of_format(found["boxes"], scores, model), scores)


def _detr(model: ModelOutputs) -> Candidates:
    """DETR (Carion et al. 2020) and its variants: class logits, and relative centers and sizes.

    Those with as many logits as classes, such as RT-DETR (Zhao et al. 2024) and D-FINE (Peng et al.
    2025), judge each class by itself.
    """
    found = by_role(model)
    activation = model.layout.activation or "sigmoid"
    no_object = int(activation == "softmax")
    logits, expected = found["scores"], (len(found["boxes"]), model.classes + no_object)
    if logits.shape != expected:
        hint = ""
        if model.layout.activation is None and logits.shape[1:] == (model.classes + 1,):
            hint = "; if the last one is no object, set activation: softmax"
        raise OutputsError(f"logits are {logits.shape}; expected {expected}{hint}")
    scores = activated(logits, activation)[:, : model.classes]
    return best_class(from_center(found["boxes"]) * model.scale, scores)


def _rtdetr(model: ModelOutputs) -> Candidates:
    """RT-DETR as exported by Ultralytics: rows of relative center and size, class probabilities."""
    rows = only_output(model, model.classes + 4, axis=1, ndim=2)
    scores = activated(rows[:, 4:], model.layout.activation)
    _check_scores(scores)  # with two classes, nms has the same shape
    centered = model.layout.model_copy(update={"box_format": "cxcywh"})
    return best_class(of_format(rows[:, :4], scores, replace(model, layout=centered)), scores)


#: The known layouts by name.
LAYOUTS: dict[LayoutName, Layout] = {
    "fastestdet": Layout("one [1, 5 + classes, rows, columns]", _fastestdet),
    "yolov5": Layout("one [1, boxes, 5 + classes], boxes in pixels", _yolov5),
    "yolox": Layout("one [1, boxes, 5 + classes], boxes relative to the cells of grids", _yolox),
    "yolov8": Layout("one [1, 4 + classes, boxes]", _yolov8),
    "nanodet": Layout(
        "of each level [1, cells, classes] and [1, cells, 4 times bins], or one of all", _nanodet
    ),
    "picodet": Layout("of each level [1, cells, classes] and [1, cells, 4 times bins]", _picodet),
    "nms": Layout(
        "one [1, boxes, 6] of box, score, label, or [boxes, 7] of batch, box, label, score; or "
        "boxes [1, boxes, 4], scores [1, boxes] and labels [1, boxes]",
        _nms,
    ),
    "ssd": Layout(
        "boxes [1, boxes, 4]; scores [1, boxes, classes], or scores and labels [1, boxes]", _ssd
    ),
    "detr": Layout("logits [1, queries, classes (+ 1)] and boxes [1, queries, 4]", _detr),
    "rtdetr": Layout("one [1, queries, 4 + classes]", _rtdetr),
}


def _labeled(boxes: Array, scores: Array, labels: Array, model: ModelOutputs) -> Candidates:
    """Candidates from boxes (N, 4) with one score and one label (N,) each."""
    background = int(model.layout.background)
    real = (scores > 0) & (labels >= background)
    boxes, scores, labels = boxes[real], scores[real], labels[real]
    _check_scores(scores, _ORDER)
    if (labels != labels.round()).any():
        wrong = labels[labels != labels.round()][0]
        raise OutputsError(f"a label is {wrong:g}; expected a whole number{_ORDER}")
    if len(labels) and labels.max() >= model.classes + background:
        below = model.classes + background
        raise OutputsError(f"a label is {labels.max():g}; expected below {below}")
    return Candidates(of_format(boxes, scores, model), labels.astype(np.int64) - background, scores)


def _check_scores(scores: Array, hint: str = "") -> None:
    if scores.max(initial=0) > _LARGEST_SCORE:
        raise OutputsError(f"a score is {scores.max():g}; expected 0 to 1{hint}")


def _cells(stride: int, size: tuple[int, int]) -> Array:
    """Columns and rows (N, 2) of the cells of a grid, row by row."""
    columns, rows = (-(-side // stride) for side in size)
    y, x = np.mgrid[:rows, :columns].astype(np.float32)
    return np.stack([x, y], axis=-1).reshape(-1, 2)


def _levels(count: int, size: tuple[int, int]) -> list[int] | None:
    """Numbers of cells of three or more levels with this total; None if there are none."""
    counts = [len(_cells(stride, size)) for stride in _STRIDES]
    return next((counts[:n] for n in range(3, len(counts) + 1) if sum(counts[:n]) == count), None)


def _distances(bins: Array) -> Array:
    """Distances (N, 4) to left, top, right and bottom, in cells, from logits (N, 4 * bins)."""
    share = activated(bins.reshape(len(bins), 4, -1), "softmax")
    return np.asarray(share @ np.arange(share.shape[2], dtype=np.float32), np.float32)
