"""Measures of quality against ground truth."""

from cvdl.evaluation.scene_scores import SceneScore, evaluate_scene
from cvdl.evaluation.segmentation import SegmentationScore, evaluate_segmentation, mean_figures

__all__ = [
    "SceneScore",
    "SegmentationScore",
    "evaluate_scene",
    "evaluate_segmentation",
    "mean_figures",
]
