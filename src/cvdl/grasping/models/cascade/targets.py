"""Targets and losses of the cascade's networks."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, smooth_l1_loss

from cvdl.grasping.models.cascade.frames import STRIDE
from cvdl.grasping.models.cascade.geometry import (
    MIDDLE_OPENING,
    decode_dense,
    encode_refined,
    half_turn,
    refine,
)
from cvdl.grasping.models.cascade.network import ANGLES, OPENINGS, PLATE
from cvdl.training.augment import Placement
from cvdl.training.losses import quality_focal_loss

__all__ = [
    "dense_loss",
    "dense_targets",
    "jittered",
    "matched",
    "proposed",
    "rectangles_in_view",
    "sampled_jaccard",
    "second_loss",
]

_LARGEST = 80.0  # pixels from the center of a rectangle within which cells may belong to it
#: Rectangles per view for the refining network: jittered with each factor, and proposed.
_JITTERED, _PROPOSED = 6, 12
#: Standard deviations of jittered rectangles: shift along and across over the opening, turn in
#: radians, log of opening and of plate; one half is multiplied by the second factor.
_JITTER = (0.15, 0.15, 0.25, 0.2, 0.2)
_JITTER_FACTORS = (1.0, 2.5)
_NOISE = 0.5  # standard deviation of the noise on the logits by which proposals are chosen
_LEARN_FROM = 0.1  # Jaccard index above which the deltas of a rectangle count
_DELTA_WEIGHTS = (2.0, 2.0, 2.0, 1.0, 1.0)  # shifts and turn matter more than sizes


def rectangles_in_view(rectangles: Tensor, where: Placement, side: int) -> list[Tensor]:
    """Rectangles of images as rectangles of views.

    Args:
        rectangles: (B, N, 5), in pixels of the full image.
        where: the positions of the views.
        side: width and height of the views, in pixels of half resolution.

    Returns:
        For each view the rectangles (M, 5) whose center lies in it, in its pixels at full
        resolution.
    """
    center = where.points((rectangles[..., :2] + 0.5) / 2, (side, side))
    angle = rectangles[..., 2]
    direction = where.directions(torch.stack([angle.cos(), angle.sin()], -1))
    turned = torch.atan2(direction[..., 1], direction[..., 0])[..., None]
    sizes = rectangles[..., 3:] * where.zoom[:, None, None]
    moved = torch.cat([2 * center - 0.5, turned, sizes], -1)
    inside = ((center > 0.5) & (center < side - 0.5)).all(-1)
    return [some[kept] for some, kept in zip(moved, inside, strict=True)]


def dense_targets(
    rectangles: NDArray[np.float32], cells: int
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Targets of the dense network.

    Args:
        rectangles: (N, 5), good ones, in pixels of the full image.
        cells: number of rows and columns of cells.

    Returns:
        Scores (ANGLES, len(OPENINGS), cells, cells); deltas (ANGLES, 5, cells, cells); and the
        weights of the deltas (ANGLES, cells, cells). Scores fall linearly with the shift (to 0 at
        half the opening and two thirds of the plate), the turn and the log of the opening, which
        approximates the Jaccard index.
    """
    scores = np.zeros((ANGLES, len(OPENINGS), cells, cells), np.float32)
    deltas = np.zeros((ANGLES, 5, cells, cells), np.float32)
    weights = np.zeros((ANGLES, cells, cells), np.float32)
    references = np.arange(ANGLES) * (np.pi / ANGLES) - np.pi / 2
    for u, v, angle, opening, plate in rectangles:
        reach = min(max(opening, plate), _LARGEST) / STRIDE
        col, row = (u - 0.5) / STRIDE, (v - 0.5) / STRIDE
        rows, cols = (
            slice(max(0, math.ceil(at - reach)), max(0, min(cells, math.floor(at + reach) + 1)))
            for at in (row, col)
        )
        dv = v - (np.arange(rows.start, rows.stop) * STRIDE + 0.5)[:, None]
        du = u - (np.arange(cols.start, cols.stop) * STRIDE + 0.5)[None, :]
        along = np.abs(np.cos(angle) * du + np.sin(angle) * dv) / opening
        across = np.abs(np.cos(angle) * dv - np.sin(angle) * du) / plate
        place = np.clip(1 - 2 * along, 0, 1) * np.clip(1 - 1.5 * across, 0, 1)
        turn = (angle - references + np.pi / 2) % np.pi - np.pi / 2
        near = np.clip(1.5 - np.abs(turn) / (np.pi / ANGLES), 0, 1)
        fits = np.clip(1.5 - np.abs(np.log(opening / np.array(OPENINGS))) / math.log(1.6), 0, 1)
        if opening < OPENINGS[0]:
            fits[0] = 1
        if opening > OPENINGS[-1]:
            fits[-1] = 1
        for k in np.flatnonzero(near):
            score = place * near[k]
            here = scores[k, :, rows, cols]
            np.maximum(here, score[None] * fits[:, None, None], out=here)
            better = score > weights[k, rows, cols]
            cos, sin = np.cos(references[k]), np.sin(references[k])
            values = np.stack(
                [
                    (cos * du + sin * dv) / PLATE,
                    (cos * dv - sin * du) / PLATE,
                    np.full(place.shape, turn[k] / (np.pi / ANGLES)),
                    np.full(place.shape, np.log(opening / MIDDLE_OPENING)),
                    np.full(place.shape, np.log(plate / PLATE)),
                ]
            )
            deltas[k, :, rows, cols] = np.where(better, values, deltas[k, :, rows, cols])
            weights[k, rows, cols] = np.where(better, score, weights[k, rows, cols])
    return scores, deltas, weights


