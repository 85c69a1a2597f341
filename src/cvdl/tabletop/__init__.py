"""Plane-based segmentation: the support plane, and the objects that stand on it."""

from cvdl.tabletop.config import SegmentationConfig
from cvdl.tabletop.segmenter import TabletopSegmenter

__all__ = ["SegmentationConfig", "TabletopSegmenter"]
