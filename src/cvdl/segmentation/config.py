"""Settings of the tabletop segmentation."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from cvdl.core.settings import Settings, setting

__all__ = ["SegmentationConfig"]


class SegmentationConfig(Settings):
    """Settings of the tabletop segmentation: keys in YAML, ROS parameters and CLI options."""

    max_range: float = setting(
        3.0, "Depth readings farther than this are ignored, meters.", ge=0.2, le=20.0
    )
    min_plane_area: float = setting(
        0.0,
        "Smallest visible area of the support plane, square meters; 0: only its "
        "share of the view counts.",
        ge=0.0,
        le=10.0,
    )
    min_height: float = setting(
        0.008, "Objects lower than this are ignored, meters.", ge=0.002, le=0.2
    )
    max_height: float = setting(
        0.6, "Points higher above the plane are ignored, meters.", ge=0.02, le=3.0
    )
    min_pixels: int = setting(150, "Objects with fewer pixels are ignored.", ge=20, le=100_000)
    up: Literal["auto", "tf", "top", "bottom", "left", "right"] = setting(
        "auto",
        "Up direction: a side of the image, or tf, by a frame whose z axis points "
        "up; auto: tf if such a frame is known.",
    )
    up_frame: str = setting(
        "",
        "Frame of tf whose z axis points up; empty: the first of map, odom, world, "
        "base_footprint and base_link that tf connects to the camera.",
    )

    @model_validator(mode="after")
    def _check_heights(self) -> SegmentationConfig:
        if self.min_height >= self.max_height:
            raise ValueError(
                f"min_height {self.min_height} must be less than max_height {self.max_height}"
            )
        return self
