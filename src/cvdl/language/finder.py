"""Finds the objects of frames that a phrase is about, with their grasps. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cvdl.core.frame import RgbdFrame
from cvdl.core.scene import PLANE_LABEL, Grasp, Scene, SceneObject
from cvdl.language.aligner import FITS, Aligner, Finding
from cvdl.language.vocabulary import tokenize

__all__ = ["Finder", "FoundObject", "FrameFindings"]

_ARTICLES = {"a", "an", "the"}


@dataclass(frozen=True)
class FoundObject:
    """An object and how likely the phrase is about it.

    Attributes:
        item: the object.
        score: chance, 0 to 1.
        grasps: of the object, best first.
    """

    item: SceneObject
    score: float
    grasps: tuple[Grasp, ...]


@dataclass(frozen=True)
class FrameFindings:
    """What a phrase is about in a frame.

    Attributes:
        phrase: the phrase.
        stamp_ns: of the frame, nanoseconds.
        ranking: all objects, likeliest first.
        found: those that are likely enough.
    """

    phrase: str
    stamp_ns: int
    ranking: tuple[FoundObject, ...]
    found: tuple[FoundObject, ...]

    def shown(self, scene: Scene) -> Scene:
        """Return the scene of the frame with only what is found, likeliest first.

        The class of an object is the phrase, its score the chance; its grasps are left.
        """
        kept = [each.item.label for each in self.found]
        return replace(
            scene,
            labels=np.where(np.isin(scene.labels, [PLANE_LABEL, *kept]), scene.labels, 0),
            objects=tuple(
                replace(each.item, class_name=self.phrase, score=each.score, detected=None)
                for each in self.found
            ),
            grasps=tuple(grasp for each in self.found for grasp in each.grasps),
            detections=(),
        )

    def sentence(self) -> str:
        """What is found, in words; if nothing is, which object is the likeliest."""
        if self.found:
            each = ", ".join(f"object {one.item.label} ({one.score:.2f})" for one in self.found)
            return f"{self.phrase!r}: {each}"
        if not self.ranking:
            return f"nothing fits {self.phrase!r}: no object is in view"
        best = self.ranking[0]
        name = f" ({best.item.class_name})" if best.item.class_name else ""
        return (
            f"nothing fits {self.phrase!r}: the likeliest is object {best.item.label}{name}, with "
            f"a chance of {best.score:.2f}"
        )

    def report(self) -> dict[str, Any]:
        """All of it for JSON: meters, in the camera's optical frame."""
        return {
            "stamp_ns": self.stamp_ns,
            "found": [each.item.label for each in self.found],
            "objects": [
                {
                    "label": each.item.label,
                    "class_name": each.item.class_name,
                    "score": each.score,
                    "center": each.item.box3d.center.tolist(),
                    "size": each.item.box3d.size.tolist(),
                    "grasps": [
                        {
                            "position": grasp.position.tolist(),
                            "rotation": grasp.rotation.tolist(),
                            "opening_m": grasp.opening_m,
                            "score": grasp.score,
                        }
                        for grasp in each.grasps
                    ],
                }
                for each in self.ranking
            ],
        }


class Finder:
    """Finds what a phrase is about.

    A phrase may name what users have taught. If it begins with such a name, it is about the objects
    so named; elsewhere, the name stands for the other object of a relation.

    Args:
        aligner: compares words with regions.
        phrase: such as "the red mug".
        least: chance from which an object is found.
        names: the taught names.

    Attributes:
        phrase: the phrase.
        unknown: its words that are in no name and not in the vocabulary.

    Raises:
        InputError: if the phrase has no words.
    """

    def __init__(
        self, aligner: Aligner, phrase: str, least: float = FITS, names: Sequence[str] = ()
    ) -> None:
        self.phrase = phrase
        self._aligner, self._words, self._least = aligner, aligner.read(phrase), least
        self._name, before, after = _named(phrase, names)
        self._is_subject = not set(before) - _ARTICLES
        said = phrase
        if self._name:
            said = " ".join([*before, *after])
            if not self._is_subject:
                self._words = aligner.read(" ".join([*before, "the", "object", *after]))
        self.unknown = aligner.vocabulary.unknown(said)

    def __call__(self, frame: RgbdFrame, scene: Scene) -> FrameFindings:
        """Look at a frame and the scene that the perception has found in it."""
        items = {item.label: item for item in scene.objects}
        named = [item.is_taught and item.class_name == self._name for item in scene.objects]
        regions = self._aligner.place(self._aligner.see(frame, scene))
        if self._name and not self._is_subject:
            findings = self._aligner.find(
                self._words, regions, list(items), np.flatnonzero(named).tolist()
            )
        else:
            findings = self._aligner.find(self._words, regions, list(items))
        if self._name and self._is_subject:
            findings = self._by_name(findings, items, dict(zip(items, named, strict=True)))
        ranking = tuple(
            FoundObject(
                items[label], score, tuple(each for each in scene.grasps if each.label == label)
            )
            for label, score in findings
        )
        found = tuple(each for each in ranking if each.score >= self._least)
        return FrameFindings(self.phrase, frame.stamp_ns, ranking, found)

    def _by_name(
        self, findings: list[Finding], items: dict[int, SceneObject], named: dict[int, bool]
    ) -> list[Finding]:
        """Objects with the name by how surely it is theirs; others fit if the name is a word."""
        is_word = not self._aligner.vocabulary.unknown(self._name)
        scored = [
            Finding(label, max(items[label].score if named[label] else 0.0, score * is_word))
            for label, score in findings
        ]
        return sorted(scored, key=lambda each: -each.score)


def _named(phrase: str, names: Sequence[str]) -> tuple[str, list[str], list[str]]:
    """The longest name that a phrase has, and the words before and after it; or no name."""
    words = tokenize(phrase)
    for name in sorted(names, key=lambda each: -len(tokenize(each))):
        own = tokenize(name)
        for start in range(len(words) - len(own) + 1) if own else ():
            if words[start : start + len(own)] == own:
                return name, words[:start], words[start + len(own) :]
    return "", words, []
