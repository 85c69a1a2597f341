"""The segmentation stage: adds labels, the support plane and objects to a scene."""

from __future__ import annotations

from dataclasses import replace

from cvdl.core.frame import RgbdFrame
from cvdl.core.scene import Scene
from cvdl.segmentation.config import SegmentationConfig
from cvdl.segmentation.doubts import region_doubts, support_doubts
from cvdl.segmentation.segmenter import TabletopSegmenter

__all__ = ["SegmentationStage"]


class SegmentationStage:
    """Adds ``labels``, ``plane`` and ``objects`` to a scene, and doubts about plane and region."""

    def __init__(self, config: SegmentationConfig) -> None:
        self.config = config
        self._segment = TabletopSegmenter(config)

    def __call__(self, frame: RgbdFrame, scene: Scene) -> Scene:
        """Segment a frame, within the region of the scene."""
        region, inside = scene.region, None
        doubts = scene.doubts
        if region is not None:
            inside = region.mask(frame.depth, frame.camera)
            doubts = (*doubts, *region_doubts(region, inside, frame))
        labels, plane, objects = self._segment(frame, inside)
        doubts = (*doubts, *support_doubts(plane, frame.up, self.config.up))
        return replace(scene, labels=labels, plane=plane, objects=objects, doubts=doubts)
