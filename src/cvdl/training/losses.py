"""Losses that several trainings have."""

from __future__ import annotations

from torch import Tensor, nn

__all__ = ["quality_focal_loss"]


def quality_focal_loss(logits: Tensor, wanted: Tensor) -> Tensor:
    """Cross entropy with shares as targets, weighted by how far off they are squared.

    Li et al. 2020, "Generalized Focal Loss", eq. 2, with beta = 2.

    Args:
        logits: of any shape.
        wanted: the same, 0 to 1.

    Returns:
        Of each, float32, not summed.
    """
    logits = logits.float()
    entropy = nn.functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    return (logits.sigmoid() - wanted).abs().square() * entropy
