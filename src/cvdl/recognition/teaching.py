"""Collects views of an object to teach, which is followed through frames or photographed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cvdl.core.frame import RgbdFrame
from cvdl.core.scene import Scene, SceneObject
from cvdl.networks.boxes import box_iou
from cvdl.recognition.embedding import Embedder, Embeddings
from cvdl.recognition.gallery import Taught
from cvdl.recognition.naming import Limits, Namer
from cvdl.recognition.views import View, differing, flaw, view_of, whole_picture

__all__ = ["Choose", "Collector", "Follower", "lookalike", "seen", "unlike"]

#: Chooses an object of a scene, or none.
Choose = Callable[[RgbdFrame, Scene], SceneObject | None]

_ALIKE = 0.97  # similarity: such a view adds nothing
_MOST = 12  # views of one teaching: naming compares with each of them
_UNLIKE = 0.35  # similarity: a view with less to all others may be of another thing
_OVERLAP = 0.3  # of the boxes in two frames in a row
_JUMP = 1.5  # ratio of areas in two frames in a row: it was segmented in another way


def seen(embedder: Embedder, frame: RgbdFrame, scene: Scene, item: SceneObject) -> Embeddings:
    """Return the embedding of one object, one row."""
    return embedder(frame, replace(scene, objects=(item,)))


def lookalike(views: Sequence[View], known: Mapping[str, Taught], name: str) -> str:
    """Return another name of the gallery that would be given to a view; empty if none would.

    Args:
        views: at least one view of a thing.
        known: the gallery, by name.
        name: of the thing.
    """
    others = {other: taught.embeddings for other, taught in known.items() if other != name}
    found = Namer(others)(Embeddings.joined([view.embedding for view in views]))
    return next((each.name.class_name for each in found if each.name), "")


def unlike(views: Sequence[View]) -> int:
    """Return how many of some views of a thing look unlike all others."""
    joined = Embeddings.joined([view.embedding for view in views])
    similarity = joined.similarity(joined)
    np.fill_diagonal(similarity, 0.0)
    return int((similarity.max(axis=1) < _UNLIKE).sum()) if len(views) > 1 else 0


class Collector:
    """Collects the views of one thing that are good, and differ.

    Args:
        embedder: computes embeddings.
        known: what the gallery knows of the thing; views like these are not kept.

    Attributes:
        left_out: number of views that are not kept, by reason.
    """

    def __init__(self, embedder: Embedder, known: Taught | None = None) -> None:
        self.embedder = embedder
        self._known = [] if known is None else [known.embeddings]
        self.left_out: Counter[str] = Counter()
        self._views: list[View] = []

    def views(self) -> list[View]:
        """The views to keep."""
        chosen = differing(self._views, _ALIKE, _MOST)
        return [self._views[index] for index in chosen]

    def embeddings(self) -> Embeddings | None:
        """Embeddings of the known views and of those to keep; None without any."""
        parts = [*self._known, *(each.embedding for each in self._views)]
        return Embeddings.joined(parts) if parts else None

    def add(self, frame: RgbdFrame, scene: Scene, item: SceneObject, source: str) -> None:
        """Add the view of an object of a frame, if it is good, and differs from those before."""
        problem = flaw(frame, scene, item)
        if problem:
            self.left_out[problem] += 1
            return
        self.add_view(view_of(frame, item, seen(self.embedder, frame, scene, item), source))

    def add_photograph(self, picture: NDArray[np.uint8], source: str) -> None:
        """Add a photograph (H, W, 3) of the thing alone."""
        frame, scene = whole_picture(picture)
        (item,) = scene.objects
        problem = flaw(frame, scene, item, is_whole=True)
        if problem:
            self.left_out[problem] += 1
            return
        self.add_view(view_of(frame, item, self.embedder(frame, scene), source))

    def add_view(self, view: View) -> None:
        """Add a view if it differs from those before."""
        known = self.embeddings()
        if known is not None and view.embedding.similarity(known).max() >= _ALIKE:
            self.left_out["like a known view"] += 1
            return
        self._views.append(view)


class Follower:
    """Follows an object through frames, and collects its views.

    In the next frame it is the object that overlaps with it in the image and is near in space,
    unless this looks unlike all views so far. If there is none, it is the one that looks like it
    and like no other object there.

    Args:
        perceive: segments a frame.
        choose: chooses the object in the first frame in which it can.
        collector: gets the views.
        source: where the frames come from, for people.
        limits: how much an object must look like it to be found again.

    Attributes:
        frames: number of frames since it was first seen.
        lost: number of these in which it was not found.
    """

    def __init__(
        self,
        perceive: Callable[[RgbdFrame], Scene],
        choose: Choose,
        collector: Collector,
        source: str,
        limits: Limits | None = None,
    ) -> None:
        self._perceive, self._choose = perceive, choose
        self._collector, self._source = collector, source
        self._limits = limits or Limits()
        self.frames = self.lost = 0
        self._last: SceneObject | None = None
        self._start_ns: int | None = None

    def __call__(self, frame: RgbdFrame) -> Scene:
        """Segment the next frame, and return its scene."""
        scene = self._perceive(frame)
        if self._start_ns is None:
            self._start_ns = frame.stamp_ns
        item = self._choose(frame, scene) if self._last is None else self._again(frame, scene)
        if item is None:
            self.frames += self._last is not None
            self.lost += self._last is not None
            return scene
        self.frames += 1
        is_steady = self._last is None or 1 / _JUMP < item.area / self._last.area < _JUMP
        self._last = item
        if is_steady:
            seconds = (frame.stamp_ns - self._start_ns) * 1e-9
            self._collector.add(frame, scene, item, f"{self._source}, {seconds:.1f} s")
        else:
            self._collector.left_out["segmented in another way"] += 1
        return scene

    def _again(self, frame: RgbdFrame, scene: Scene) -> SceneObject | None:
        """The object in the next frame."""
        assert self._last is not None
        if not scene.objects:
            return None
        boxes = np.array([item.box2d for item in scene.objects])
        overlap = box_iou(self._last.box2d[None], boxes)[0]
        centers = np.array([item.box3d.center for item in scene.objects])
        away = np.linalg.norm(centers - self._last.box3d.center, axis=1)
        overlap[away > self._last.box3d.size.max() / 2] = 0
        embed, views = self._collector.embedder, self._collector.embeddings()
        if overlap.max() >= _OVERLAP:
            near = scene.objects[int(overlap.argmax())]
            # The collector asks for the same view: it is not embedded again.
            if views is None or (
                seen(embed, frame, scene, near).similarity(views).max() >= _UNLIKE
            ):
                return near
        if views is None:
            return None
        scores = embed(frame, scene).similarity(views).max(axis=1)
        first, *others = np.argsort(-scores)
        second = float(scores[others[0]]) if others else 0.0
        is_it = scores[first] >= self._limits.score
        is_it &= scores[first] - second >= self._limits.lead
        return scene.objects[int(first)] if is_it else None
