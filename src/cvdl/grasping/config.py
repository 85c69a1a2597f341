"""Settings of the grasp stage."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, model_validator

from cvdl.core.registry import NameIn
from cvdl.core.settings import Settings, setting
from cvdl.grasping.registry import GRASP_DETECTORS
from cvdl.networks.engine import Device, Engine, device_setting, engine_setting

__all__ = ["CANDIDATE_OBJECTS", "GraspConfig"]

#: So many objects share the candidates.
CANDIDATE_OBJECTS = 8


def _names(value: Any) -> Any:
    """The names in a text, between commas; anything else as it is.

    ROS reads an empty list in a parameter file as no value.
    """
    if value is None:
        return []
    if isinstance(value, str):
        value = value.split(",")
    if isinstance(value, list | tuple):
        value = [name.strip() if isinstance(name, str) else name for name in value]
        return [name for name in value if name != ""]
    return value


class GraspConfig(Settings):
    """Settings of the grasp stage: YAML keys, ROS parameters and CLI options alike."""

    enable: bool = setting(True, "Whether to find grasps.", load_time=True)
    detector: Annotated[str, NameIn(GRASP_DETECTORS)] = setting(
        GRASP_DETECTORS.default,
        "Detector of grasp rectangles: where poses are tried besides the usual ones.",
        load_time=True,
    )
    weights: str = setting(
        "",
        "Weights file of the detector; empty: the package's file.",
        load_time=True,
    )
    holding: str = setting(
        "",
        "Graph (.onnx) of the network that predicts which poses hold; empty: the package's file.",
        load_time=True,
    )
    device: Device = device_setting()
    engine: Engine = engine_setting()
    only: Annotated[tuple[str, ...], BeforeValidator(_names)] = setting(
        (),
        "Names of the objects to grasp, as a list or separated by commas; the others stay "
        "obstacles. Empty: all objects.",
    )
    candidates: int = setting(
        48,
        f"Number of rectangles requested from the detector for every {CANDIDATE_OBJECTS} objects.",
        ge=1,
        le=5000,
    )
    min_objectness: float = setting(
        0.65,
        "Objects whose mask has a lower mean probability of an object, by the segmentation's "
        "network, get no grasps, but stay obstacles; 0: all get grasps.",
        ge=0.0,
        le=1.0,
    )
    min_score: float = setting(
        0.2, "Grasps that hold with a lower probability are left out.", ge=0.0, le=1.0
    )
    max_per_object: int = setting(5, "Largest number of grasps per object.", ge=1, le=1000)
    max_grasps: int = setting(50, "Largest number of grasps per frame.", ge=1, le=5000)
    min_distance: float = setting(
        0.015,
        "Of two grasps closer than this, meters, and at a similar angle, the better is kept.",
        ge=0.0,
        le=0.5,
    )
    min_angle: float = setting(
        30.0, "Largest difference of similar angles, degrees.", ge=0.0, le=90.0
    )
    min_opening: float = setting(0.0, "Smallest opening of the gripper, meters.", ge=0.0, le=0.5)
    max_opening: float = setting(0.1, "Largest opening of the gripper, meters.", ge=0.005, le=1.0)
    plate_thickness: float = setting(
        0.01, "Thickness of a plate (finger pad), along the opening, meters.", ge=0.001, le=0.1
    )
    plate_width: float = setting(
        0.02, "Width of a plate, across the opening, meters.", ge=0.002, le=0.2
    )
    plate_length: float = setting(
        0.05, "Length of a plate, from the palm to the tip, meters.", ge=0.005, le=0.5
    )
    insertion: float = setting(
        0.045,
        "How far the tips reach past the nearest point of the object between them, meters, at "
        "most; less where less is better or the support is near.",
        ge=0.0,
        le=0.5,
    )
    approach: Literal["surface", "plane"] = setting(
        "surface",
        "Directions of approach that are tried: against the support's normal, from the camera, "
        "between both, onto the object's sides and against its surface; or only the first.",
    )
    clearance: float = setting(
        0.004,
        "Distance kept between the gripper and the support and other objects, meters.",
        ge=0.0,
        le=0.1,
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
