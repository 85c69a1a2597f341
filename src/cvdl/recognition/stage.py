"""The recognition stage: gives the objects of a scene the names that users have taught."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from cvdl.core.frame import RgbdFrame
from cvdl.core.scene import Detection, Hypothesis, Scene, SceneObject
from cvdl.core.tally import counted
from cvdl.recognition.config import RecognitionConfig
from cvdl.recognition.embedder import load_embedder
from cvdl.recognition.embedding import Embedder
from cvdl.recognition.gallery import Gallery, GalleryError, Taught, default_folder
from cvdl.recognition.naming import Limits, Namer

__all__ = ["RecognitionStage"]

_log = logging.getLogger(__name__)


class RecognitionStage:
    """Names objects by the gallery, which is read again whenever it has changed.

    The embedder is loaded when the gallery has something in it.

    Args:
        config: settings.
        embedder: computes embeddings; by default that of the package.

    Attributes:
        folder: the gallery's folder.
        loaded: the embedder; None before its first use.

    Raises:
        GalleryError: if the folder is no gallery.
    """

    def __init__(
        self, config: RecognitionConfig | None = None, embedder: Embedder | None = None
    ) -> None:
        self.config = config = config or RecognitionConfig()
        self.folder = Path(config.path) if config.path else default_folder()
        self.loaded = embedder
        self._lock = threading.Lock()  # a node asks for the names while another thread uses them
        self._gallery = Gallery(self.folder)
        self._state: tuple[tuple[Any, ...], ...] = ()
        self._known: dict[str, Taught] = {}
        self._rows: frozenset[tuple[Any, ...]] = frozenset()  # of the state, that are in it
        self._namer = Namer({}, self._limits)
        self._read(self._gallery.state())

    @property
    def embedder(self) -> Embedder:
        """Computes embeddings; loaded at the first use."""
        if self.loaded is None:
            self.loaded = load_embedder()
        return self.loaded

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the gallery when it was last looked at."""
        return self._namer.names

    def classes(self) -> tuple[str, ...]:
        """The names of the gallery as it is now.

        A name that cannot be read is reported once, and what was read before it stays; so is a
        folder that has become something else.
        """
        with self._lock:
            state = self._gallery.state()
            if state != self._state:
                try:
                    self._read(state)
                except (GalleryError, OSError) as error:
                    self._state = state
                    _log.warning("the gallery has changed, and cannot be read: %s", error)
        return self.names

    def __call__(self, frame: RgbdFrame, scene: Scene) -> Scene:
        """Name the objects of one frame.

        Args:
            frame: color and depth.
            scene: with the results of the segmentation, and of the detection if there is one.

        Returns:
            The scene with the names of the gallery where it knows an object; what the detector
            says about these is kept in ``detected``. Their detections are named likewise, and an
            object without one gets one. ``unnamed`` counts the others.
        """
        if not self.classes() or not scene.objects:
            return scene
        decided = self._namer(self.embedder(frame, scene), self.config.unique)
        unnamed = Counter(each.reason for each in decided if each.name is None)
        scene = replace(scene, unnamed=dict(unnamed))
        if len(scene.objects) == unnamed.total():
            return scene
        objects = tuple(
            _renamed(item, each.name) if each.name else item
            for item, each in zip(scene.objects, decided, strict=True)
        )
        return replace(scene, objects=objects, detections=_detections(scene, objects))

    @property
    def _limits(self) -> Limits:
        return Limits(self.config.min_score, self.config.min_lead)

    def _read(self, state: tuple[tuple[Any, ...], ...]) -> None:
        """Read what has changed since the last time."""
        if state:
            self._gallery = Gallery(self.folder, self.embedder.name)
        changed = [row[0] for row in state if row not in self._rows]
        same = {row[0] for row in state}.difference(changed)

        def keep(name: str, error: GalleryError) -> None:
            _log.warning("the views of %s cannot be used: %s", name, error)
            same.add(name)

        read = self._gallery.read(changed, keep)
        found = {name: each for name, each in self._known.items() if name in same}
        found = dict(sorted((found | read).items()))
        self._known, self._rows = found, frozenset(state)
        self._namer = Namer({name: each.embeddings for name, each in found.items()}, self._limits)
        self._state = state
        if found:
            views = counted(sum(map(len, found.values())), "view")
            _log.info("gallery %s: %s, %s", self.folder, counted(len(found), "name"), views)


def _renamed(item: SceneObject, name: Hypothesis) -> SceneObject:
    detected = Hypothesis(item.class_name, item.score) if item.class_name else None
    return replace(item, **_fields(name, detected))


def _fields(name: Hypothesis, detected: Hypothesis | None) -> dict[str, Any]:
    return {
        "class_name": name.class_name,
        "score": name.score,
        "is_taught": True,
        "detected": detected,
    }


def _detections(scene: Scene, objects: Sequence[SceneObject]) -> tuple[Detection, ...]:
    """The detections with the names of their objects, and those of the taught objects without."""
    taught = {item.label: item for item in objects if item.is_taught}
    detections = []
    for detection in scene.detections:
        item = taught.pop(detection.label, None)
        if item is not None:
            name = Hypothesis(item.class_name, item.score)
            said = Hypothesis(detection.class_name, detection.score)
            detection = replace(detection, **_fields(name, said))
        detections.append(detection)
    detections += [
        Detection(item.box2d, item.class_name, item.score, item.label, is_taught=True)
        for item in taught.values()
    ]
    return tuple(sorted(detections, key=lambda each: -each.score))
