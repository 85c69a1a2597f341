"""Settings of what feeds and follows the stages: inputs, matching, and the target frame."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from cvdl.core.settings import LOAD_TIME, Settings
from cvdl.messages.sync import DEFAULT_QUEUE, DEFAULT_SLOP_S

__all__ = ["NodeConfig"]


class NodeConfig(Settings):
    """Parameters of every node, in addition to the settings of its stages."""

    autostart: bool = Field(
        True,
        description="Whether the node configures and activates itself when it starts.",
        json_schema_extra=LOAD_TIME,
    )
    enable: bool = Field(
        True, description="Whether frames are processed; set by the service ~/enable."
    )
    max_rate: float = Field(
        0.0,
        ge=0.0,
        le=1000.0,
        description="Largest number of frames processed per second; 0: no limit.",
    )
    source: Literal["images", "points"] = Field(
        "images",
        description="Source of frames: color and depth images, or organized PointCloud2 with "
        "color on the topic points.",
        json_schema_extra=LOAD_TIME,
    )
    image_transport: Literal["raw", "compressed"] = Field(
        "raw",
        description="Transport of color: raw, or CompressedImage on COLOR/compressed.",
        json_schema_extra=LOAD_TIME,
    )
    depth_image_transport: Literal["raw", "compressedDepth", "compressed"] = Field(
        "raw",
        description="Transport of depth: raw, or CompressedImage on DEPTH/compressedDepth or "
        "DEPTH/compressed (PNG of 16 bits).",
        json_schema_extra=LOAD_TIME,
    )
    slop: float = Field(
        DEFAULT_SLOP_S,
        ge=0.0,
        le=10.0,
        description="Largest difference between the stamps of color and depth, seconds.",
        json_schema_extra=LOAD_TIME,
    )
    queue_size: int = Field(
        DEFAULT_QUEUE,
        ge=1,
        le=1000,
        description="Messages of a topic that are kept until their partner arrives.",
        json_schema_extra=LOAD_TIME,
    )
    target_frame: str = Field(
        "",
        description="Coordinate frame of 3-D boxes, plane and grasps, by tf2; empty: the camera's.",
        json_schema_extra=LOAD_TIME,
    )
    transform_timeout: float = Field(
        0.1, ge=0.0, le=5.0, description="How long to wait for a transform, seconds."
    )
