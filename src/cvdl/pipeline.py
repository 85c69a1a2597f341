"""The stages, one after the other, on one frame."""

from __future__ import annotations

from time import perf_counter

from pydantic import BaseModel, ConfigDict, Field

from cvdl.frame import RgbdFrame, Scene
from cvdl.grasping.config import GraspConfig
from cvdl.grasping.stage import GraspStage
from cvdl.tabletop import SegmentationConfig, TabletopSegmenter

__all__ = ["Perception", "PerceptionConfig"]


class PerceptionConfig(BaseModel):
    """Every stage's settings; the keys of ``config/perception.yaml``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    segmentation: SegmentationConfig = Field(default_factory=SegmentationConfig)
    grasp: GraspConfig = Field(default_factory=GraspConfig)

    def without_grasps(self) -> PerceptionConfig:
        """The same, with the segmentation alone."""
        return self.model_copy(update={"grasp": self.grasp.model_copy(update={"enable": False})})


class Perception:
    """RgbdFrame in, Scene out. Knows nothing of ROS, bags or files.

    Raises:
        InputError: if what a stage needs is not there: weights, a device.
    """

    def __init__(self, config: PerceptionConfig | None = None) -> None:
        self.config = config or PerceptionConfig()
        self._segment = TabletopSegmenter(self.config.segmentation)
        self._grasp = GraspStage(self.config.grasp) if self.config.grasp.enable else None

    def __call__(self, frame: RgbdFrame) -> Scene:
        """Runs every stage on one frame; the scene says how long each took."""
        start = perf_counter()
        labels, plane, objects = self._segment(frame)
        latency_ms = {"segment": (perf_counter() - start) * 1e3}
        if self._grasp is None:
            return Scene(labels, plane, objects, latency_ms)
        start = perf_counter()
        grasps = self._grasp(frame, labels, plane, objects)
        latency_ms["grasp"] = (perf_counter() - start) * 1e3
        return Scene(labels, plane, objects, latency_ms, grasps, dict(self._grasp.refused))
