"""Scores and losses: against brute force, by hand, and their gradients."""

import numpy as np
import pytest
import torch
from torch import Tensor

from cvdl.language.losses import phrase_loss, phrase_scores, ranking_loss, sentence_scores
from cvdl.language.matching import (
    PhraseVectors,
    RegionVectors,
    image_sentence_score,
    phrase_logits,
)

RNG = np.random.default_rng(0)


def drawn(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(np.float32)


def test_a_sentence_is_scored_by_the_best_region_of_each_word() -> None:
    words, vectors = drawn(4, 8), drawn(3, 8)
    expected = sum(max(float(word @ vector) for vector in vectors) for word in words)
    assert image_sentence_score(words, vectors) == pytest.approx(expected, rel=1e-5)
    assert image_sentence_score(words[:0], vectors) == 0


def test_batches_have_the_scores_of_single_frames_and_sentences() -> None:
    frames, sentences = [drawn(3, 8), drawn(5, 8)], [drawn(4, 8), drawn(2, 8)]
    vectors, words = torch.zeros(2, 5, 8), torch.zeros(2, 4, 8)
    for row, (frame, sentence) in enumerate(zip(frames, sentences, strict=True)):
        vectors[row, : len(frame)] = torch.from_numpy(frame)
        words[row, : len(sentence)] = torch.from_numpy(sentence)
    there = torch.arange(5) < torch.tensor([[3], [5]])
    found = sentence_scores(vectors, there, words, torch.tensor([4, 2]))
    expected = [[image_sentence_score(words, frame) for words in sentences] for frame in frames]
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-4)


def test_the_other_object_of_a_relation_can_be_given() -> None:
    regions = RegionVectors(drawn(4, 8), drawn(4, 4, 3))
    phrase = PhraseVectors(drawn(2, 8), drawn(8), drawn(8), drawn(3), drawn(2))
    found = phrase_logits(phrase, regions, [1])
    for one in (0, 2):
        related = regions.relations[one, 1] @ phrase.relation + regions.vectors[1] @ phrase.anchor
        value = regions.vectors[one] @ phrase.subject + related - phrase.offsets[1]
        assert found[one] == pytest.approx(value, abs=1e-4)
    assert found[1] == -np.inf
    assert (phrase_logits(phrase, regions, []) == -np.inf).all()


def test_phrases_have_the_same_scores_in_batches() -> None:
    regions = RegionVectors(drawn(4, 8), drawn(4, 4, 3))
    phrase = PhraseVectors(drawn(2, 8), drawn(8), drawn(8), drawn(3), drawn(2))
    alone = phrase_logits(phrase, regions)
    assert alone.shape == (3,)
    for one in range(3):  # brute force
        ways = [phrase.offsets[0]]
        for two in set(range(3)) - {one}:
            related = regions.relations[one, two] @ phrase.relation
            ways.append(related + regions.vectors[two] @ phrase.anchor)
        value = regions.vectors[one] @ phrase.subject + np.log(np.exp(ways).sum())
        assert alone[one] == pytest.approx(value - phrase.offsets[1], abs=1e-4)
    padded = torch.zeros(1, 6, 8), torch.zeros(1, 6, 6, 3)
    padded[0][0, :3] = torch.from_numpy(regions.vectors[:3])
    padded[1][0, :3, :3] = torch.from_numpy(regions.relations[:3, :3])
    objects = torch.arange(6)[None] < 3
    vectors = tuple(torch.from_numpy(each)[None] for each in phrase[1:])
    found = phrase_scores(*padded, objects, vectors)
    np.testing.assert_allclose(found[0, :3].numpy(), alone, atol=1e-4)


def test_one_object_and_none() -> None:
    phrase = PhraseVectors(drawn(2, 8), drawn(8), drawn(8), drawn(3), np.zeros(2, np.float32))
    one = RegionVectors(drawn(2, 8), drawn(2, 2, 3))
    expected = one.vectors[0] @ phrase.subject
    assert phrase_logits(phrase, one)[0] == pytest.approx(expected, abs=1e-4)
    assert phrase_logits(phrase, RegionVectors(drawn(1, 8), drawn(1, 1, 3))).shape == (0,)


def test_the_ranking_loss_by_hand() -> None:
    scores = torch.tensor([[3.0, 2.5, 0.0], [1.0, 2.0, 0.0], [0.0, 0.0, 5.0]])
    # Frame 0: its sentence is only 0.5 better than sentence 1; sentence 1 is worse in its own.
    by_sentence = (2.5 - 3 + 1) + (1 - 2 + 1)
    by_frame = (2.5 - 2 + 1) + 0
    assert ranking_loss(scores).item() == pytest.approx((by_sentence + by_frame) / 3)
    assert ranking_loss(10 * torch.eye(4)).item() == 0


def test_gradients_are_those_of_finite_differences() -> None:
    torch.manual_seed(0)
    lengths, there = torch.tensor([3, 2, 3]), torch.arange(4) < torch.tensor([[3], [4], [2]])

    def loss(vectors: Tensor, words: Tensor) -> Tensor:
        return ranking_loss(sentence_scores(vectors, there, words, lengths))

    drawn = [torch.randn(3, n, 5, dtype=torch.double, requires_grad=True) for n in (4, 3)]
    assert torch.autograd.gradcheck(loss, drawn)
    fits, only = torch.tensor([[1.0, 0, -1], [0, 0, 0]]), torch.tensor([0, -1])
    objects = torch.tensor([[True, True, True], [True, True, False]])
    logits = torch.randn(2, 3, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda each: phrase_loss(each, objects, fits.double(), only), [logits]
    )
    phrase_loss(logits, objects, fits.double(), only).backward()
    assert logits.grad is not None
    assert logits.grad[1, 2] == 0
