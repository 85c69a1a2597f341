"""The stages, one after the other, on one frame."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from time import perf_counter

from pydantic import Field

from cvdl.core.frame import RgbdFrame
from cvdl.core.scene import Detection, Grasp, Scene, Segmentation
from cvdl.core.settings import Settings
from cvdl.depth.gaps import bridge_gaps
from cvdl.detection.config import DetectionConfig
from cvdl.detection.stage import DetectionStage
from cvdl.grasping.config import GraspConfig
from cvdl.grasping.stage import GraspStage
from cvdl.segmentation import SegmentationConfig, TabletopSegmenter
from cvdl.segmentation.doubts import Doubt, depth_doubts, support_doubts

__all__ = ["Perception", "PerceptionConfig"]


class PerceptionConfig(Settings):
    """Every stage's settings: keys of a settings file and, with dots, ROS parameters."""

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

    Args:
        config: which stages there are, and their settings.
        loaded: one with the same detectors, devices and weights, whose networks are taken over;
            they are loaded if not given.

    Attributes:
        classes: the names that the detector knows; empty without one.

    Raises:
        InputError: if what a stage needs is not there: weights, a device.
    """

    def __init__(
        self, config: PerceptionConfig | None = None, loaded: Perception | None = None
    ) -> None:
        self.config = config = config or PerceptionConfig()
        self._segment = TabletopSegmenter(config.segmentation)
        self._detect: DetectionStage | None = None
        self._grasp: GraspStage | None = None
        if config.detector.enable:
            old = loaded._detect if loaded else None
            # With the same settings it keeps its tracks.
            self._detect = (
                old
                if old and old.config == config.detector
                else DetectionStage(config.detector, old.detector if old else None)
            )
        if config.grasp.enable:
            before = loaded._grasp if loaded else None
            self._grasp = GraspStage(config.grasp, before.detector if before else None)
        self.classes = self._detect.classes if self._detect else ()

    def __call__(
        self,
        frame: RgbdFrame,
        detect: bool = True,
        grasp: bool = True,
        segmentation: Segmentation | None = None,
    ) -> Scene:
        """Runs the stages on one frame; the scene says how long each took.

        Args:
            frame: colour and depth.
            detect: whether to run that stage, where there is one.
            grasp: likewise.
            segmentation: of this frame, where somebody else has made it.
        """
        latency_ms: dict[str, float] = {}
        doubts: tuple[Doubt, ...] = ()
        if segmentation is None:
            with _timed(latency_ms, "segment"):
                bridged, small_gaps = self._bridge(frame)
                labels, plane, objects = self._segment(bridged)
            doubts = (
                *depth_doubts(frame.depth, small_gaps),
                *support_doubts(plane, frame.up, self.config.segmentation.up),
            )
        else:
            bridged, _ = self._bridge(frame)
            labels, plane, objects = segmentation.labels, segmentation.plane, segmentation.objects
        detections: tuple[Detection, ...] = ()
        refused_detections: dict[str, int] = {}
        if self._detect is not None and detect:
            with _timed(latency_ms, "detect"):
                detections, objects, refused_detections = self._detect(
                    bridged, labels, objects, plane
                )
        grasps: tuple[Grasp, ...] = ()
        refused: dict[str, int] = {}
        if self._grasp is not None and grasp:
            with _timed(latency_ms, "grasp"):
                grasps, refused = self._grasp(bridged, labels, plane, objects)
        return Scene(
            labels,
            plane,
            objects,
            latency_ms,
            grasps,
            refused,
            detections,
            self.classes,
            refused_detections,
            doubts,
        )

    def _bridge(self, frame: RgbdFrame) -> tuple[RgbdFrame, float]:
        """The frame without small gaps in its depth, and their share; see ``bridge_gaps``."""
        max_range = self.config.segmentation.max_range
        depth, share = bridge_gaps(frame.depth, frame.camera, max_range)
        return replace(frame, depth=depth), share


@contextmanager
def _timed(latency_ms: dict[str, float], stage: str) -> Iterator[None]:
    """Notes the wall time of a with statement under the stage's name, milliseconds."""
    start = perf_counter()
    yield
    latency_ms[stage] = (perf_counter() - start) * 1e3
