"""The stages for a live node: each runs only where its results are wanted."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from cvdl.core.frame import RgbdFrame
from cvdl.core.scene import Scene, Segmentation
from cvdl.depth.registration import register
from cvdl.messages.factory import SCENE_TOPICS
from cvdl.networks.device import pick_device
from cvdl.pipeline import Perception, PerceptionConfig
from cvdl.ros.warm_up import made_up_frame

__all__ = ["NEEDS_DETECTION", "NEEDS_GRASPS", "Stages"]

#: Topics of `SCENE_TOPICS` that a stage's results are in.
NEEDS_DETECTION = frozenset(
    {"segmentation/objects", "detection/boxes", "detection/tracks", "markers", "overlay"}
)
NEEDS_GRASPS = frozenset(
    {"grasp/rectangles", "grasp/poses", "grasp/detections", "markers", "overlay"}
)


class Stages:
    """`cvdl.pipeline.Perception` for topics that are wanted or not.

    Args:
        config: which stages there are, and their settings.
        loaded: see `Perception`.

    Attributes:
        config: as given.
        classes: the names that the detector knows; empty without one.
        device: where the networks run.

    Raises:
        InputError: if what a stage needs is not there: weights, a device.
    """

    def __init__(self, config: PerceptionConfig, loaded: Stages | None = None) -> None:
        self.config = config
        before = loaded._perceive if loaded else None
        self._perceive: Perception = Perception(config, before)
        self.classes = self._perceive.classes
        networks = [stage for stage in (config.detector, config.grasp) if stage.enable]
        devices = {str(pick_device(stage.device)) for stage in networks}
        self.device = ", ".join(sorted(devices)) or "cpu"

    @classmethod
    def ready(cls, config: PerceptionConfig) -> Stages:
        """Loaded, and run once, so that no frame waits for what is compiled at first use.

        Raises:
            InputError: see the class.
        """
        # That frame is nobody's: no track may begin with it.
        untracked = config.detector.model_copy(update={"track": False})
        stages = cls(config.model_copy(update={"detector": untracked}))
        frame = made_up_frame()
        stages(frame, SCENE_TOPICS)
        register(frame.depth, frame.camera, frame.camera, np.eye(4))
        return cls(config, stages)

    def __call__(
        self,
        frame: RgbdFrame,
        wanted: Collection[str],
        segmentation: Segmentation | None = None,
    ) -> Scene:
        """Run on one frame the stages whose results are in the topics wanted.

        Args:
            frame: colour and depth.
            wanted: topics of `SCENE_TOPICS`.
            segmentation: of this frame, where another node has made it.
        """
        return self._perceive(
            frame,
            detect=not NEEDS_DETECTION.isdisjoint(wanted),
            grasp=not NEEDS_GRASPS.isdisjoint(wanted),
            segmentation=segmentation,
        )
