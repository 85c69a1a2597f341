"""Settings of the detection stage."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from cvdl.detection.names import DetectorName
from cvdl.settings import Settings

__all__ = ["DetectionConfig"]


class DetectionConfig(Settings):
    """Settings of the detection stage: YAML keys, ROS parameters and CLI options alike."""

    enable: bool = Field(True, description="Whether objects are recognised.")
    detector: DetectorName = Field(
        "rgbd_rcnn", description="Which detector finds and names things."
    )
    weights: str = Field(
        "",
        description="File of that detector, or, for those of torchvision, the name of weights to "
        "download (COCO_V1); empty: the file of the package.",
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="Where the networks run; auto: on a GPU where there is one."
    )
    min_score: float = Field(
        0.4, ge=0.0, le=1.0, description="Detections with a lower score are left out."
    )
    use_segments: bool = Field(
        True,
        description="Whether the detector is told where the segmentation found objects; detectors "
        "that find all places by themselves do without.",
    )
    min_overlap: float = Field(
        0.3,  # 0.5 names 10 % fewer: the depth of thin parts is often missing
        ge=0.05,
        le=1.0,
        description="Smallest overlap (intersection over union) of a detection and the segmented "
        "object that it names.",
    )
    track: bool = Field(
        False,
        description="Whether detections are followed from frame to frame and numbered; needs "
        "cvdl[tracking].",
    )
