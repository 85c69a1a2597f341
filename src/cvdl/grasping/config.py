"""Settings of the grasp stage."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from cvdl.core.registry import NameIn
from cvdl.core.settings import LOAD_TIME, Settings
from cvdl.grasping.registry import GRASP_DETECTORS

__all__ = ["GraspConfig"]


class GraspConfig(Settings):
    """Settings of the grasp stage: YAML keys, ROS parameters and CLI options alike."""

    enable: bool = Field(
        True,
        description="Whether to find grasps.",
        json_schema_extra=LOAD_TIME,
    )
    detector: Annotated[str, NameIn(GRASP_DETECTORS)] = Field(
        GRASP_DETECTORS.default,
        description="Detector that ranks the rectangles.",
        json_schema_extra=LOAD_TIME,
    )
    weights: str = Field(
        "",
        description="Weights file (.safetensors) of the detector; empty: the package's file.",
        json_schema_extra=LOAD_TIME,
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto",
        description="Device of the networks; auto: a GPU if there is one.",
        json_schema_extra=LOAD_TIME,
    )
    candidates: int = Field(
        64, ge=1, le=5000, description="Number of rectangles requested from the detector."
    )
    max_per_object: int = Field(
        5, ge=1, le=1000, description="Largest number of grasps per object."
    )
    max_grasps: int = Field(50, ge=1, le=5000, description="Largest number of grasps per frame.")
    min_distance: float = Field(
        0.015,
        ge=0.0,
        le=0.5,
        description="Of two grasps closer than this, meters, and at a similar angle, the better "
        "is kept.",
    )
    min_angle: float = Field(
        30.0, ge=0.0, le=90.0, description="Largest difference of similar angles, degrees."
    )
    min_opening: float = Field(
        0.0, ge=0.0, le=0.5, description="Smallest opening of the gripper, meters."
    )
    max_opening: float = Field(
        0.1, ge=0.005, le=1.0, description="Largest opening of the gripper, meters."
    )
    plate_thickness: float = Field(
        0.01,
        ge=0.001,
        le=0.1,
        description="Thickness of a plate (finger pad), along the opening, meters.",
    )
    plate_width: float = Field(
        0.02, ge=0.002, le=0.2, description="Width of a plate, across the opening, meters."
    )
    plate_length: float = Field(
        0.05, ge=0.005, le=0.5, description="Length of a plate, from the palm to the tip, meters."
    )
    insertion: float = Field(
        0.02,
        ge=0.0,
        le=0.5,
        description="How far the tips reach past the nearest point of the object, meters; less "
        "where they would touch the table.",
    )
    approach: Literal["surface", "plane"] = Field(
        "surface",
        description="Direction of approach: against the normal of the object's surface between "
        "the plates (of the table where the gripper cannot approach that way), or "
        "always against the normal of the table.",
    )
    clearance: float = Field(
        0.004,
        ge=0.0,
        le=0.1,
        description="Distance kept between the gripper and what it must not touch, meters.",
    )

    @model_validator(mode="after")
    def _check_gripper(self) -> GraspConfig:
        if self.min_opening >= self.max_opening:
            raise ValueError(
                f"min_opening {self.min_opening} must be less than max_opening {self.max_opening}"
            )
        if self.insertion > self.plate_length:
            raise ValueError(
                f"insertion {self.insertion} must not be more than plate_length {self.plate_length}"
            )
        return self
