"""Executes one grasp: straight in, close, lift, shake.

The protocol is that of VGN (Breyer, Chung, Ott, Siegwart & Nieto 2020, "Volumetric Grasping
Network", and its public simulation): any touch before closing is a failure, plates close at 0.1
m/s, and what is lifted must stay between them. As in ACRONYM (Eppner, Mousavian & Fox 2021, "A
Large-Scale Grasp Dataset Based on Simulation"), the hand then shakes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cvdl.evaluation.physics.world import World

__all__ = ["APPROACH", "CAUSES", "HELD", "Outcome", "WorldGrasp", "execute"]

Array = NDArray[np.float64]

#: Outcomes of a grasp that holds, and of others.
HELD = "held"
CAUSES = ("approach", "nothing", "slipped", "other")
#: Length of the straight approach, meters, and of its steps that are tested for touches.
APPROACH, _APPROACH_STEP = 0.12, 0.002
#: Deeper overlap on the way is a touch, meters: pieces are not exact.
_TOUCH = 0.001
#: Time between commands and between tests, seconds.
_TICK = 0.01
#: Speed of each plate, m/s, and time to build up the force, seconds.
_CLOSING_SPEED, _PRESSING = 0.1, 0.1
#: Command of pressing plates, meters of opening: far enough to reach the force.
_PRESSED = -0.1
#: Height and speed of the lift: meters, m/s.
_LIFT, _LIFT_SPEED = 0.2, 0.25
#: Amplitude, meters, and frequency, Hz, of one swing along each axis: 0.7 g.
_SWING, _SWINGS = 0.02, 3.0
_UP = np.array([0.0, 0.0, 1.0])
#: Least opening with something between the plates, meters.
_EMPTY = 0.0005
#: What leaves the plates for so long is lost, seconds: contacts flicker.
_LOST = 0.05


@dataclass(frozen=True)
class WorldGrasp:
    """A grasp in the world frame.

    Attributes:
        position: (3,) middle between the tips of the plates, meters.
        rotation: (3, 3), columns x along the opening, y along the plates, z the approach.
        opening: between the plates before they close, meters.
    """

    position: Array
    rotation: Array
    opening: float

    @classmethod
    def seen(
        cls, camera_pose: Array, position: Array, rotation: Array, opening: float
    ) -> WorldGrasp:
        """Return a grasp in the frame of a camera with a pose (4, 4) in the world."""
        turn, shift = camera_pose[:3, :3], camera_pose[:3, 3]
        return cls(turn @ position + shift, turn @ rotation, opening)


@dataclass(frozen=True)
class Outcome:
    """How a grasp ended.

    Attributes:
        result: `HELD`, or one of `CAUSES`: the gripper touches something before closing; nothing
            was between the plates; the object got out of them; anything else, such as another
            object held, or one that does not come off its support.
        taken: labels of the objects between the plates in the end and off the support.
    """

    result: str
    taken: tuple[int, ...] = ()

    @property
    def held(self) -> bool:
        """Whether the object that was meant is held."""
        return self.result == HELD


def execute(world: World, grasp: WorldGrasp, target: int) -> Outcome:
    """Execute a grasp from the present state of a world, which stays as it is at the end.

    Args:
        world: at rest.
        grasp: what to do.
        target: label of the object to hold.
    """
    return _Trial(world, grasp, target).run()


class _Trial:
    def __init__(self, world: World, grasp: WorldGrasp, target: int) -> None:
        self._world, self._gripper = world, world.gripper
        self._grasp, self._target = grasp, target
        self._between: set[int] = set()
        self._was_between = False  # the target
        self._empty_for = 0.0

    def run(self) -> Outcome:
        if not self._approach():
            return Outcome("approach")
        if not self._close():
            return Outcome("slipped" if self._was_between else "nothing")
        if not (self._lift() and self._shake()):
            return Outcome("slipped" if self._was_between else "other")
        taken = tuple(each for each in sorted(self._between) if not self._world.rests(each))
        return Outcome(HELD if self._target in taken else "other", taken)

    def _approach(self) -> bool:
        """Move in; whether that touches nothing. Nothing else moves meanwhile."""
        grasp = self._grasp
        for back in np.arange(APPROACH, -_APPROACH_STEP / 2, -_APPROACH_STEP):
            position = grasp.position - back * grasp.rotation[:, 2]
            self._gripper.place(position, grasp.rotation, grasp.opening)
            self._world.find_contacts()
            if any(self._world.touched(_TOUCH)):
                return False
        return True

    def _close(self) -> bool:
        """Close until something is pressed; whether there is something."""
        opening, pressed = self._grasp.opening, 0.0
        for _ in range(math.ceil((opening / 2 / _CLOSING_SPEED + 2 * _PRESSING) / _TICK)):
            opening = max(opening - 2 * _CLOSING_SPEED * _TICK, _PRESSED)
            self._gripper.close_to(opening)
            self._tick()
            pressed = pressed + _TICK if self._between else 0.0
            if pressed > _PRESSING:
                return True
            if self._gripper.opening < _EMPTY:
                return False
        return bool(self._between)

    def _lift(self) -> bool:
        """Lift; whether something stays between the plates."""
        for height in np.arange(0, _LIFT, _LIFT_SPEED * _TICK):
            self._gripper.aim(self._grasp.position + height * _UP)
            self._tick()
            if self._empty_for > _LOST:
                return False
        return True

    def _shake(self) -> bool:
        """Swing along each axis; whether something stays between the plates."""
        top = self._grasp.position + _LIFT * _UP
        for axis in np.eye(3):
            for time in np.arange(0, 1 / _SWINGS, _TICK):
                swing = _SWING * np.sin(2 * np.pi * _SWINGS * time)
                self._gripper.aim(top + swing * axis)
                self._tick()
                if self._empty_for > _LOST:
                    return False
        return True

    def _tick(self) -> None:
        self._world.step(_TICK)
        left, right, _ = self._world.touched()
        self._between = (left & right) - {0}
        self._was_between |= self._target in self._between
        self._empty_for = 0.0 if self._between else self._empty_for + _TICK
