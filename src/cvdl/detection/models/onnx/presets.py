"""The preprocessing that published models of a layout are trained with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cvdl.detection.models.onnx.declaration import LayoutName, OnnxLayout

__all__ = ["with_preset"]

#: Keys that only make sense together: one that is given replaces the preset of its group.
_GROUPS = ({"color_order", "scale", "mean", "std"}, {"resize", "padding", "align"})

_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_PRESETS: dict[LayoutName, Mapping[str, Any]] = {
    # yolox/data/data_augment.py, since version 0.1.1
    "yolox": {"color_order": "bgr", "scale": 1.0, "align": "corner"},
    # config/legacy_v0.x_configs/nanodet-m-416.yml and nanodet/data/transform/warp.py
    "nanodet": {
        "color_order": "bgr",
        "scale": 1.0,
        "mean": (103.53, 116.28, 123.675),
        "std": (57.375, 57.12, 58.395),
        "padding": 0,
    },
    # configs/picodet/_base_/picodet_416_reader.yml of PaddleDetection
    "picodet": {"mean": _IMAGENET_MEAN, "std": _IMAGENET_STD, "resize": "stretch"},
    "detr": {"resize": "stretch"},
    "rtdetr": {"resize": "stretch"},
}
_STRETCHED = {"resize": "stretch"}


def with_preset(layout: OnnxLayout, outputs: int, takes_size: bool) -> OnnxLayout:
    """Complete a description by what published models of its layout are trained with.

    Args:
        layout: the description, with a layout.
        outputs: number of outputs.
        takes_size: whether the size of the image is an input. Models of this kind (RT-DETR, D-FINE,
            PaddleDetection) stretch images.

    Returns:
        The description. Keys of the file are kept, with the defaults of those that belong to them.
    """
    assert layout.layout is not None
    preset = dict(_PRESETS.get(layout.layout, {}))
    # NanoDet-Plus has all levels in one output, and keep_ratio: False in its configs.
    if takes_size or (layout.layout == "nanodet" and outputs == 1):
        preset |= _STRETCHED
    for group in _GROUPS:
        if group & layout.model_fields_set:
            preset = {key: value for key, value in preset.items() if key not in group}
    return layout.model_copy(update=preset)
