"""How well words are understood: phrases, and sentences and frames by each other."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvdl.core.tally import timed
from cvdl.evaluation.figures import as_json, mean_of_defined
from cvdl.language.aligner import FITS, Aligner
from cvdl.language.samples import WordsSample

__all__ = ["WordsScores", "score_words"]

_RECALLS = (1, 5, 10)
#: Names of the phrases that fit nothing.
_ABSENT = ("absent", "absent anchor")


@dataclass(frozen=True)
class WordsScores:
    """Results on frames, their phrases and their sentences.

    Attributes:
        names: (P,) of the phrases, see ``Phrase``.
        right: (P,) bool, whether the likeliest object is the one meant; of absent ones, whether no
            object is found.
        there: (P,) bool, whether the segmentation has found the object; True for absent ones.
        found: (P,) bool, whether the likeliest object is likely enough to be found.
        scores: (F, S) of frames and all their sentences.
        frame: (S,) int64, index of the frame that each sentence is about.
        latency_ms: of a frame: its regions, and a phrase.
    """

    names: NDArray[np.str_]
    right: NDArray[np.bool_]
    there: NDArray[np.bool_]
    found: NDArray[np.bool_]
    scores: NDArray[np.float64]
    frame: NDArray[np.int64]
    latency_ms: NDArray[np.float64]

    @classmethod
    def joined(cls, parts: Iterable[WordsScores]) -> WordsScores:
        """The results of several folds; sentences are compared with the frames of their fold."""
        parts = list(parts)
        values = {
            each.name: np.concatenate([getattr(part, each.name) for part in parts])
            for each in fields(cls)
            if each.name not in ("scores", "frame")
        }
        frames = [len(part.scores) for part in parts]
        starts = np.cumsum([0, *frames])
        scores = np.full((sum(frames), sum(len(part.frame) for part in parts)), -np.inf)
        column = 0
        for part, start in zip(parts, starts, strict=False):
            rows = slice(start, start + len(part.scores))
            scores[rows, column : column + len(part.frame)] = part.scores
            column += len(part.frame)
        frame = np.concatenate(
            [part.frame + start for part, start in zip(parts, starts, strict=False)]
        )
        return cls(**values, scores=scores, frame=frame)

    def phrases(self, name: str, there: bool = False) -> float:
        """The share of the phrases of a name that are right; NaN if there is none.

        Args:
            name: of the phrases.
            there: only those whose object the segmentation has found.
        """
        some = self.names == name
        if there:
            some = some & self.there
        return mean_of_defined(self.right[some].astype(float))

    def figures(self) -> dict[str, float]:
        """The single figures by name; undefined ones are NaN.

        Of phrases ``kind``, ``attribute``, ``relation``, ``absent`` and ``absent_anchor`` (shares
        that are right), the first three also with ``_segmented`` (of those whose object is
        segmented),
        ``segmented`` (share whose object the segmentation has found), ``shown`` (share of the
        right ones that are likely enough to be shown); ``frame_rN`` (share of the sentences whose
        frame is among the N best), ``frame_rank`` (median rank), and the same of the best sentence
        of a frame, ``sentence_rN`` and ``sentence_rank``.
        """
        named = ~np.isin(self.names, _ABSENT)
        names = ("kind", "attribute", "relation", *_ABSENT)
        found = {
            **{name.replace(" ", "_"): self.phrases(name) for name in names},
            **{
                f"{name}_segmented": self.phrases(name, there=True)
                for name in ("kind", "attribute", "relation")
            },
            "segmented": mean_of_defined(self.there[named].astype(float)),
            "shown": mean_of_defined(self.found[named & self.right].astype(float)),
        }
        own = self.scores[self.frame, np.arange(len(self.frame))]
        by_sentence = (self.scores > own).sum(axis=0) + 1
        best = np.full(len(self.scores), -np.inf)
        np.maximum.at(best, self.frame, own)
        others = np.arange(len(self.scores))[:, None] != self.frame
        by_frame = ((self.scores > best[:, None]) & others).sum(axis=1) + 1
        for name, ranks in (("frame", by_sentence), ("sentence", by_frame)):
            for most in _RECALLS:
                found[f"{name}_r{most}"] = mean_of_defined((ranks <= most).astype(float))
            found[f"{name}_rank"] = float(np.median(ranks)) if len(ranks) else float("nan")
        return found

    def report(self) -> dict[str, Any]:
        """All figures for JSON; undefined ones are None."""
        median = float(np.median(self.latency_ms)) if len(self.latency_ms) else float("nan")
        return as_json(
            {
                "frames": len(self.scores),
                "sentences": len(self.frame),
                "phrases": len(self.names),
                **self.figures(),
                "latency_ms": median,
            }
        )


def score_words(aligner: Aligner, samples: Iterable[WordsSample]) -> WordsScores:
    """Find the objects of the phrases of each frame, and compare all frames and sentences."""
    rows: list[tuple[str, bool, bool, bool]] = []
    frames, sentences, frame, latency = [], [], [], []
    for number, sample in enumerate(samples):
        spent: dict[str, float] = {}
        with timed(spent, "place"):
            placed = aligner.place(sample.regions)
        latency.append(spent["place"])
        frames.append(placed)
        for phrase in sample.phrases:
            findings = aligner.find(aligner.read(phrase.text), placed, sample.truth.tolist())
            best = findings[0] if findings else None
            is_found = best is not None and best.score >= FITS
            if phrase.name in _ABSENT:
                rows.append((phrase.name, not is_found, True, is_found))
            else:
                right = best is not None and best.label == phrase.label
                rows.append((phrase.name, right, phrase.label in sample.truth, is_found))
        sentences += [aligner.read(text) for text in sample.sentences]
        frame += [number] * len(sample.sentences)
    names = np.array([row[0] for row in rows], np.str_)
    flags = np.array([row[1:] for row in rows], bool).reshape(-1, 3)
    scores = [[aligner.score(sentence, placed) for sentence in sentences] for placed in frames]
    return WordsScores(
        names=names,
        right=flags[:, 0],
        there=flags[:, 1],
        found=flags[:, 2],
        scores=np.array(scores, np.float64).reshape(len(frames), len(sentences)),
        frame=np.array(frame, np.int64),
        latency_ms=np.array(latency),
    )
