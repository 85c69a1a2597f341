"""Targets and losses of the networks of the cascade."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cvdl.grasping.models.cascade.geometry import (
    MIDDLE_OPENING,
    decode_dense,
    encode_refined,
    half_turn,
    refine,
)
from cvdl.grasping.models.cascade.network import ANGLES, OPENINGS, PLATE, STRIDE
from cvdl.training.losses import quality_focal_loss

__all__ = [
    "dense_loss",
    "dense_targets",
    "jittered",
    "matched",
    "proposed",
    "sampled_jaccard",
    "second_loss",
]

_LARGEST = 80.0  # pixels from the center of a rectangle to its cells
_JITTERED, _PROPOSED = 6, 12  # rectangles per view for the second network, of each kind
#: Standard deviations of jittered rectangles: shift along and across over the opening, rotation in
#: radians, logarithms of opening and plate; those of the second half have the second factor.
_JITTER = (0.15, 0.15, 0.25, 0.2, 0.2)
_JITTER_FACTORS = (1.0, 2.5)
_CHANCE = 0.5  # standard deviation of the noise on the logits of proposals
_LEARN_FROM = 0.1  # Jaccard index from which the deltas of a rectangle count
_DELTA_WEIGHTS = (2.0, 2.0, 2.0, 1.0, 1.0)  # shifts and rotation matter more than sizes


def dense_targets(
    rectangles: NDArray[np.float32], cells: int
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Return the targets of the dense network.

    Args:
        rectangles: (N, 5), good ones, pixels of the full image.
        cells: rows and columns of cells.

    Returns:
        Scores (ANGLES, len(OPENINGS), cells, cells); deltas (ANGLES, 5, cells, cells); and the
        weights of the deltas (ANGLES, cells, cells). Scores decrease linearly with the shift (to
        zero at half the opening and two thirds of the plate), the rotation and the logarithm of
        the opening, which approximates the Jaccard index.
    """
    scores = np.zeros((ANGLES, len(OPENINGS), cells, cells), np.float32)
    deltas = np.zeros((ANGLES, 5, cells, cells), np.float32)
    weights = np.zeros((ANGLES, cells, cells), np.float32)
    references = np.arange(ANGLES) * (np.pi / ANGLES) - np.pi / 2
    for u, v, angle, opening, plate in rectangles:
        reach = min(max(opening, plate), _LARGEST) / STRIDE
        col, row = (u - 0.5) / STRIDE, (v - 0.5) / STRIDE
        rows = slice(
            max(0, math.ceil(row - reach)), max(0, min(cells, math.floor(row + reach) + 1))
        )
        cols = slice(
            max(0, math.ceil(col - reach)), max(0, min(cells, math.floor(col + reach) + 1))
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
    """Return the quality focal loss of the scores and the smooth L1 loss of the deltas."""
    focal = quality_focal_loss(logits, scores).sum() / scores.sum().clamp(min=1)
    off = nn.functional.smooth_l1_loss(deltas.float(), wanted, reduction="none", beta=0.1).sum(2)
    return focal, (off * weights).sum() / weights.sum().clamp(min=1)


def sampled_jaccard(a: Tensor, b: Tensor, side: int = 16) -> Tensor:
    """Return Jaccard indices (..., N, M) of a (..., N, 5) and b (..., M, 5), from samples in a.

    Args:
        a, b: rectangles.
        side: a has side x side samples.
    """
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
    """Match each rectangle with the labeled one that fits best.

    Args:
        rectangles: (B, N, 5).
        good: (B, M, 5), padded.
        valid: (B, M) bool.

    Returns:
        Labeled rectangles (B, N, 5); Jaccard indices (B, N), 0 if none is within 30 degrees.
    """
    turn = rectangles[..., :, None, 2] - good[..., None, :, 2]
    fit = sampled_jaccard(rectangles, good) * (half_turn(turn).abs() < math.pi / 6) * valid[:, None]
    best = fit.max(-1)
    return torch.gather(good, 1, best.indices[..., None].expand(-1, -1, 5)), best.values


def jittered(good: Tensor, valid: Tensor, side: float) -> Tensor:
    """Return rectangles (B, N, 5) near labeled ones; without any, random ones in the view."""
    batch = len(good)
    chosen = torch.multinomial(valid.float() + 1e-6, 2 * _JITTERED, replacement=True)
    near = torch.gather(good, 1, chosen[..., None].expand(-1, -1, 5))
    factors = torch.tensor(_JITTER_FACTORS).repeat_interleave(_JITTERED)[:, None]
    noise = torch.randn(batch, 2 * _JITTERED, 5) * torch.tensor(_JITTER) * factors
    anywhere = torch.rand(batch, 2 * _JITTERED, 5) * torch.tensor([side, side, math.pi, 50.0, 25.0])
    anywhere = anywhere + torch.tensor([0.0, 0.0, 0.0, 15.0, 12.0])
    has_some = valid.any(1)[:, None, None]
    return torch.where(has_some, refine(near, noise.to(good.device)), anywhere.to(good.device))


def proposed(logits: Tensor, deltas: Tensor) -> Tensor:
    """Return random rectangles (B, N, 5) among those with high scores of the dense network."""
    scores = logits.amax(2)
    scores = scores + _CHANCE * torch.randn(scores.shape).to(scores.device)
    batch, _, rows, cols = scores.shape
    best = scores.flatten(1).topk(4 * _PROPOSED, dim=1).indices
    some = torch.rand(best.shape).argsort(1)[:, :_PROPOSED].to(best.device)
    index = torch.gather(best, 1, some)
    angle, cell = index // (rows * cols), index % (rows * cols)
    row, col = cell // cols, cell % cols
    view = torch.arange(batch, device=index.device)[:, None].expand_as(index)
    chosen = deltas[view, angle, :, row, col]
    return decode_dense(chosen, angle, row, col)


def second_loss(
    rectangles: Tensor, logits: Tensor, deltas: Tensor, good: Tensor, valid: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the cross entropy of the scores and the smooth L1 loss of the deltas."""
    with torch.no_grad():
        wanted, fit = matched(rectangles, good, valid)
        target = encode_refined(rectangles, wanted).clamp(-2, 2)
        _, after = matched(refine(rectangles, deltas), good, valid)
    # The target of the score is the Jaccard index of the refined rectangle.
    quality = nn.functional.binary_cross_entropy_with_logits(logits, after.clamp(0, 1))
    off = nn.functional.smooth_l1_loss(deltas, target, reduction="none", beta=0.1)
    learn = (fit > _LEARN_FROM).float()
    off = (off * torch.tensor(_DELTA_WEIGHTS, device=off.device)).sum(-1)
    return quality, (off * learn).sum() / learn.sum().clamp(min=1)
