"""Settings of the tabletop segmentation."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from cvdl.settings import Settings

__all__ = ["SegmentationConfig"]


class SegmentationConfig(Settings):
    """Settings of the tabletop segmentation: YAML keys, ROS parameters and CLI options alike."""

    max_range: float = Field(
        3.0, ge=0.2, le=20.0, description="Depth readings farther than this are ignored, metres."
    )
    min_plane_area: float = Field(
        0.0,
        ge=0.0,
        le=10.0,
        description="Smallest visible support plane, square metres; at 0 only its share of what is "
        "in view counts.",
    )
    min_height: float = Field(
        0.008, ge=0.002, le=0.2, description="Objects lower than this are ignored, metres."
    )
    max_height: float = Field(
        0.6, ge=0.02, le=3.0, description="Points higher above the plane are ignored, metres."
    )
    min_pixels: int = Field(
        150, ge=20, le=100_000, description="Objects with fewer pixels are ignored."
    )

    up: Literal["auto", "tf", "top", "bottom", "left", "right"] = Field(
        "auto",
        description="Where up is: the side of the image that is up, or tf: by a frame whose z axis "
        "points up; auto uses tf where such a frame is known.",
    )

    @model_validator(mode="after")
    def _check_heights(self) -> SegmentationConfig:
        if self.min_height >= self.max_height:
            raise ValueError(
                f"min_height {self.min_height} must be less than max_height {self.max_height}"
            )
        return self
