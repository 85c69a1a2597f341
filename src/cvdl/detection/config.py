"""Settings of the detection stage."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from cvdl.core.registry import NameIn
from cvdl.core.settings import LOAD_TIME, Settings
from cvdl.detection.registry import DETECTORS

__all__ = ["DetectionConfig"]


class DetectionConfig(Settings):
    """Settings of the detection stage: YAML keys, ROS parameters and CLI options alike."""

    enable: bool = Field(
        True, description="Whether to detect and name objects.", json_schema_extra=LOAD_TIME
    )
    detector: Annotated[str, NameIn(DETECTORS)] = Field(
        DETECTORS.default,
        description="Detector that finds and names objects.",
        json_schema_extra=LOAD_TIME,
    )
    weights: str = Field(
        "",
        description="File of the detector, or, for torchvision's detectors, the name of weights "
        "to download (COCO_V1); empty: the package's file.",
        json_schema_extra=LOAD_TIME,
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto",
        description="Device of the networks; auto: a GPU if there is one.",
        json_schema_extra=LOAD_TIME,
    )
    min_score: float = Field(
        0.4, ge=0.0, le=1.0, description="Detections with a lower score are ignored."
    )
    use_segments: bool = Field(
        True,
        description="Whether the detector gets the boxes of the segmented objects; detectors "
        "that propose all boxes themselves ignore it.",
    )
    min_overlap: float = Field(
        0.3,  # 0.5 names 10 % fewer: the depth of thin parts is often missing
        ge=0.05,
        le=1.0,
        description="Smallest overlap (intersection over union) between a detection and the "
        "segmented object that it names.",
    )
    track: bool = Field(
        False,
        description="Whether to track detections from frame to frame; needs cvdl[tracking].",
        json_schema_extra=LOAD_TIME,
    )
