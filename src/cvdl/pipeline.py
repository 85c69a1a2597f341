"""The pipeline: runs the stages on a frame, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
from pydantic import Field

from cvdl.core.config import load_settings
from cvdl.core.frame import RgbdFrame
from cvdl.core.scene import Scene, Segmentation
from cvdl.core.settings import Settings
from cvdl.core.tally import timed
from cvdl.depth.gaps import bridge_gaps
from cvdl.detection.config import DetectionConfig
from cvdl.detection.stage import DetectionStage
from cvdl.grasping.config import GraspConfig
from cvdl.grasping.stage import GraspStage
from cvdl.language.config import WordsConfig
from cvdl.messages.config import NodeConfig
from cvdl.recognition.config import RecognitionConfig
from cvdl.recognition.stage import RecognitionStage
from cvdl.segmentation import SegmentationConfig
from cvdl.segmentation.doubts import depth_doubts
from cvdl.segmentation.region import region_of
from cvdl.segmentation.stage import SegmentationStage
from cvdl.segmentation.support_kind import support_kind

__all__ = ["Perception", "PerceptionConfig", "Stage", "load_config"]

#: Adds its results to the scene of a frame. What several stages derive from the frame is computed
#: once and kept with it, see ``RgbdFrame.derived``.
Stage = Callable[[RgbdFrame, Scene], Scene]


class PerceptionConfig(Settings):
    """Settings of all stages: keys of a settings file and, with dots, ROS parameters."""

    segmentation: SegmentationConfig = Field(default_factory=SegmentationConfig)
    detector: DetectionConfig = Field(default_factory=DetectionConfig)
    gallery: RecognitionConfig = Field(default_factory=RecognitionConfig)
    grasp: GraspConfig = Field(default_factory=GraspConfig)
    words: WordsConfig = Field(default_factory=WordsConfig)

    def segmentation_only(self) -> PerceptionConfig:
        """Return a copy with detection, taught names and grasps disabled."""
        others = {"detector": self.detector, "gallery": self.gallery, "grasp": self.grasp}
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
        recognition: the stage that names taught objects; None if it is disabled.

    Raises:
        InputError: if the weights or the device of a stage are missing, or the gallery cannot be
            used.
    """

    def __init__(
        self, config: PerceptionConfig | None = None, loaded: Perception | None = None
    ) -> None:
        self.config = config = config or PerceptionConfig()
        self._segment: SegmentationStage = SegmentationStage(
            config.segmentation, loaded._segment.model if loaded else None
        )
        self._detect: DetectionStage | None = None
        self.recognition: RecognitionStage | None = None
        self._grasp: GraspStage | None = None
        if config.detector.enable:
            old = loaded._detect if loaded else None
            # With the same settings, the tracks continue.
            self._detect = (
                old
                if old and old.config == config.detector
                else DetectionStage(config.detector, old.detector if old else None)
            )
        if config.gallery.enable:
            was = loaded.recognition if loaded else None
            self.recognition = (
                was
                if was and was.config == config.gallery
                else RecognitionStage(config.gallery, was.loaded if was else None)
            )
        if config.grasp.enable:
            before = loaded._grasp if loaded else None
            self._grasp = GraspStage(config.grasp, before.detector if before else None)

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names: those of the detector, then those of the gallery."""
        detected = self._detect.classes if self._detect else ()
        taught = self.recognition.classes() if self.recognition else ()
        return tuple(dict.fromkeys((*detected, *taught)))

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
            detect: whether to name the objects: by the detector, and by the gallery if it knows
                any; each if it is enabled.
            grasp: whether to run the grasp stage, if it is enabled.
            segmentation: of this frame, to use instead of running the segmentation stage.

        Returns:
            The scene, with the latency of each stage that ran.

        Raises:
            InputError: see `segment`.
        """
        return self.recognize(*self.segment(frame, segmentation), detect, grasp)

    def segment(
        self, frame: RgbdFrame, segmentation: Segmentation | None = None
    ) -> tuple[RgbdFrame, Scene]:
        """Run the first stage on one frame.

        Args:
            frame: color and depth.
            segmentation: of this frame, to use instead of running the stage; with its names if it
                has some.

        Returns:
            The frame and the scene to give to `recognize`. Small gaps in the depth are bridged.

        Raises:
            InputError: if the region of interest is a box, and the frame has no ``region_pose``.
        """
        config, latency_ms = self.config.segmentation, dict[str, float]()
        with timed(latency_ms, "segment"):
            region = region_of(frame, config.region)
            depth, small_gaps = bridge_gaps(frame.depth, frame.camera, config.max_range)
            bridged = replace(frame, depth=depth)
            if segmentation is not None:
                labels, plane = segmentation.labels, segmentation.plane
                kind = support_kind(labels, depth, frame.camera, plane) if plane else ""
                return bridged, Scene(**vars(segmentation), region=region, support_kind=kind)
            empty = np.zeros(depth.shape, np.uint16)
            doubts = tuple(depth_doubts(frame.depth, small_gaps))
            scene = self._segment(bridged, Scene(empty, None, doubts=doubts, region=region))
        return bridged, replace(scene, latency_ms=latency_ms)

    def recognize(
        self, frame: RgbdFrame, scene: Scene, detect: bool = True, grasp: bool = True
    ) -> Scene:
        """Run the other stages on one frame; it may be on another thread than `segment`.

        Args:
            frame, scene: from `segment`.
            detect: whether to name the objects: by the detector, and by the gallery if it knows
                any; each if it is enabled.
            grasp: whether to run the grasp stage, if it is enabled.

        Returns:
            The scene, with the latency of each stage that ran. Grasps by name need the names:
            where only some are asked for (``grasp.only``), the stages that name run, too.
        """
        latency_ms = dict(scene.latency_ms)
        # Another node may have named the objects.
        scene = replace(scene, classes=tuple(dict.fromkeys((*scene.classes, *self.classes))))
        detect |= grasp and self._grasp is not None and bool(self.config.grasp.only)
        recognition = self.recognition if detect else None
        stages: dict[str, Stage | None] = {
            "detect": self._detect if detect else None,
            "recognize": recognition if recognition and recognition.names else None,
            "grasp": self._grasp if grasp else None,
        }
        for name, stage in stages.items():
            if stage is not None:
                with timed(latency_ms, name):
                    scene = stage(frame, scene)
        return replace(scene, latency_ms=latency_ms)
