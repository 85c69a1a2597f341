"""Finds the objects of frames that a phrase is about, with their grasps. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable
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
        stamp_ns: of the frame, nanoseconds.
        ranking: all objects, likeliest first.
        found: those that are likely enough.
    """

    stamp_ns: int
    ranking: tuple[FoundObject, ...]
    found: tuple[FoundObject, ...]

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
    """Runs the perception on frames, and finds what a phrase is about.

    Args:
        perceive: the stages: a function from a frame to a scene.
        aligner: compares words with regions.
        phrase: such as "the red mug".
        least: chance from which an object is found.

    Attributes:
        findings: of each frame so far.

    Raises:
        InputError: if the phrase has no words.
    """

    def __init__(
        self,
        perceive: Callable[..., Scene],
        aligner: Aligner,
        phrase: str,
        least: float = FITS,
    ) -> None:
        self._perceive, self._aligner = perceive, aligner
        self._phrase, self._words, self._least = phrase, aligner.read(phrase), least
        self.findings: list[FrameFindings] = []

    def __call__(self, frame: RgbdFrame) -> Scene:
        """Look at the next frame; return its scene with only what is found, named by the phrase."""
        scene = self._perceive(frame)
        items = {item.label: item for item in scene.objects}
        regions = self._aligner.place(self._aligner.see(frame, scene))
        ranking = tuple(
            FoundObject(
                items[label], score, tuple(each for each in scene.grasps if each.label == label)
            )
            for label, score in self._aligner.find(self._words, regions, list(items))
        )
        found = tuple(each for each in ranking if each.score >= self._least)
        self.findings.append(FrameFindings(frame.stamp_ns, ranking, found))
        kept = [each.item.label for each in found]
        return replace(
            scene,
            labels=np.where(np.isin(scene.labels, [PLANE_LABEL, *kept]), scene.labels, 0),
            objects=tuple(
                replace(each.item, class_name=self._phrase, score=each.score)
                for each in sorted(found, key=lambda each: each.item.label)
            ),
            grasps=tuple(grasp for grasp in scene.grasps if grasp.label in kept),
            detections=(),
        )
