"""Settings of the physics."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["PARTS", "TIMESTEP", "PhysicsSettings"]

TIMESTEP = 0.002  #: Of the simulation, seconds.
#: Parts of the protocol: see ``cvdl.evaluation.physics.protocol``.
PARTS = ("control", "published", "baseline", "clearing")


@dataclass(frozen=True)
class PhysicsSettings:
    """What is not known of real objects and grippers.

    Attributes:
        friction: coefficient between pads and objects; between other things it is 0.6.
        density: of the objects, kg/m³; groceries and tools have 100 to 1000 with their air.
        force: of each finger, N; hands for research close with 20 to 140.
        tries: grasps of an object that are tried until one holds.
    """

    friction: float = 1.0
    density: float = 300.0
    force: float = 20.0
    tries: int = 5
