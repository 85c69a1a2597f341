"""Training of the network of words, on simulated scenes whose truth writes the sentences."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from torch import Tensor

from cvdl.core.errors import InputError
from cvdl.core.settings import Settings, setting
from cvdl.datasets.dataset import tracked
from cvdl.evaluation.words import WordsScores, score_words
from cvdl.language.disturbing import disturbed, mirrored_facts, with_unknown
from cvdl.language.exporting import aligner_of
from cvdl.language.facts import SceneFacts
from cvdl.language.losses import phrase_loss, phrase_scores, ranking_loss, sentence_scores
from cvdl.language.network import AlignmentNetwork
from cvdl.language.phrases import (
    Description,
    Found,
    absent_anchors,
    absent_descriptions,
    random_description,
    random_superlative,
)
from cvdl.language.regions import PAIR_VALUES, mirrored
from cvdl.language.samples import WordsSample
from cvdl.language.sentences import write_sentences
from cvdl.language.vocabulary import UNKNOWN, Vocabulary
from cvdl.recognition.embedder import load_embedder
from cvdl.training.loop import TrainingSettings, loop_settings
from cvdl.training.task import Task, padded
from cvdl.training.trainer import Trainer, train_task

__all__ = ["WordsTask", "WordsTraining", "score_network", "trainer"]

Rng = np.random.Generator

#: Sentences of each scene from which the vocabulary is collected.
_SENTENCES = 5
#: Phrases of a scene in a batch: without a relation, with a superlative, with a relation, such that
#: fit nothing, and such that name a relation to what is not there.
_PLAIN, _MOST, _RELATED, _ABSENT, _UNRELATED = 4, 2, 4, 2, 1
#: Share of the phrases that fit nothing whose noun is a word that the vocabulary does not have.
_UNKNOWN_NOUN = 0.3
_RANKING = 0.05  # weight of the ranking loss, which is a sum over the words of the other sentences


class WordsTraining(Settings):
    """Settings of the training of words."""

    least: int = setting(3, "Words that occur less often are unknown.", ge=1)
    training: TrainingSettings = loop_settings(
        epochs=60, batch_size=32, learning_rate=2e-3, weight_decay=0.01, warmup=1,
        mixed_precision=False,
    )  # fmt: skip


class _Batch(NamedTuple):
    features: Tensor  # (B, R, D); objects first, then the frame, then nothing
    values: Tensor  # (B, R, V)
    pairs: Tensor  # (B, R, R, P)
    counts: Tensor  # (B,) objects
    sentences: Tensor  # (B, T)
    sentence_lengths: Tensor  # (B,)
    phrases: Tensor  # (Q, T)
    phrase_lengths: Tensor  # (Q,)
    scene: Tensor  # (Q,) index in the batch
    fits: Tensor  # (Q, R)
    only: Tensor  # (Q,)


class WordsTask(Task):
    """Trains the network; sentences and phrases are written anew for every batch.

    The ranking loss compares the frames and sentences of a batch. Phrases tell which objects they
    fit: this is known of simulated scenes.
    """

    model: AlignmentNetwork
    settings: WordsTraining

    def build(self, train: Any, console: Console | None) -> AlignmentNetwork:
        """A new network, with the vocabulary of the scenes to train on."""
        self.samples: list[WordsSample] = list(tracked(train, "looking", console))
        self.validation = list(tracked(self.validation, "looking", console))
        if not any(sample.facts.things for sample in self.samples):
            raise InputError("nothing to train on: no scene has an object")
        rng = np.random.default_rng([self.settings.training.seed, 4])
        texts: list[str] = []
        for sample in self.samples:
            texts += [each.text for each in write_sentences(rng, sample.facts, _SENTENCES)]
            texts += [text for text, _ in _phrases(rng, sample.facts)]
        regions = self.samples[0].regions
        return AlignmentNetwork(
            Vocabulary.of(texts, self.settings.least),
            regions.features.shape[1],
            regions.values.shape[1],
            PAIR_VALUES,
            load_embedder().name,
        )

    def batch(self, samples: Sequence[WordsSample], rng: Rng) -> _Batch:
        """Regions, mirrored at random and disturbed, with a sentence and phrases for each."""
        vocabulary = self.model.vocabulary
        regions, sentences = [], []
        phrases: list[NDArray[np.int64]] = []
        scene: list[int] = []
        fits: list[NDArray[np.float32]] = []
        only: list[int] = []
        for number, sample in enumerate(samples):
            seen, facts = sample.regions, sample.facts
            if rng.random() < 0.5:
                seen, facts = mirrored(seen), mirrored_facts(facts)
            regions.append(disturbed(seen, rng))
            (sentence,) = write_sentences(rng, facts, 1)
            sentences.append(with_unknown(vocabulary.encode(sentence.text), rng))
            for text, found in _phrases(rng, facts):
                words = with_unknown(vocabulary.encode(text), rng)
                if not found.possible and rng.random() < _UNKNOWN_NOUN:
                    words[-1] = UNKNOWN  # "the red elephant"
                phrases.append(words)
                scene.append(number)
                known = [_fits(label, found) for label in sample.truth]
                fits.append(np.array(known, np.float32))
                places = np.flatnonzero((sample.truth == found.only) & (sample.truth > 0))
                only.append(int(places[0]) if len(places) else -1)
        most = max(len(each.labels) for each in regions) + 1
        return _Batch(
            padded([each.features for each in regions]),
            padded([each.values for each in regions]),
            padded([each.pairs for each in regions]),
            torch.tensor([len(each.labels) for each in regions]),
            padded(sentences),
            torch.tensor([len(each) for each in sentences]),
            padded([np.zeros(1, np.int64), *phrases])[1:],
            torch.tensor([len(each) for each in phrases]),
            torch.tensor(scene),
            padded([np.zeros(most, np.float32), *fits], -1)[1:],
            torch.tensor(only),
        )

    def loss(self, batch: _Batch) -> dict[str, Tensor]:
        """The ranking loss of sentences and frames, and the log loss of phrases."""
        vectors, relations = self.model.regions(batch.features, batch.values, batch.pairs)
        places = torch.arange(vectors.shape[1], device=vectors.device)
        words, *_ = self.model.words(batch.sentences, batch.sentence_lengths.tolist())
        scores = sentence_scores(
            vectors, places <= batch.counts[:, None], words, batch.sentence_lengths
        )
        ranking = ranking_loss(scores)
        if not len(batch.scene):
            return {"loss": _RANKING * ranking, "ranking": ranking}
        objects = (places < batch.counts[:, None])[batch.scene]
        _, *phrase = self.model.words(batch.phrases, batch.phrase_lengths.tolist())
        logits = phrase_scores(vectors[batch.scene], relations[batch.scene], objects, (*phrase,))
        phrases = phrase_loss(logits, objects, batch.fits, batch.only)
        return {"loss": phrases + _RANKING * ranking, "ranking": ranking, "phrases": phrases}

    def score(self) -> dict[str, float]:
        """Figures of ``WordsScores``; the score is the mean of those that count."""
        figures = score_network(self.model, self.validation).figures()
        names = ("attribute", "relation", "absent", "absent_anchor", "frame_r1")
        counted = [figures[name] for name in names]
        return {"score": float(np.nanmean(counted)), **figures}

    def trained(self) -> AlignmentNetwork:
        """The network for use."""
        return self.model.cpu().eval()


def _phrases(rng: Rng, facts: SceneFacts) -> list[tuple[str, Found]]:
    """Phrases with what they fit."""
    drawn: list[Description] = []
    if facts.things:
        drawn += [random_description(rng, facts, False) for _ in range(_PLAIN)]
        drawn += [random_superlative(rng, facts) for _ in range(_MOST)]
        drawn += [random_description(rng, facts, True) for _ in range(_RELATED)]
    found = [(each, each.find(facts)) for each in drawn if each != Description()]
    # A relation to nothing certain teaches little.
    kept = [(each, labels) for each, labels in found if labels.sure or not labels.possible]
    absent = absent_descriptions(rng, facts, _ABSENT) + absent_anchors(rng, facts, _UNRELATED)
    kept += [(each, each.find(facts)) for each in absent]
    return [(each.text(rng), labels) for each, labels in kept]


def _fits(label: int, found: Found) -> float:
    """1, 0, or -1 where it is unclear; an object that is no true one may be a part of one."""
    if label in found.sure:
        return 1.0
    return -1.0 if label in found.possible or not label else 0.0


def score_network(network: AlignmentNetwork, samples: Any) -> WordsScores:
    """The scores of a network."""
    training = network.training
    scores = score_words(aligner_of(network), samples)
    network.train(training)
    return scores


def trainer() -> Trainer:
    """How the network is trained."""
    return Trainer(WordsTraining, partial(train_task, WordsTask))
