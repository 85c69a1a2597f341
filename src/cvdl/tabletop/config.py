"""Settings of the tabletop segmentation."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["SegmentationConfig"]


class SegmentationConfig(BaseModel):
    """Settings of the tabletop segmentation: YAML keys, ROS parameters and CLI options alike."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_range: float = Field(
        3.0, gt=0.1, le=20.0, description="Depth readings farther than this are ignored, metres."
    )
