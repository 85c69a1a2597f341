"""Plane-based segmentation: the support plane and the objects on it."""

from cvdl.segmentation.config import RegionConfig, SegmentationConfig
from cvdl.segmentation.segmenter import TabletopSegmenter

__all__ = ["RegionConfig", "SegmentationConfig", "TabletopSegmenter"]
