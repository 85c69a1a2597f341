"""Scores of sentences with a known answer."""

import pytest

from cvdl.evaluation.captions import score_captions, text_scores
from cvdl.language.captioner import Caption
from cvdl.language.vocabulary import punctuated
from helpers.words import plain_sample


class Says:
    """In place of a captioner: says the same about everything."""

    attend = True

    def __init__(self, text, about):
        self._caption = Caption(text, tuple(punctuated(text)), about, 0.0)

    def encode(self, regions):
        return regions

    def write(self, regions, about=None):
        return [self._caption]


def test_sentences_of_others_are_best_and_other_words_worst() -> None:
    theirs = [["A red mug is here.", "There is a mug."], ["Two boxes!", "I see two boxes, no mug."]]
    same = text_scores(["a red mug is here", "two boxes"], theirs)
    assert same["bleu_1"] == pytest.approx(1)
    assert same["rouge_l"] == pytest.approx(1)
    assert same["cider"] > 3
    other = text_scores(["something else", ""], theirs)
    assert other["bleu_1"] == pytest.approx(0, abs=1e-6)
    assert other["cider"] == other["rouge_l"] == 0


def test_facts_are_counted_by_their_kind() -> None:
    sample = plain_sample(0)
    thing = sample.facts.things[0]
    color = next(iter(thing.colors))
    row = sample.truth.tolist().index(thing.label)
    frame = len(sample.truth)
    text = f"There is a {color} {thing.kind}."
    scores = score_captions(Says(text, (frame, frame, row, row, row)), [sample])
    figures = scores.figures()
    assert (figures["true"], figures["true_kind"], figures["true_color"]) == (1, 1, 1)
    assert figures["facts"] == 2
    assert figures["silent"] == 0
    # The same words about what is no object: nothing is true.
    wrong = score_captions(Says(text, (frame,) * 5), [sample]).figures()
    assert wrong["true"] == wrong["true_objects"] == 0
    unclear = score_captions(Says("A mug the of.", (frame,) * 4), [sample]).report()
    assert unclear["true"] == 0
    assert unclear["stated"] == {"unclear": 1 + frame}
    silent = score_captions(Says("", ()), [sample]).figures()
    assert silent["silent"] == 1
