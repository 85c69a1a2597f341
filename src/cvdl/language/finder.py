"""Finds the objects of frames that a phrase is about, with their grasps. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cvdl.core.frame import RgbdFrame
from cvdl.core.scene import PLANE_LABEL, Grasp, Scene, SceneObject
from cvdl.language.aligner import FITS, Aligner

__all__ = ["Finder", "FoundObject", "FrameFindings"]


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

    Args:
        aligner: compares words with regions.
        phrase: such as "the red mug".
        least: chance from which an object is found.

    Attributes:
        phrase: the phrase.

    Raises:
        InputError: if the phrase has no words.
    """

    def __init__(self, aligner: Aligner, phrase: str, least: float = FITS) -> None:
        self.phrase = phrase
        self._aligner, self._words, self._least = aligner, aligner.read(phrase), least

    def __call__(self, frame: RgbdFrame, scene: Scene) -> FrameFindings:
        """Look at a frame and the scene that the perception has found in it."""
        items = {item.label: item for item in scene.objects}
        regions = self._aligner.place(self._aligner.see(frame, scene))
        ranking = tuple(
            FoundObject(
                items[label], score, tuple(each for each in scene.grasps if each.label == label)
            )
            for label, score in self._aligner.find(self._words, regions, list(items))
        )
        found = tuple(each for each in ranking if each.score >= self._least)
        return FrameFindings(self.phrase, frame.stamp_ns, ranking, found)
