"""Describes frames and their objects in sentences. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from textwrap import wrap
from typing import Any

from cvdl.core.frame import RgbdFrame
from cvdl.core.scene import Scene, SceneObject
from cvdl.language.captioner import Captioner
from cvdl.language.config import WordsConfig

__all__ = ["Describer", "FrameDescription", "lines_of"]

_WIDTH = 60  # letters of a line on pictures


@dataclass(frozen=True)
class FrameDescription:
    """A frame in sentences.

    Attributes:
        stamp_ns: of the frame, nanoseconds.
        text: about the whole frame; empty if nothing about it is sure.
        objects: each object, and the sentence about it, likewise.
    """

    stamp_ns: int
    text: str
    objects: tuple[tuple[SceneObject, str], ...]

    def shown(self, scene: Scene) -> Scene:
        """Return the scene of the frame with the sentence in the corner of its overlay."""
        return replace(scene, notices=(*scene.notices, *lines_of(self.text)))

    def report(self) -> dict[str, Any]:
        """All of it for JSON: meters, in the camera's optical frame."""
        return {
            "stamp_ns": self.stamp_ns,
            "caption": self.text,
            "objects": [
                {
                    "label": item.label,
                    "class_name": item.class_name,
                    "caption": text,
                    "center": item.box3d.center.tolist(),
                    "size": item.box3d.size.tolist(),
                }
                for item, text in self.objects
            ],
        }


class Describer:
    """Describes frames.

    Args:
        captioner: writes sentences.
        config: what they may say.
    """

    def __init__(self, captioner: Captioner, config: WordsConfig | None = None) -> None:
        self._captioner, self._config = captioner, config or WordsConfig()

    def caption(self, frame: RgbdFrame, scene: Scene) -> str:
        """Return a sentence about a frame; empty if nothing about it is sure.

        Args:
            frame: with its colors.
            scene: what the perception has found in it.
        """
        return self(frame, scene, objects=False).text

    def __call__(self, frame: RgbdFrame, scene: Scene, objects: bool = True) -> FrameDescription:
        """Describe a frame and, if asked for, each of its objects; see `caption`."""
        captioner, config = self._captioner, self._config
        regions = captioner.encode(captioner.see(frame, scene))
        text = captioner.write(regions, None, config.beam, config.sure)[0].text
        items = scene.objects if objects else ()
        texts = [""] * len(items)
        if captioner.attend:  # others write about whole frames only
            texts = [
                captioner.write(regions, number, config.beam, config.sure)[0].text
                for number in range(len(items))
            ]
        return FrameDescription(frame.stamp_ns, text, tuple(zip(items, texts, strict=True)))


def lines_of(text: str) -> tuple[str, ...]:
    """A sentence in lines that fit on pictures."""
    return tuple(wrap(text, _WIDTH))
