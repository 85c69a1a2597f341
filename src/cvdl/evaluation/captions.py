"""How well sentences are written: by their facts where these are known, and by others' sentences.

BLEU (Papineni et al. 2002), ROUGE-L (Lin 2004) and CIDEr (Vedantam et al. 2015) are computed by
pycocoevalcap, on words as `tokenize` splits them, without its tokenizer, which needs Java.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvdl.core.extras import require
from cvdl.core.tally import timed
from cvdl.evaluation.figures import as_json, mean_of_defined
from cvdl.language.captioner import Caption, Captioner
from cvdl.language.facts import Fact
from cvdl.language.reading import read_sentence
from cvdl.language.samples import WordsSample
from cvdl.language.vocabulary import tokenize

__all__ = ["CaptionScores", "score_captions", "text_scores"]

_ATTRIBUTES = ("kind", "color", "size", "material", "count")


@dataclass(frozen=True)
class CaptionScores:
    """Results on frames with sentences.

    Attributes:
        texts: the sentence about each frame.
        references: those of others.
        facts: (P,) kind of each fact that is stated: "kind", "color", "size", "material", "count",
            "relation", or "unclear" of a sentence that states none of the grammar.
        right: (P,) bool, whether it is true.
        whole: (P,) bool, whether it is in the sentence about a frame, not in that about an object.
        known: whether the facts are known, and the objects that words are about.
        latency_ms: of the sentence about a frame.
    """

    texts: tuple[str, ...]
    references: tuple[tuple[str, ...], ...]
    facts: NDArray[np.str_]
    right: NDArray[np.bool_]
    whole: NDArray[np.bool_]
    known: bool
    latency_ms: NDArray[np.float64]

    @classmethod
    def joined(cls, parts: Iterable[CaptionScores]) -> CaptionScores:
        """The results of several folds."""
        parts = list(parts)
        return cls(
            tuple(text for part in parts for text in part.texts),
            tuple(texts for part in parts for texts in part.references),
            np.concatenate([part.facts for part in parts]),
            np.concatenate([part.right for part in parts]),
            np.concatenate([part.whole for part in parts]),
            any(part.known for part in parts),
            np.concatenate([part.latency_ms for part in parts]),
        )

    def figures(self) -> dict[str, float]:
        """The single figures by name; undefined ones are NaN.

        ``bleu_1`` to ``bleu_4``, ``rouge_l`` and ``cider`` of the sentences about frames;
        ``cider_own``: that of the frames' own sentences, each against the others of its frame.
        Where facts are known: ``true`` (share of the stated facts that are), and by kind,
        ``true_kind``, ...; ``facts`` (number in a sentence); ``true_objects`` and ``facts_objects``
        (of sentences about objects); ``silent`` (share of the frames about which nothing is said).
        """
        found = text_scores(self.texts, self.references)
        found["cider_own"] = _own_cider(self.references)
        if not self.known:
            return found
        found["true"] = mean_of_defined(self.right[self.whole].astype(float))
        for name in (*_ATTRIBUTES, "relation"):
            some = self.whole & (self.facts == name)
            found[f"true_{name}"] = mean_of_defined(self.right[some].astype(float))
        objects = ~self.whole
        found["facts"] = float(self.whole.sum() / max(len(self.texts), 1))
        found["true_objects"] = mean_of_defined(self.right[objects].astype(float))
        found["silent"] = mean_of_defined(np.array([not text for text in self.texts], float))
        return found

    def report(self) -> dict[str, Any]:
        """All figures for JSON, with the sentences; undefined ones are None."""
        median = float(np.median(self.latency_ms)) if len(self.latency_ms) else float("nan")
        facts = {str(name): int((self.facts == name).sum()) for name in np.unique(self.facts)}
        return as_json(
            {
                "frames": len(self.texts),
                "sentences": list(self.texts),
                "stated": facts,
                **self.figures(),
                "latency_ms": median,
            }
        )


def score_captions(captioner: Captioner, samples: Iterable[WordsSample]) -> CaptionScores:
    """Write about each frame and each of its objects, and compare this with what is known."""
    require("evaluate", "scores of captions", "pycocoevalcap")
    texts, references, latency, known = [], [], [], False
    rows: list[tuple[str, bool, bool]] = []
    for sample in samples:
        spent: dict[str, float] = {}
        with timed(spent, "write"):
            regions = captioner.encode(sample.regions)
            caption = captioner.write(regions)[0]
        latency.append(spent["write"])
        texts.append(caption.text)
        references.append(sample.sentences)
        if not (sample.facts.things and captioner.attend):
            continue  # what words are about is not known
        known = True
        rows += [(name, right, True) for name, right in _checked(caption, sample)]
        for number in range(len(sample.truth)):
            about = captioner.write(regions, number)[0]
            rows += [(name, right, False) for name, right in _checked(about, sample)]
    flags = np.array([row[1:] for row in rows], bool).reshape(-1, 2)
    names = np.array([row[0] for row in rows], np.str_)
    return CaptionScores(
        tuple(texts), tuple(references), names, flags[:, 0], flags[:, 1], known, np.array(latency)
    )


def _checked(caption: Caption, sample: WordsSample) -> list[tuple[str, bool]]:
    """The kind of each fact that a sentence states, and whether it is true."""
    if not caption.text:
        return []
    statement = read_sentence(caption.words)
    if statement is None:
        return [("unclear", False)]
    # An object that is not found has the label 0, of which nothing is true.
    labels = [*sample.truth.tolist(), 0]
    mentioned = [labels[caption.about[start]] for start, _ in statement.mentions]
    stated = statement.facts_of(mentioned)
    return [(_kind_of(fact), sample.facts.holds(fact)) for fact in stated]


def _kind_of(fact: Fact) -> str:
    return fact.name if fact.name in _ATTRIBUTES else "relation"


def text_scores(texts: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, float]:
    """BLEU 1 to 4, ROUGE-L and CIDEr of sentences, each against several of others."""
    from pycocoevalcap.bleu.bleu import Bleu
    from pycocoevalcap.cider.cider import Cider
    from pycocoevalcap.rouge.rouge import Rouge

    names = [f"bleu_{count}" for count in range(1, 5)]
    if not texts:
        return {name: float("nan") for name in (*names, "rouge_l", "cider")}
    theirs = {number: [_words(text) for text in each] for number, each in enumerate(references)}
    ours = {number: [_words(text)] for number, text in enumerate(texts)}
    bleu, _ = Bleu(4).compute_score(theirs, ours, verbose=0)
    found = {name: float(value) for name, value in zip(names, bleu, strict=True)}
    found["rouge_l"] = float(Rouge().compute_score(theirs, ours)[0])
    found["cider"] = float(Cider().compute_score(theirs, ours)[0])
    return found


def _own_cider(references: Sequence[Sequence[str]]) -> float:
    """CIDEr of each sentence of a frame against the others of that frame, the mean."""
    from pycocoevalcap.cider.cider import Cider

    count = min((len(each) for each in references), default=0)
    scores = []
    for left in range(count if count > 1 else 0):
        ours = {number: [_words(each[left])] for number, each in enumerate(references)}
        theirs = {
            number: [_words(text) for place, text in enumerate(each) if place != left]
            for number, each in enumerate(references)
        }
        scores.append(Cider().compute_score(theirs, ours)[0])
    return float(np.mean(scores)) if scores else float("nan")


def _words(text: str) -> str:
    return " ".join(tokenize(text))
