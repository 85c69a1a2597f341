"""A scene that is drawn and not yet pictured: its things can still be moved or taken away."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import deepcopy
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cvdl.core.camera import Camera
from cvdl.core.scene import FIRST_OBJECT_LABEL
from cvdl.simulation.mesh import Mesh
from cvdl.simulation.placement import Table
from cvdl.simulation.render import Rendering, Stage
from cvdl.simulation.room import Surface
from cvdl.simulation.shading import Lights
from cvdl.simulation.shapes import Thing

__all__ = ["Draft", "Measured", "Sense"]

Array = NDArray[np.float64]
Rng = np.random.Generator
#: Color (H, W, 3) uint8 RGB, and depth (H, W) float32, meters, NaN where there is no reading.
Measured = tuple[NDArray[np.uint8], NDArray[np.float32]]
Sense = Callable[[Rendering, Rng], Measured]


@dataclass(frozen=True)
class Draft:
    """What a scene is made of, in the world frame: meters, z up, z = 0 the surface with the things.

    Attributes:
        things: each with its pose (4, 4) to the world, in order of labels.
        table: the surface that carries the things.
        front, back: what is rendered before and after the things.
        camera: its intrinsics.
        pose: of the camera, (4, 4) from the optical frame to the world.
        lights: of the scene.
        sensor: name of the depth camera's model.
        sense: what the camera measures of a rendering.
        obstacles: what else than the table and the things a gripper can meet.
        least_visible: pixels; a thing with fewer is not in the truth.
        rng: its state before a picture; each picture starts with a copy.
    """

    things: list[tuple[Thing, Array]]
    table: Table
    front: list[Surface]
    back: list[Surface]
    camera: Camera
    pose: Array
    lights: Lights
    sensor: str
    sense: Sense
    obstacles: tuple[Mesh, ...]
    least_visible: int
    rng: Rng

    def seen_from(self, angle: float) -> Draft:
        """The same scene, seen by a camera that was moved around it.

        Args:
            angle: about the vertical axis through the middle of the surface, radians.
        """
        cos, sin = np.cos(angle), np.sin(angle)
        turn = np.eye(4)
        turn[:2, :2] = [[cos, -sin], [sin, cos]]
        return replace(self, pose=turn @ self.pose)

    def render(
        self, poses: Iterable[tuple[int, Array]], rng: Rng, also: Iterable[Surface] = ()
    ) -> Rendering:
        """Render the scene with things at other poses.

        Args:
            poses: label and pose (4, 4) of each thing that is there.
            rng: source of the noise.
            also: more surfaces.
        """
        surfaces = list(self.front)
        for label, pose in poses:
            thing = self.things[label - FIRST_OBJECT_LABEL][0]
            surfaces.append(Surface(thing.mesh.moved(pose), thing.materials, label))
        stage = Stage([*surfaces, *self.back, *also])
        return stage.render(self.camera, self.pose, self.lights, rng)

    def measure(self, poses: Iterable[tuple[int, Array]]) -> tuple[Rendering, Measured]:
        """Render, and measure color and depth; equal poses give equal pictures."""
        rng = deepcopy(self.rng)
        rendering = self.render(poses, rng)
        return rendering, self.sense(rendering, rng)
