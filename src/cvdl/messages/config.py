"""Settings of what feeds and follows the stages: inputs, matching, and the target frame."""

from __future__ import annotations

from typing import Literal

from cvdl.core.settings import Settings, setting
from cvdl.messages.sync import DEFAULT_QUEUE, DEFAULT_SLOP_S

__all__ = ["NodeConfig"]


class NodeConfig(Settings):
    """Parameters of every node, in addition to the settings of its stages."""

    autostart: bool = setting(
        True, "Whether the node configures and activates itself when it starts.", load_time=True
    )
    enable: bool = setting(True, "Whether frames are processed; set by the service ~/enable.")
    max_rate: float = setting(
        0.0, "Largest number of frames processed per second; 0: no limit.", ge=0.0, le=1000.0
    )
    max_latency: float = setting(
        1.0,
        "Median latency of the results, seconds, from which the diagnostics warn; 0: never.",
        ge=0.0,
        le=60.0,
    )
    overlap: bool = setting(
        False,
        "Whether a frame is segmented while objects and grasps are found in the one before it: "
        "more frames per second where cores are free, and a higher latency.",
        load_time=True,
    )
    source: Literal["images", "points"] = setting(
        "images",
        "Source of frames: color and depth images, or organized PointCloud2 with "
        "color on the topic points.",
        load_time=True,
    )
    image_transport: Literal["raw", "compressed"] = setting(
        "raw", "Transport of color: raw, or CompressedImage on COLOR/compressed.", load_time=True
    )
    depth_image_transport: Literal["raw", "compressedDepth", "compressed"] = setting(
        "raw",
        "Transport of depth: raw, or CompressedImage on DEPTH/compressedDepth or "
        "DEPTH/compressed (PNG of 16 bits).",
        load_time=True,
    )
    slop: float = setting(
        DEFAULT_SLOP_S,
        "Largest difference between the stamps of color and depth, seconds.",
        ge=0.0,
        le=10.0,
        load_time=True,
    )
    queue_size: int = setting(
        DEFAULT_QUEUE,
        "Messages of a topic that are kept until their partner arrives.",
        ge=1,
        le=1000,
        load_time=True,
    )
    target_frame: str = setting(
        "",
        "Coordinate frame of 3-D boxes, plane and grasps, by tf2; empty: the camera's.",
        load_time=True,
    )
    transform_timeout: float = setting(
        0.1, "How long to wait for a transform, seconds.", ge=0.0, le=5.0
    )
