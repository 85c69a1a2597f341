"""The names of the detectors, for the settings and for what loads and trains them."""

from __future__ import annotations

from typing import Literal, get_args

__all__ = ["DETECTORS", "TORCHVISION_DETECTORS", "DetectorName"]

TorchvisionName = Literal[
    "fasterrcnn_resnet50_fpn",
    "fasterrcnn_mobilenet_v3_large_320_fpn",
    "maskrcnn_resnet50_fpn",
    "retinanet_resnet50_fpn",
    "fcos_resnet50_fpn",
    "ssd300_vgg16",
    "ssdlite320_mobilenet_v3_large",
]
DetectorName = Literal["rgbd_rcnn", TorchvisionName, "onnx", "overfeat", "rcnn", "segnet", "hog"]

TORCHVISION_DETECTORS: tuple[str, ...] = get_args(TorchvisionName)
DETECTORS: tuple[str, ...] = get_args(DetectorName)
