"""Settings of the detection stage."""

from __future__ import annotations

from typing import Annotated

from cvdl.core.registry import NameIn
from cvdl.core.settings import Settings, setting
from cvdl.detection.registry import DETECTORS
from cvdl.networks.engine import Device, Engine, device_setting, engine_setting

__all__ = ["DetectionConfig"]


class DetectionConfig(Settings):
    """Settings of the detection stage: YAML keys, ROS parameters and CLI options alike."""

    enable: bool = setting(True, "Whether to detect and name objects.", load_time=True)
    detector: Annotated[str, NameIn(DETECTORS)] = setting(
        DETECTORS.default, "Detector that finds and names objects.", load_time=True
    )
    weights: str = setting(
        "",
        "File of the detector, or, for torchvision's detectors, the name of weights "
        "to download (COCO_V1); empty: the package's file.",
        load_time=True,
    )
    device: Device = device_setting()
    engine: Engine = engine_setting()
    min_score: float = setting(0.4, "Detections with a lower score are ignored.", ge=0.0, le=1.0)
    use_segments: bool = setting(
        True,
        "Whether the detector gets the boxes of the segmented objects; detectors "
        "that propose all boxes themselves ignore it.",
    )
    min_overlap: float = setting(
        0.3,  # 0.5 names 10 % fewer objects: the depth of thin parts is often missing
        "Smallest overlap (intersection over union) between a detection and the "
        "segmented object that it names.",
        ge=0.05,
        le=1.0,
    )
    track: bool = setting(
        False,
        "Whether to track detections from frame to frame; needs cvdl[tracking].",
        load_time=True,
    )
