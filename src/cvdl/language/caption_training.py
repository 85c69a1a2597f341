"""Training of the network that writes sentences.

In simulated scenes the truth writes the sentences, and says which object each word is about.
Photographs have their own sentences, about the whole frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from torch import Tensor, nn

from cvdl.core.errors import InputError
from cvdl.core.settings import Settings, setting
from cvdl.datasets.captions import read_captions
from cvdl.datasets.dataset import tracked
from cvdl.language.attention import FLAGS, Attention
from cvdl.language.beliefs import ATTRIBUTES, RELATIONS, true_attributes, true_relations
from cvdl.language.caption_network import CaptionNetwork, Cell, Encoded
from cvdl.language.disturbing import disturbed, mirrored_facts, with_unknown
from cvdl.language.facts import SceneFacts
from cvdl.language.reading import read_sentence
from cvdl.language.regions import PAIR_VALUES, Regions, mirrored
from cvdl.language.samples import WordsSample
from cvdl.language.sentences import Style, write_about, write_sentences
from cvdl.language.vocabulary import Vocabulary, punctuated
from cvdl.recognition.embedder import load_embedder
from cvdl.training.loop import TrainingSettings, loop_settings
from cvdl.training.task import Task, padded
from cvdl.training.trainer import Trainer, train_task

__all__ = ["CaptionTask", "CaptionTraining", "trainer"]

Rng = np.random.Generator
Floats = NDArray[np.float32]

#: Sentences of each scene from which the vocabulary is collected, and that validation counts.
_COLLECTED, _VALIDATED = 10, 3
#: Sentences about a frame in a batch, and half as many about its objects.
_SENTENCES = 2
#: Other sentences in a batch for each photograph.
_OTHERS = 4
#: Share of the objects that are called things, so that this is there to say when in doubt.
_VAGUE = 0.1
_FACTS = 8.0  # weight of the losses of facts, which are means over many of each object or pair
_NOWHERE = -1e4  # the logit of a region that is not there


class CaptionTraining(Settings):
    """Settings of the training of captions."""

    cell: Cell = setting("gru", "Recurrent network: rnn is that of the paper.")
    attend: bool = setting(
        True, "Whether each word is about a region; if not, sentences are about whole frames only."
    )
    least: int = setting(3, "Words that occur less often are unknown.", ge=1)
    sentences: str = setting(
        "", "File with more sentences, of any or no images, to learn the language from."
    )
    training: TrainingSettings = loop_settings(
        epochs=60, batch_size=32, learning_rate=3e-3, weight_decay=0.01, warmup=1,
        mixed_precision=False,
    )  # fmt: skip


class _Batch(NamedTuple):
    features: Tensor  # (B, R, D); objects first, then the frame, then nothing
    values: Tensor  # (B, R, V)
    pairs: Tensor  # (B, R, R, P)
    counts: Tensor  # (B,) objects
    attributes: Tensor  # (B, R, A) true ones, of objects; negative elsewhere
    relations: Tensor  # (B, R, R, 8) the same of pairs
    scene: Tensor  # (Q,) index of the frame of each sentence in the batch
    words: Tensor  # (Q, T), the mark of the end behind
    lengths: Tensor  # (Q,) with that mark
    focus: Tensor  # (Q,) regions
    about: Tensor  # (Q, T) regions
    partners: Tensor  # (Q, T, R), see ``Attention``
    flags: Tensor  # (Q, T, R, FLAGS)


@dataclass(frozen=True)
class _View:
    """A frame to learn from."""

    regions: Regions
    truth: NDArray[np.int64]
    facts: SceneFacts
    sentences: tuple[str, ...]
    attributes: Floats
    relations: Floats

    @classmethod
    def of(cls, sample: WordsSample, regions: Regions, facts: SceneFacts) -> _View:
        # What a gripper can hold is not seen.
        facts, labels = replace(facts, graspable=frozenset()), sample.truth.tolist()
        known, count = bool(facts.things), len(labels)
        attributes = np.full((count, len(ATTRIBUTES)), -1, np.float32)
        relations = np.full((count, count, len(RELATIONS)), -1, np.float32)
        for row, label in enumerate(labels if known else ()):
            attributes[row] = true_attributes(facts, label)
            for column, other in enumerate(labels):
                if label and other and row != column:
                    relations[row, column] = true_relations(facts, label, other)
        return cls(regions, sample.truth, facts, sample.sentences, attributes, relations)


class _Told(NamedTuple):
    """A sentence: its words, and the region that it and each word is about."""

    words: NDArray[np.int64]
    focus: int
    about: NDArray[np.int64]


class CaptionTask(Task):
    """Trains the network; sentences about simulated scenes are written anew for every batch."""

    model: CaptionNetwork
    settings: CaptionTraining

    def build(self, train: Any, console: Console | None) -> CaptionNetwork:
        """A new network, with the vocabulary of what is trained on."""
        samples: list[WordsSample] = list(tracked(train, "looking", console))
        if not samples:
            raise InputError("nothing to train on: no frame has sentences")
        self.samples = [_views(sample) for sample in samples]
        rng = np.random.default_rng([self.settings.training.seed, 5])
        file = self.settings.sentences
        self._others = [each.text for each in read_captions(Path(file))] if file else []
        texts = [*self._others]
        for plain, _ in self.samples:
            texts += [text for text, *_ in _texts(rng, plain, _COLLECTED)]
        regions = samples[0].regions
        network = CaptionNetwork(
            Vocabulary.of(texts, self.settings.least, punctuated),
            regions.features.shape[1],
            regions.values.shape[1],
            PAIR_VALUES,
            load_embedder().name,
            self.settings.cell,
            self.settings.attend,
        )
        features, values, pairs = (np.zeros((1, size), np.float32) for size in network.sizes)
        self._nothing = Regions(np.zeros(0, np.int64), features, values, pairs[None])
        views = [_views(each)[0] for each in tracked(self.validation, "looking", console)]
        self.model, fixed = network, np.random.default_rng([self.settings.training.seed, 6])
        size = self.settings.training.batch_size
        self._checked = [
            self._batch([(view, view.regions) for view in views[start : start + size]],
                        fixed, _VALIDATED)
            for start in range(0, len(views), size)
        ]  # fmt: skip
        return network

    def batch(self, samples: Sequence[tuple[_View, _View]], rng: Rng) -> _Batch:
        """Regions, mirrored at random and disturbed, with sentences about each."""
        views = [views[int(rng.integers(len(views)))] for views in samples]
        return self._batch(
            [(view, disturbed(view.regions, rng)) for view in views], rng, _SENTENCES, True
        )

    def _batch(
        self, views: Sequence[tuple[_View, Regions]], rng: Rng, count: int, learning: bool = False
    ) -> _Batch:
        told: list[tuple[int, _Told]] = []
        for number, (view, _) in enumerate(views):
            for text, focus, labels in _texts(rng, view, count):
                told.append((number, self._told(text, focus, labels, view)))
        all_regions = [regions for _, regions in views]
        if learning and self._others:  # about a frame without anything
            nothing = replace(views[0][0], regions=self._nothing, truth=self._nothing.labels)
            picked = rng.integers(len(self._others), size=_OTHERS * len(views))
            texts = (self._others[int(index)] for index in picked)
            told += [(len(views), self._told(text, 0, (), nothing)) for text in texts]
            all_regions.append(self._nothing)
        most = max(len(each.labels) for each in all_regions) + 1
        attended = [_attended(each, len(all_regions[number].labels), most) for number, each in told]
        words = [each.words for _, each in told]
        if learning:
            words = [np.append(with_unknown(each[:-1], rng), each[-1]) for each in words]
        missing = [np.full((0, 0), -1, np.float32)] * (len(all_regions) - len(views))
        return _Batch(
            padded([each.features for each in all_regions]),
            padded([each.values for each in all_regions]),
            padded([each.pairs for each in all_regions]),
            torch.tensor([len(each.labels) for each in all_regions]),
            _filled([view.attributes for view, _ in views], len(missing), most, 1),
            _filled([view.relations for view, _ in views], len(missing), most, 2),
            torch.tensor([number for number, _ in told]),
            padded(words),
            torch.tensor([len(each) for each in words]),
            torch.tensor([each.focus for _, each in told]),
            padded([each.about for _, each in told]),
            padded([partners for partners, _ in attended]),
            padded([flags for _, flags in attended]),
        )

    def _told(self, text: str, focus: int, labels: tuple[int, ...], view: _View) -> _Told:
        """A sentence as numbers; a negative focus is the frame."""
        words, frame = punctuated(text), len(view.regions.labels)
        statement = read_sentence(words) if self.settings.attend and labels else None
        rows = {int(label): row for row, label in enumerate(view.truth) if label}
        about = [frame] * (len(words) + 1)
        if statement is not None:
            mentioned = [frame, *(rows[label] for label in labels)]
            about[:-1] = [mentioned[number] for number in statement.about]
        numbers = np.append(self.model.vocabulary.indices(words), len(self.model.vocabulary))
        return _Told(numbers, focus if focus >= 0 else frame, np.array(about, np.int64))

    def loss(self, batch: _Batch) -> dict[str, Tensor]:
        """The log losses of words, of the regions that they are about, and of facts."""
        network = self.model
        numbers = torch.arange(batch.features.shape[1], device=batch.features.device)
        objects = (numbers < batch.counts[:, None]).float()
        frame = (numbers == batch.counts[:, None]).float()
        encoded = network.encode(batch.features, batch.values, batch.pairs, objects, frame)
        points, said, about, words = self._logits(batch, encoded)
        losses = {
            "words": nn.functional.cross_entropy(said, words),
            "regions": said.new_zeros(()),
            "attributes": _FACTS * _log_loss(encoded.attributes, batch.attributes),
            "relations": _FACTS * _log_loss(encoded.related, batch.relations),
        }
        if network.attend:
            losses["regions"] = nn.functional.cross_entropy(points, about)
        return {"loss": sum(losses.values(), said.new_zeros(())), **losses}

    def _logits(self, batch: _Batch, encoded: Encoded) -> tuple[Tensor, ...]:
        """Of all M words: logits of regions (M, R) and words (M, V), and the true ones (M,)."""
        network, scene = self.model, batch.scene
        rows = torch.arange(len(scene), device=scene.device)[:, None]
        begin = torch.full_like(batch.words[:, :1], len(network.vocabulary))
        first = encoded.first[scene, batch.focus][:, None]
        contexts = encoded.vectors[scene[:, None], batch.about]
        if not network.attend:
            contexts = torch.zeros_like(contexts)
        outputs, _ = network.run(
            torch.cat([begin, batch.words[:, :-1]], dim=1),
            torch.cat([first, contexts[:, :-1]], dim=1),
        )
        steps = torch.arange(batch.words.shape[1], device=scene.device)
        within = steps < batch.lengths[:, None]  # the rest would be most of the work
        outputs, about, flags = outputs[within], batch.about[within], batch.flags[within]
        scene = scene[rows.expand_as(within)[within]]
        regions = torch.arange(encoded.vectors.shape[1], device=scene.device)
        related = encoded.relations[scene[:, None], batch.partners[within], regions]
        points = network.point(outputs, encoded.vectors[scene], related, flags)
        points = points.masked_fill(regions > batch.counts[scene, None], _NOWHERE)
        each = torch.arange(len(about), device=scene.device)
        said = network.speak(
            outputs, encoded.vectors[scene, about], related[each, about], flags[each, about]
        )
        return points, said, about, batch.words[within]

    def score(self) -> dict[str, float]:
        """The negative losses on fixed sentences, by name; the score is their sum."""
        each = [self.loss(batch) for batch in self._checked]
        means = {name: -float(np.mean([float(one[name]) for one in each])) for name in each[0]}
        return {"score": means.pop("loss"), **means}

    def trained(self) -> CaptionNetwork:
        """The network for use."""
        return self.model.cpu().eval()


def _views(sample: WordsSample) -> tuple[_View, ...]:
    """A frame as it is, and mirrored if its sentences can be written anew."""
    plain = _View.of(sample, sample.regions, sample.facts)
    if not sample.facts.things:
        return (plain, plain)
    return plain, _View.of(sample, mirrored(sample.regions), mirrored_facts(sample.facts))


def _texts(rng: Rng, view: _View, count: int) -> list[tuple[str, int, tuple[int, ...]]]:
    """Sentences, each with its region (negative: the frame) and the labels that it names."""
    if not view.facts.things:
        picked = rng.permutation(len(view.sentences))[:count]
        return [(view.sentences[int(index)], -1, ()) for index in picked]
    seen = np.flatnonzero(view.truth)
    style = Style(frozenset(view.truth[seen].tolist()), _VAGUE, by_kind=False)
    found = [
        (each.text, -1, each.labels) for each in write_sentences(rng, view.facts, count, style)
    ]
    for row in rng.permutation(seen)[: (count + 1) // 2]:
        each = write_about(rng, view.facts, int(view.truth[row]), style)
        found.append((each.text, int(row), each.labels))
    return found


def _attended(told: _Told, frame: int, most: int) -> tuple[NDArray[np.int64], Floats]:
    """The partners (T, R) and flags (T, R, ``FLAGS``) before each word."""
    attention = Attention.on(told.focus, frame)
    partners = np.zeros((len(told.about), most), np.int64)
    flags = np.zeros((len(told.about), most, FLAGS), np.float32)
    for step, region in enumerate(told.about.tolist()):
        partners[step, : frame + 1] = attention.partners()
        flags[step, : frame + 1] = attention.flags()
        attention = attention.moved(region)
    return partners, flags


def _filled(truths: Sequence[Floats], more: int, most: int, axes: int) -> Tensor:
    """Truths of objects or pairs as one tensor; negative where there are none."""
    found = np.full((len(truths) + more, *[most] * axes, truths[0].shape[-1]), -1, np.float32)
    for row, truth in zip(found, truths, strict=False):
        row[tuple(slice(length) for length in truth.shape[:axes])] = truth
    return torch.from_numpy(found)


def _log_loss(logits: Tensor, truth: Tensor) -> Tensor:
    """The mean log loss where the truth is known."""
    known = truth >= 0
    each = nn.functional.binary_cross_entropy_with_logits(
        logits, truth.clamp(min=0), reduction="none"
    )
    return (each * known).sum() / known.sum().clamp(min=1)


def trainer() -> Trainer:
    """How the network is trained."""
    return Trainer(CaptionTraining, partial(train_task, CaptionTask))
