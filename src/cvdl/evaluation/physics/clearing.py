"""Clears a support, one grasp after the other, as in VGN's experiment (Breyer et al. 2020).

Until nothing is left, no grasp is found, or two grasps in a row fail, the best grasp of a new
picture is executed, what is held is taken away, and what falls off the support is lost. The
success rate is held / tries; cleared is taken away / objects at first. Stricter than VGN's public
simulation, any touch on the way is a failure (VGN's gripper goes on), and the hand shakes. A grasp
that failed is not tried again where nothing has moved.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from cvdl.core.scene import Grasp, Scene
from cvdl.evaluation.physics.trial import Outcome
from cvdl.evaluation.physics.world import World
from cvdl.grasping.failed import FailedGrasps
from cvdl.simulation.generate import SimulatedScene

__all__ = ["clear"]

#: Failures in a row that end the clearing of a table.
_GIVE_UP = 2


class _Tried(Protocol):
    @property
    def outcome(self) -> Outcome: ...


_Trial = TypeVar("_Trial", bound=_Tried)


def clear(
    world: World,
    look: Callable[[], tuple[SimulatedScene, Scene]],
    attempt: Callable[[SimulatedScene, Scene, Grasp], _Trial],
) -> tuple[_Trial, ...]:
    """Clear the support; a try succeeds if it takes anything off.

    Args:
        world: at rest; what is taken or falls off is removed from it.
        look: takes a picture of the world, and perceives it.
        attempt: executes a grasp of what was perceived.

    Returns:
        The tries, in order. Each object is in ``taken`` of one try at most.
    """
    failed = FailedGrasps()
    trials: list[_Trial] = []
    failures = 0
    while world.labels and failures < _GIVE_UP:
        shot, seen = look()
        scene = failed.without(seen, shot.camera_pose)
        if not scene.grasps:
            break
        trials.append(attempt(shot, scene, scene.grasps[0]))
        taken = trials[-1].outcome.taken
        if taken:
            failures = 0
        else:
            failures += 1
            failed.add(scene, scene.grasps[0], shot.camera_pose)
        for label in taken:
            world.remove(label)
        world.park()
        world.settle()
    return tuple(trials)
