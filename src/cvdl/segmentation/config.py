"""Settings of the tabletop segmentation."""

from __future__ import annotations

from math import isfinite
from typing import Literal

from pydantic import Field, model_validator

from cvdl.core.settings import Settings, setting
from cvdl.networks.engine import Device, Engine, device_setting, engine_setting

__all__ = ["RegionConfig", "SegmentationConfig"]


class RegionConfig(Settings):
    """The region of interest: by default, the whole view."""

    image: tuple[float, ...] = setting(
        (0.0, 1.0, 0.0, 1.0),
        "Results are limited to this rectangle of the image: x_min, x_max, y_min, y_max, as "
        "shares of its width and height.",
    )
    box: tuple[float, ...] = setting(
        (0.0,) * 6,
        "Results are limited to this box: x_min, x_max, y_min, y_max, z_min, z_max in box_frame, "
        "meters; all 0: no limit.",
    )
    box_frame: str = setting("base_link", "Frame of tf of the box.")

    @property
    def has_box(self) -> bool:
        """Whether results are limited to the box."""
        return any(self.box)

    @model_validator(mode="after")
    def _check_limits(self) -> RegionConfig:
        if not _are_limits(self.image, 2) or min(self.image) < 0 or max(self.image) > 1:
            raise ValueError(
                f"region.image is {list(self.image)}: expected x_min, x_max, y_min, y_max from "
                "0 to 1, each minimum less than its maximum"
            )
        if not _are_limits(self.box, 3) and self.box != (0.0,) * 6:
            raise ValueError(
                f"region.box is {list(self.box)}: expected x_min, x_max, y_min, y_max, z_min, "
                "z_max in meters, each minimum less than its maximum; or six times 0 for no box"
            )
        if self.has_box and not self.box_frame:
            raise ValueError("region.box needs the name of its tf frame, region.box_frame")
        return self


class SegmentationConfig(Settings):
    """Settings of the tabletop segmentation: keys in YAML, ROS parameters and CLI options."""

    method: Literal["network", "geometry"] = setting(
        "network",
        "How objects are found: by a network and geometry together, or by geometry alone, which "
        "needs no weights.",
        load_time=True,
    )
    weights: str = setting("", "File of the network; empty: the package's file.", load_time=True)
    device: Device = device_setting()
    engine: Engine = engine_setting()
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

    region: RegionConfig = Field(default_factory=RegionConfig)

    @model_validator(mode="after")
    def _check_heights(self) -> SegmentationConfig:
        if self.min_height >= self.max_height:
            raise ValueError(
                f"min_height {self.min_height} must be less than max_height {self.max_height}"
            )
        return self


def _are_limits(values: tuple[float, ...], axes: int) -> bool:
    """Whether the values are a minimum and a larger maximum for each axis."""
    pairs = zip(values[::2], values[1::2], strict=False)
    return len(values) == 2 * axes and all(map(isfinite, values)) and all(a < b for a, b in pairs)