def dense_loss(
    logits: Tensor, deltas: Tensor, scores: Tensor, wanted: Tensor, weights: Tensor
) -> tuple[Tensor, Tensor]:
    """Quality focal loss of the scores, and smooth L1 loss of the deltas."""
    focal = quality_focal_loss(logits, scores).sum() / scores.sum().clamp(min=1)
    error = smooth_l1_loss(deltas.float(), wanted, reduction="none", beta=0.1).sum(2)
    return focal, (error * weights).sum() / weights.sum().clamp(min=1)


def sampled_jaccard(a: Tensor, b: Tensor, side: int = 16) -> Tensor:
    """Jaccard index (..., N, M) of a (..., N, 5) and b (..., M, 5), by side^2 points in each a."""
    steps = (torch.arange(side, device=a.device) + 0.5) / side - 0.5
    x = steps[None, :].expand(side, side).reshape(-1) * a[..., 3:4]  # (..., N, P)
    y = steps[:, None].expand(side, side).reshape(-1) * a[..., 4:5]
    cos, sin = torch.cos(a[..., 2:3]), torch.sin(a[..., 2:3])
    u, v = a[..., 0:1] + cos * x - sin * y, a[..., 1:2] + sin * x + cos * y
    other = b[..., None, :, :]  # (..., 1, M, 5)
    du, dv = u[..., :, None, :] - other[..., 0:1], v[..., :, None, :] - other[..., 1:2]
    cos, sin = torch.cos(other[..., 2:3]), torch.sin(other[..., 2:3])
    inside = ((cos * du + sin * dv).abs() < other[..., 3:4] / 2) & (
        (cos * dv - sin * du).abs() < other[..., 4:5] / 2
    )
    area_a, area_b = (a[..., 3] * a[..., 4])[..., :, None], (b[..., 3] * b[..., 4])[..., None, :]
    common = inside.float().mean(-1) * area_a
    return common / (area_a + area_b - common)


def matched(rectangles: Tensor, good: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """The labeled rectangle that fits each rectangle best.

    Args:
        rectangles: (B, N, 5).
        good: (B, M, 5), padded.
        valid: (B, M) bool.

    Returns:
        Labeled rectangles (B, N, 5); Jaccard index (B, N), 0 if none is within 30 degrees.
    """
    turn = rectangles[..., :, None, 2] - good[..., None, :, 2]
    fit = sampled_jaccard(rectangles, good) * (half_turn(turn).abs() < math.pi / 6) * valid[:, None]
    best = fit.max(-1)
    return torch.gather(good, 1, best.indices[..., None].expand(-1, -1, 5)), best.values


def jittered(good: Tensor, valid: Tensor, side: float) -> Tensor:
    """Rectangles (B, N, 5) near the labeled ones; anywhere in the view if there are none.

    Args:
        good: (B, M, 5), padded.
        valid: (B, M) bool.
        side: of the view, pixels.
    """
    shape = len(good), 2 * _JITTERED
    chosen = torch.multinomial(valid.float() + 1e-6, shape[1], replacement=True)
    near = torch.gather(good, 1, chosen[..., None].expand(-1, -1, 5))
    factors = good.new_tensor(_JITTER_FACTORS).repeat_interleave(_JITTERED)[:, None]
    noise = torch.randn(*shape, 5, device=good.device) * good.new_tensor(_JITTER) * factors
    low = good.new_tensor([0.0, 0.0, 0.0, 15.0, 12.0])
    size = good.new_tensor([side, side, math.pi, 50.0, 25.0])
    anywhere = low + size * torch.rand(*shape, 5, device=good.device)
    return torch.where(valid.any(1)[:, None, None], refine(near, noise), anywhere)


def proposed(logits: Tensor, deltas: Tensor) -> Tensor:
    """A random choice of the rectangles with high scores of the dense network, (B, N, 5)."""
    scores = logits.amax(2)
    scores = scores + _NOISE * torch.randn_like(scores)
    batch, _, rows, cols = scores.shape
    best = scores.flatten(1).topk(4 * _PROPOSED, dim=1).indices
    some = torch.rand(best.shape, device=best.device).argsort(1)[:, :_PROPOSED]
    index = torch.gather(best, 1, some)
    angle, cell = index // (rows * cols), index % (rows * cols)
    row, col = cell // cols, cell % cols
    view = torch.arange(batch, device=index.device)[:, None].expand_as(index)
    chosen = deltas[view, angle, :, row, col]
    return decode_dense(chosen, angle, row, col)


def second_loss(
    rectangles: Tensor, logits: Tensor, deltas: Tensor, good: Tensor, valid: Tensor
) -> tuple[Tensor, Tensor]:
    """Cross entropy of the scores, and smooth L1 loss of the deltas.

    Args:
        rectangles: (B, N, 5), the input of the refining network.
        logits: (B, N), its scores.
        deltas: (B, N, 5).
        good: (B, M, 5), padded.
        valid: (B, M) bool.
    """
    with torch.no_grad():
        wanted, fit = matched(rectangles, good, valid)
        target = encode_refined(rectangles, wanted).clamp(-2, 2)
        _, refined_fit = matched(refine(rectangles, deltas), good, valid)
    # A rectangle is scored by its overlap after the refinement.
    quality = binary_cross_entropy_with_logits(logits, refined_fit.clamp(0, 1))
    error = smooth_l1_loss(deltas, target, reduction="none", beta=0.1)
    counts = (fit > _LEARN_FROM).float()
    error = (error * torch.tensor(_DELTA_WEIGHTS, device=error.device)).sum(-1)
    return quality, (error * counts).sum() / counts.sum().clamp(min=1)
