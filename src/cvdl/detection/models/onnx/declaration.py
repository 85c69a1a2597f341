"""The description of an ONNX detector: its preprocessing and its outputs."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from cvdl.core.settings import Settings, setting

__all__ = ["Column", "LayoutName", "OnnxLayout", "Role"]

LayoutName = Literal[
    "fastestdet", "yolov5", "yolox", "yolov8", "nanodet", "picodet", "nms", "ssd", "detr", "rtdetr"
]
Role = Literal["boxes", "scores", "labels", "count"]
Column = Literal["batch", "box", "score", "label"]


class OnnxLayout(Settings):
    """Description of an ONNX detector: the keys of the YAML or JSON file beside it.

    The input is ``(value * scale - mean) / std``, with color values of 0 to 255. What is not given
    about colors, or about the resizing, is as published models of the layout want it: see
    ``presets``; the defaults here are those of the others.
    """

    model: Path | None = setting(
        None, "The ONNX file, relative to this file; default: of this file's name."
    )
    layout: LayoutName | None = setting(
        None, "Layout of the outputs; default: inferred from their shapes."
    )
    classes: list[str] | Path = Field(
        description="Names of the classes, or a text file with one name per line, relative to "
        "this file; without a background. coco: the 80 of COCO."
    )
    ignore: list[str] = setting(
        [],
        "Classes whose detections are left out, such as person and dining table, which cover what "
        "they hold and carry.",
    )
    outputs: dict[Role, str] = Field(
        default={},
        description="Names of the outputs of nms, ssd and detr, where names and shapes are "
        "ambiguous.",
    )
    columns: list[Column] | None = setting(
        None,
        "Order of the columns of nms with one output; box stands for four. Default: "
        "[box, score, label], with seven columns [batch, box, label, score].",
    )
    color_order: Literal["rgb", "bgr"] = setting("rgb", "Order of the input's channels.")
    scale: float = setting(
        1 / 255, "Factor on the pixel values, applied first; an input of uint8 is not scaled.", gt=0
    )
    mean: tuple[float, float, float] = setting(
        (0.0, 0.0, 0.0),
        "Mean of each channel, subtracted from the scaled values, in the input's order.",
    )
    std: tuple[PositiveFloat, PositiveFloat, PositiveFloat] = setting(
        (1.0, 1.0, 1.0), "Standard deviation of each channel, by which the result is divided."
    )
    resize: Literal["letterbox", "stretch"] = setting(
        "letterbox",
        "How an image is resized to the input: letterbox keeps its proportions and pads the rest.",
    )
    align: Literal["center", "corner"] = setting(
        "center",
        "Where letterbox puts the image: center pads both sides equally, corner those at the "
        "right and at the bottom.",
    )
    padding: int = setting(114, "Gray value of the padding.", ge=0, le=255)
    input_size: tuple[PositiveInt, PositiveInt] | None = setting(
        None, "Width and height of the input, for a model that accepts any."
    )
    box_format: Literal["xyxy", "yxyx", "cxcywh"] = setting(
        "xyxy", "Boxes of nms and ssd: two corners, or center and size."
    )
    normalized: bool | None = setting(
        None,
        "Whether boxes of nms, ssd and rtdetr are relative to the input's size, not "
        "in pixels. Default: inferred from the values.",
    )
    background: bool = setting(
        False, "Whether the first score, or label 0, of nms and ssd is the background."
    )
    activation: Literal["none", "sigmoid", "softmax"] | None = setting(
        None,
        "Activation of the raw scores of nanodet, picodet, ssd, rtdetr (default: none) and "
        "detr: softmax for DETR, whose last class is no object; sigmoid (the default, if there "
        "are as many scores as classes) for Deformable DETR, RT-DETR and D-FINE.",
    )
    min_score: float = setting(0.05, "Detections with a lower score are ignored.", ge=0, le=1)
    nms_overlap: float | None = setting(
        None,
        "Of two boxes of a class with a larger overlap (intersection over union), "
        "only the better is kept; 1: both. Default: 0.45; 1 for nms, detr and rtdetr.",
        gt=0,
        le=1,
    )
    max_detections: int = setting(100, "Largest number of detections per image.", ge=1)

    @model_validator(mode="after")
    def _detr_has_an_activation(self) -> OnnxLayout:
        if self.layout == "detr" and self.activation == "none":
            raise ValueError("detr needs activation: softmax or sigmoid")
        return self

    @model_validator(mode="after")
    def _columns_are_complete(self) -> OnnxLayout:
        columns = self.columns
        if columns is not None and sorted({*columns, "batch"}) != sorted(get_args(Column)):
            raise ValueError("columns needs box, score and label, each once; batch is optional")
        if columns is not None and len(set(columns)) < len(columns):
            raise ValueError("columns has duplicates")
        return self
