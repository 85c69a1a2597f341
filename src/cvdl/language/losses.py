"""The losses of words and regions."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["phrase_loss", "phrase_scores", "ranking_loss", "sentence_scores"]

_NOTHING = -1e4  # the score of what is not there


def sentence_scores(vectors: Tensor, there: Tensor, words: Tensor, lengths: Tensor) -> Tensor:
    """Return how well each of L sentences fits each of K frames, (K, L).

    The sum over the words of the best region: equation 8 of Karpathy & Fei-Fei 2015.

    Args:
        vectors: (K, R, H) of regions.
        there: (K, R) bool, whether there is such a region; at least one in a frame.
        words: (L, T, H).
        lengths: (L,) of the sentences.
    """
    scores = torch.einsum("krh,lth->kltr", vectors, words)
    best = scores.masked_fill(~there[:, None, None], _NOTHING).amax(dim=3)
    within = torch.arange(words.shape[1], device=words.device) < lengths[:, None]
    return (best * within).sum(dim=2)


def ranking_loss(scores: Tensor, margin: float = 1.0) -> Tensor:
    """Return the max-margin loss of the scores (K, K) of frames and their sentences.

    Every frame shall fit its own sentence better than others by a margin, and every sentence its
    frame: equation 9 of Karpathy & Fei-Fei 2015, the mean over the frames.
    """
    own = scores.diagonal()
    other = ~torch.eye(len(scores), dtype=torch.bool, device=scores.device)
    by_sentence = (scores - own[:, None] + margin).clamp(min=0)
    by_frame = (scores - own[None] + margin).clamp(min=0)
    return ((by_sentence + by_frame) * other).sum() / len(scores)


def phrase_scores(
    vectors: Tensor, relations: Tensor, objects: Tensor, phrase: tuple[Tensor, ...]
) -> Tensor:
    """Return how well P phrases fit the objects of their frames, (P, N); see ``phrase_logits``.

    Args:
        vectors: (P, N, H) of objects.
        relations: (P, N, N, K).
        objects: (P, N) bool, whether there is such an object.
        phrase: subject (P, H), anchor (P, H), relation (P, K) and offsets (P, 2).
    """
    subject, anchor, relation, offsets = phrase
    own = (vectors @ subject[..., None]).squeeze(-1)
    pairs = (relations @ relation[:, None, :, None]).squeeze(-1)
    pairs = pairs + (vectors @ anchor[..., None]).squeeze(-1)[:, None]
    itself = torch.eye(vectors.shape[1], dtype=torch.bool, device=vectors.device)
    pairs = pairs.masked_fill(itself | ~objects[:, None], _NOTHING)
    alone = offsets[:, None, :1].expand(-1, vectors.shape[1], 1)
    return own + torch.cat([alone, pairs], dim=2).logsumexp(dim=2) - offsets[:, 1:]


def phrase_loss(logits: Tensor, objects: Tensor, fits: Tensor, only: Tensor) -> Tensor:
    """Return the mean log loss of phrases: which objects each fits, and which it singles out.

    Args:
        logits: (P, N).
        objects: (P, N) bool, whether there is such an object.
        fits: (P, N), 1 if the phrase fits it, 0 if not, negative if that is unclear.
        only: (P,) int64, index of the object that is singled out; negative if there is none.
    """
    clear = objects & (fits >= 0)
    each = nn.functional.binary_cross_entropy_with_logits(
        logits, fits.clamp(min=0), reduction="none"
    )
    loss = (each * clear).sum() / clear.sum().clamp(min=1)
    single = only >= 0
    if single.any():
        inside = logits.masked_fill(~objects, _NOTHING)[single]
        loss = loss + nn.functional.cross_entropy(inside, only[single])
    return loss
