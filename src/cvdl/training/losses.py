"""Losses that several models share."""

from __future__ import annotations

from torch import Tensor, nn

__all__ = ["quality_focal_loss"]


def quality_focal_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Cross entropy with soft targets, weighted by the squared error of the probability.

    Li et al. 2020, "Generalized Focal Loss", eq. 2, with beta = 2.

    Args:
        logits: any shape.
        target: the same shape, 0 to 1.

    Returns:
        float32 of the same shape, not reduced.
    """
    logits = logits.float()
    entropy = nn.functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return (logits.sigmoid() - target).abs().square() * entropy
