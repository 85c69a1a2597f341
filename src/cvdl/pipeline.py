"""The pipeline: runs the stages on a frame, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from time import perf_counter

import numpy as np
from pydantic import Field

from cvdl.core.config import load_settings
from cvdl.core.frame import RgbdFrame
from cvdl.core.scene import Scene, Segmentation
from cvdl.core.settings import Settings
from cvdl.depth.gaps import bridge_gaps
from cvdl.detection.config import DetectionConfig
from cvdl.detection.stage import DetectionStage
from cvdl.grasping.config import GraspConfig
from cvdl.grasping.stage import GraspStage
from cvdl.messages.config import NodeConfig
from cvdl.segmentation import SegmentationConfig
from cvdl.segmentation.doubts import depth_doubts
from cvdl.segmentation.region import region_of
from cvdl.segmentation.stage import SegmentationStage

__all__ = ["Perception", "PerceptionConfig", "Stage", "load_config"]

#: Adds its results to the scene of a frame. What several stages derive from the frame is computed
#: once and kept with it, see ``RgbdFrame.derived``.
Stage = Callable[[RgbdFrame, Scene], Scene]


class PerceptionConfig(Settings):
    """Settings of all stages: keys of a settings file and, with dots, ROS parameters."""

    segmentation: SegmentationConfig = Field(default_factory=SegmentationConfig)
    detector: DetectionConfig = Field(default_factory=DetectionConfig)
    grasp: GraspConfig = Field(default_factory=GraspConfig)

    def segmentation_only(self) -> PerceptionConfig:
        """Return a copy with detection and grasps disabled."""
        others = {"detector": self.detector, "grasp": self.grasp}
        disabled = {key: part.model_copy(update={"enable": False}) for key, part in others.items()}
        return self.model_copy(update=disabled)


def load_config(path: Path | None = None, overrides: Iterable[str] = ()) -> PerceptionConfig:
    """Load the settings of all stages; see ``cvdl.core.config.load_settings``.

    In a ROS parameter file, parameters of the node that are no settings of a stage, such as
    ``slop``, are ignored.
    """
    return load_settings(PerceptionConfig, path, overrides, ignored=NodeConfig.model_fields)


class Perception:
    """Turns a frame into a scene. Independent of ROS, bags and files.

    Args:
        config: enabled stages and their settings.
        loaded: an instance with the same detectors, devices and weights. Its networks are reused
            instead of loaded again.

    Attributes:
        classes: class names of the detector; empty without a detector.

    Raises:
        InputError: if the weights or the device of a stage are missing.
    """

    def __init__(
        self, config: PerceptionConfig | None = None, loaded: Perception | None = None
    ) -> None:
        self.config = config = config or PerceptionConfig()
        self._segment: SegmentationStage = SegmentationStage(
            config.segmentation, loaded._segment.model if loaded else None
        )
        self._detect: DetectionStage | None = None
        self._grasp: GraspStage | None = None
        if config.detector.enable:
            old = loaded._detect if loaded else None
            # With the same settings, the tracks continue.
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
        """Run the stages on one frame.

        Args:
            frame: color and depth.
            detect: whether to run the detection stage, if it is enabled.
            grasp: whether to run the grasp stage, if it is enabled.
            segmentation: of this frame, to use instead of running the segmentation stage.

        Returns:
            The scene, with the latency of each stage that ran.

        Raises:
            InputError: if the region of interest is a box, and the frame has no ``region_pose``.
        """
        start = perf_counter()
        region = region_of(frame, self.config.segmentation.region)
        depth, small_gaps = bridge_gaps(
            frame.depth, frame.camera, self.config.segmentation.max_range
        )
        bridged = replace(frame, depth=depth)
        stages: dict[str, Stage | None] = {
            "detect": self._detect if detect else None,
            "grasp": self._grasp if grasp else None,
        }
        if segmentation is None:
            stages = {"segment": self._segment, **stages}
            empty = np.zeros(depth.shape, np.uint16)
            doubts = tuple(depth_doubts(frame.depth, small_gaps))
            scene = Scene(empty, None, doubts=doubts, region=region)
        else:
            start = perf_counter()
            found = segmentation
            scene = Scene(found.labels, found.plane, found.objects, region=region)
        latency_ms = {}
        for name, stage in stages.items():
            if stage is not None:
                scene = stage(bridged, scene)
                latency_ms[name] = (perf_counter() - start) * 1e3
                start = perf_counter()
        return replace(scene, latency_ms=latency_ms, classes=self.classes)
