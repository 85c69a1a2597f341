"""What the cascade's networks should say, and how wrong they are."""

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

_LARGEST = 80.0  # pixels from a rectangle's middle where cells may belong to it
_JITTERED, _PROPOSED = 6, 12  # rectangles a view for the second network, of each kind
#: Deviations of jittered rectangles: shift along and across over the opening, turn in radians, log
#: of opening and of plate; half of them go further by the second factor.
_JITTER = (0.15, 0.15, 0.25, 0.2, 0.2)
_JITTER_FACTORS = (1.0, 2.5)
_CHANCE = 0.5  # deviation of what is added to the logits of proposals
_LEARN_FROM = 0.1  # Jaccard index from which a rectangle's deltas count
_DELTA_WEIGHTS = (2.0, 2.0, 2.0, 1.0, 1.0)  # shifts and turn matter more than sizes


def dense_targets(
    rectangles: NDArray[np.float32], cells: int
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """What the dense network should say.

    Args:
        rectangles: (N, 5), good ones, pixels of the full image.
        cells: rows and columns of cells.

    Returns:
        Scores (ANGLES, len(OPENINGS), cells, cells); deltas (ANGLES, 5, cells, cells); and the
        weights of the deltas (ANGLES, cells, cells). Scores fall off linearly with the shift (to
        nothing at half the opening and two thirds of the plate), the turn and the log of the
        opening: what a Jaccard index does, roughly.
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
    """Quality focal loss and smooth L1 of the deltas."""
    focal = quality_focal_loss(logits, scores).sum() / scores.sum().clamp(min=1)
    off = nn.functional.smooth_l1_loss(deltas.float(), wanted, reduction="none", beta=0.1).sum(2)
    return focal, (off * weights).sum() / weights.sum().clamp(min=1)


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
    """The labelled rectangle that fits each best, and how well.

    Args:
        rectangles: (B, N, 5).
        good: (B, M, 5), padded.
        valid: (B, M) bool.

    Returns:
        The labelled rectangle (B, N, 5); Jaccard index (B, N), 0 where none is within 30 degrees.
    """
    turn = rectangles[..., :, None, 2] - good[..., None, :, 2]
    fit = sampled_jaccard(rectangles, good) * (half_turn(turn).abs() < math.pi / 6) * valid[:, None]
    best = fit.max(-1)
    return torch.gather(good, 1, best.indices[..., None].expand(-1, -1, 5)), best.values


def jittered(good: Tensor, valid: Tensor, side: float) -> Tensor:
    """Rectangles (B, N, 5) about the labelled ones; without any, from all over the view's side."""
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
    """Rectangles (B, N, 5) that the dense network scores high, chosen with some chance."""
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
    rectangles: Tensor, judged: Tensor, mended: Tensor, good: Tensor, valid: Tensor
) -> tuple[Tensor, Tensor]:
    """Cross entropy of the judgement, smooth L1 of the deltas."""
    with torch.no_grad():
        wanted, fit = matched(rectangles, good, valid)
        target = encode_refined(rectangles, wanted).clamp(-2, 2)
        _, after = matched(refine(rectangles, mended), good, valid)
    # What a rectangle is worth is what it will be worth when it is mended.
    quality = nn.functional.binary_cross_entropy_with_logits(judged, after.clamp(0, 1))
    off = nn.functional.smooth_l1_loss(mended, target, reduction="none", beta=0.1)
    learn = (fit > _LEARN_FROM).float()
    off = (off * torch.tensor(_DELTA_WEIGHTS, device=off.device)).sum(-1)
    return quality, (off * learn).sum() / learn.sum().clamp(min=1)
