"""The stages, one after the other, on one frame."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

from pydantic import BaseModel, ConfigDict, Field

from cvdl.detection.config import DetectionConfig
from cvdl.detection.stage import DetectionStage
from cvdl.frame import Detection, Grasp, RgbdFrame, Scene
from cvdl.grasping.config import GraspConfig
from cvdl.grasping.stage import GraspStage
from cvdl.tabletop import SegmentationConfig, TabletopSegmenter

__all__ = ["Perception", "PerceptionConfig"]


class PerceptionConfig(BaseModel):
    """Every stage's settings: keys of a settings file and, with dots, ROS parameters."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    segmentation: SegmentationConfig = Field(default_factory=SegmentationConfig)
    detector: DetectionConfig = Field(default_factory=DetectionConfig)
    grasp: GraspConfig = Field(default_factory=GraspConfig)

    def without_grasps(self) -> PerceptionConfig:
        """The same, without the grasp stage."""
        return self.model_copy(update={"grasp": self.grasp.model_copy(update={"enable": False})})

    def segmentation_only(self) -> PerceptionConfig:
        """The same, without grasps and without detection."""
        disabled = self.detector.model_copy(update={"enable": False})
        return self.without_grasps().model_copy(update={"detector": disabled})


class Perception:
    """RgbdFrame in, Scene out. Knows nothing of ROS, bags or files.

    Raises:
        InputError: if what a stage needs is not there: weights, a device.
    """

    def __init__(self, config: PerceptionConfig | None = None) -> None:
        self.config = config or PerceptionConfig()
        self._segment = TabletopSegmenter(self.config.segmentation)
        self._detect = DetectionStage(self.config.detector) if self.config.detector.enable else None
        self._grasp = GraspStage(self.config.grasp) if self.config.grasp.enable else None

    def __call__(self, frame: RgbdFrame) -> Scene:
        """Runs every stage on one frame; the scene says how long each took."""
        latency_ms: dict[str, float] = {}
        with _timed(latency_ms, "segment"):
            labels, plane, objects = self._segment(frame)
        detections: tuple[Detection, ...] = ()
        classes: tuple[str, ...] = ()
        if self._detect is not None:
            classes = self._detect.classes
            with _timed(latency_ms, "detect"):
                detections, objects = self._detect(frame, labels, objects)
        grasps: tuple[Grasp, ...] = ()
        refused: dict[str, int] = {}
        if self._grasp is not None:
            with _timed(latency_ms, "grasp"):
                grasps = self._grasp(frame, labels, plane, objects)
            refused = dict(self._grasp.refused)
        return Scene(labels, plane, objects, latency_ms, grasps, refused, detections, classes)


@contextmanager
def _timed(latency_ms: dict[str, float], stage: str) -> Iterator[None]:
    """Notes the wall time of a with statement under the stage's name, milliseconds."""
    start = perf_counter()
    yield
    latency_ms[stage] = (perf_counter() - start) * 1e3
