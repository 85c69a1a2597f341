"""Teaches and forgets while frames come: what a node does for its user."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from time import monotonic

import numpy as np
from numpy.typing import NDArray

from cvdl.core.errors import InputError
from cvdl.core.frame import RgbdFrame
from cvdl.core.scene import Scene, SceneObject
from cvdl.core.tally import counted
from cvdl.recognition.choosing import in_the_middle, nearest_to_point
from cvdl.recognition.gallery import Gallery, GalleryError, checked_name
from cvdl.recognition.stage import RecognitionStage
from cvdl.recognition.teaching import Collector, lookalike

__all__ = ["Teacher"]

_CLICK_S = 30.0  # as long a clicked point counts: time to type a name
_NEAR = 0.05  # meters from the clicked point
_FRAME_S = 5.0  # as long a request waits for a frame
_SHOWN_S = 5.0  # as long its outcome stands on the overlay
_DISABLED = "the gallery is disabled (gallery.enable)"


class Teacher:
    """Answers requests to teach and to forget.

    A thing to teach is the object nearest to the point clicked last, if that was a short time ago,
    else the one nearest to the middle of the picture, in the next frame that is looked at. All
    methods may be called from any thread.

    Args:
        stage: returns the stage that names objects.
        lookup: returns the (4, 4) transform to a frame from another, both by name, or None.
        say: is told the outcome of each request, and whether it failed.
        source: where the frames come from, for people.
    """

    def __init__(
        self,
        stage: Callable[[], RecognitionStage | None],
        lookup: Callable[[str, str], NDArray[np.float64] | None],
        say: Callable[[str, bool], None],
        source: str,
    ) -> None:
        self._stage, self._lookup, self._tell, self._source = stage, lookup, say, source
        self._waiting: deque[tuple[str, float]] = deque()
        self._click: tuple[NDArray[np.float64], str, float] | None = None
        self._click_of = ""  # the name that has been taught by it
        self._last: tuple[str, float] = ("", -np.inf)

    @property
    def is_waiting(self) -> bool:
        """Whether something is to be taught in the next frame."""
        return bool(self._waiting)

    def notices(self) -> tuple[str, ...]:
        """What to write on the overlay now: what is to be taught, or how it ended."""
        waiting = tuple(f"teaching {name} ..." for name, _ in tuple(self._waiting))
        sentence, when = self._last
        return waiting or ((sentence,) if monotonic() - when < _SHOWN_S else ())

    def status(self) -> dict[str, str]:
        """Values for diagnostics."""
        stage = self._stage()
        values = {"gallery": ", ".join(stage.classes()) or "empty"} if stage else {}
        if self._last[0]:
            values["last taught or forgotten"] = self._last[0]
        return values

    def click(self, point: NDArray[np.float64], frame_id: str) -> None:
        """Remember a point (3,), meters, in a coordinate frame."""
        self._click, self._click_of = (point, frame_id, monotonic()), ""

    def teach(self, name: str) -> None:
        """Teach the name of an object in the next frame."""
        try:
            self._waiting.append((checked_name(name), monotonic()))
        except GalleryError as error:
            self._say(str(error), True)

    def forget(self, name: str) -> None:
        """Forget a name."""
        stage = self._stage()
        try:
            if stage is None:
                raise InputError(_DISABLED)
            Gallery(stage.folder).forget(name)
        except (InputError, OSError) as error:
            self._say(f"forgetting {name}: {error}", True)
        else:
            self._say(f"forgotten: {name.strip()}", False)

    def expire(self) -> None:
        """Give up what has waited too long for a frame."""
        while self._waiting and monotonic() - self._waiting[0][1] > _FRAME_S:
            name, _ = self._waiting.popleft()
            self._say(f"{name} is not taught: no frame came for {_FRAME_S:g} s", True)

    def look(self, frame: RgbdFrame, scene: Scene) -> None:
        """Teach what is waiting, with a frame and its scene."""
        while self._waiting:
            name, _ = self._waiting.popleft()
            try:
                self._say(self._taught(name, frame, scene), False)
            except (InputError, OSError) as error:  # OSError: a full disk
                self._say(f"{name} is not taught: {error}", True)

    def _taught(self, name: str, frame: RgbdFrame, scene: Scene) -> str:
        """Teach a name, and return what was done."""
        stage = self._stage()
        if stage is None:
            raise InputError(_DISABLED)
        gallery = Gallery(stage.folder, stage.embedder.name)
        name = gallery.checked(name)
        item, where = self._chosen(name, frame, scene)
        known = gallery.read(report=lambda name, error: None)  # the stage has said it
        collector = Collector(stage.embedder, known.get(name))
        collector.add(frame, scene, item, self._source)
        views = collector.views()
        if not views:
            (why,) = collector.left_out
            raise InputError(f"the view of the object {where} is {why}")
        total = gallery.add(name, views)
        other = lookalike(views, known, name)
        doubt = f"; it looks like {other}: what looks like both gets neither name" if other else ""
        return f"{name} is taught: the object {where}; {counted(total, 'view')}{doubt}"

    def _chosen(self, name: str, frame: RgbdFrame, scene: Scene) -> tuple[SceneObject, str]:
        """The object that is meant, and which one it is in words.

        A clicked point is of one thing, so it does not count for a second name.
        """
        if not scene.objects:
            raise InputError("there is no object in view")
        click = self._click
        is_of_another = self._click_of not in ("", name)
        if click is None or monotonic() - click[2] > _CLICK_S or is_of_another:
            item, where = in_the_middle(scene), "in the middle of the picture"
        else:
            point, frame_id, _ = click
            to_camera = np.eye(4)
            if frame_id not in ("", frame.frame_id):
                found = self._lookup(frame.frame_id, frame_id)
                if found is None:
                    raise InputError(
                        f"tf does not connect the frame of the clicked point, {frame_id!r}, with "
                        f"the camera's, {frame.frame_id!r}"
                    )
                to_camera = found
            at = to_camera[:3, :3] @ point + to_camera[:3, 3]
            item = nearest_to_point(frame, scene, at, _NEAR)
            where = "at the clicked point"
            self._click_of = name if item else ""
        if item is None:
            raise InputError(f"there is no object within {100 * _NEAR:g} cm of the clicked point")
        return item, where

    def _say(self, sentence: str, has_failed: bool) -> None:
        self._last = (sentence, monotonic())
        self._tell(sentence, has_failed)
