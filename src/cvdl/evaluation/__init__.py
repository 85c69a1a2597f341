"""Measures of quality against truth."""

from cvdl.evaluation.scene import SceneScore, evaluate_scene
from cvdl.evaluation.segmentation import (
    SegmentationScore,
    evaluate_segmentation,
    mean_figures,
)

__all__ = [
    "SceneScore",
    "SegmentationScore",
    "evaluate_scene",
    "evaluate_segmentation",
    "mean_figures",
]
