"""Films of grasps: approach, closing and lift, seen from the side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.core.camera import Camera
from cvdl.evaluation.physics.pictures import Boxes, Picture, from_the_side
from cvdl.evaluation.physics.trial import APPROACH, WorldGrasp
from cvdl.evaluation.physics.world import World
from cvdl.simulation.draft import Draft
from cvdl.viz.pictures import contact_sheet

__all__ = ["RATE", "Film", "FilmedWorld", "Moment", "film_sheets", "grasp_film"]

Array = NDArray[np.float64]
#: Pictures of a film, compressed.
Film = tuple[bytes, ...]

#: Pictures per second of simulated time.
RATE = 10
#: The approach is not simulated in time: this far between two pictures, meters.
_STRIDE = 0.012
#: The camera, its distance, and how far above the grasp it looks: the lift stays in the picture.
_CAMERA = Camera(320, 320, 427.0, 427.0, 159.5, 159.5)
_AWAY, _ABOVE = 0.6, 0.07
_QUALITY = 90  # of JPEG
#: So many films play side by side, in rows of so many, and their last pictures stay for so long.
_TOGETHER, _COLUMNS, _PAUSE = 8, 4, 1.0


@dataclass(frozen=True)
class Moment:
    """Where everything is: poses (4, 4) by label, and the boxes of palm and plates."""

    poses: dict[int, Array]
    gripper: Boxes


class FilmedWorld(World):
    """A world that remembers where everything was, ten times per simulated second."""

    _moments: list[Moment]
    _since: float | None = None

    def watch(self) -> None:
        """Start to remember, from nothing."""
        self._moments, self._since = [], 0.0

    def cut(self) -> list[Moment]:
        """What was remembered, with the present as its end; and stop to remember."""
        self._since = None
        self.find_contacts()  # the boxes of a gripper that was placed only now
        return [*self._moments, self._now()]

    def step(self, seconds: float) -> None:
        """Simulate for some time."""
        super().step(seconds)
        if self._since is None:
            return
        self._since += seconds
        if not self._moments or self._since > 1 / RATE - seconds / 2:
            self._moments.append(self._now())
            self._since = 0.0

    def _now(self) -> Moment:
        return Moment(self.poses(), self.gripper.boxes())


def grasp_film(draft: Draft, moments: Sequence[Moment], grasp: WorldGrasp, end: Array) -> Film:
    """Draw the execution of a grasp, from its start 12 cm back.

    Args:
        draft: the scene.
        moments: of the execution; only the end, if that was on the approach.
        grasp: what was executed.
        end: (3,) where the middle between the tips was in the end.
    """
    left = 0.0
    if len(moments) == 1:
        left = float((grasp.position - end) @ grasp.rotation[:, 2])
    moments = [*_approach(moments[0], grasp, APPROACH - left), *moments]
    target = grasp.position + np.array([0, 0, _ABOVE])
    film = []
    for each in moments:
        drawn = from_the_side(
            draft, each.poses, each.gripper, target, grasp.rotation[:, 1], _CAMERA, _AWAY
        )
        _, data = cv2.imencode(
            ".jpg", cv2.cvtColor(drawn, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY]
        )
        film.append(data.tobytes())
    return tuple(film)


def _approach(end: Moment, grasp: WorldGrasp, length: float) -> list[Moment]:
    """The way to where the approach ends; nothing but the gripper moves meanwhile."""
    return [
        replace(
            end,
            gripper=[
                (position - back * grasp.rotation[:, 2], rotation, half)
                for position, rotation, half in end.gripper
            ],
        )
        for back in np.arange(length, _STRIDE / 2, -_STRIDE)
    ]


def film_sheets(films: Sequence[Film], captions: Sequence[str]) -> Iterator[Picture]:
    """The pictures of a video: some films side by side, then the next ones.

    Args:
        films: at least one.
        captions: one line each.
    """
    for first in range(0, len(films), _TOGETHER):
        some, words = films[first : first + _TOGETHER], list(captions[first : first + _TOGETHER])
        missing = min(len(films), _TOGETHER) - len(some)  # of the last: all pictures are of a size
        words += [""] * missing
        for number in range(max(map(len, some)) + round(_PAUSE * RATE)):
            shown = [_decoded(film[min(number, len(film) - 1)]) for film in some]
            shown += [np.zeros_like(shown[0])] * missing
            yield contact_sheet(shown, words, _COLUMNS, _CAMERA.width)


def _decoded(data: bytes) -> Picture:
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)
