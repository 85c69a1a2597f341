"""Measures of quality against truth."""

from cvdl.evaluation.segmentation import (
    SegmentationScore,
    evaluate_segmentation,
    mean_figures,
)

__all__ = ["SegmentationScore", "evaluate_segmentation", "mean_figures"]
