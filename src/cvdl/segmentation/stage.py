"""The segmentation stage: adds labels, the support plane and objects to a scene."""

from __future__ import annotations

from dataclasses import replace

from cvdl.core.frame import RgbdFrame
from cvdl.core.scene import Scene
from cvdl.segmentation.config import SegmentationConfig
from cvdl.segmentation.doubts import region_doubts, support_doubts
from cvdl.segmentation.instances.instances import FindInstances
from cvdl.segmentation.instances.loading import load_instance_model
from cvdl.segmentation.segmenter import TabletopSegmenter
from cvdl.segmentation.support_kind import support_kind

__all__ = ["SegmentationStage"]


class SegmentationStage:
    """Adds ``labels``, ``plane`` and ``objects`` to a scene, and doubts about plane and region.

    Args:
        config: settings.
        model: the instance network; by default it is loaded from the settings.

    Attributes:
        model: the instance network; None for the method "geometry".

    Raises:
        InputError: if the weights or the device of the network are missing.
    """

    def __init__(self, config: SegmentationConfig, model: FindInstances | None = None) -> None:
        self.config = config
        self.model = model if config.method == "network" else None
        if config.method == "network" and model is None:
            self.model = load_instance_model(config.weights, config.device, config.engine)
        self._segment = TabletopSegmenter(config, self.model)

    def __call__(self, frame: RgbdFrame, scene: Scene) -> Scene:
        """Segment a frame, within the region of the scene."""
        region, inside = scene.region, None
        doubts = scene.doubts
        if region is not None:
            inside = region.mask(frame.depth, frame.camera)
            doubts = (*doubts, *region_doubts(region, inside, frame))
        labels, plane, objects = self._segment(frame, inside)
        doubts = (*doubts, *support_doubts(plane, frame.up, self.config.up))
        kind = support_kind(labels, frame.depth, frame.camera, plane) if plane else ""
        return replace(
            scene, labels=labels, plane=plane, support_kind=kind, objects=objects, doubts=doubts
        )
