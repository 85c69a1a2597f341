"""Pictures of grasps that failed: in the camera's image, and when they fail, from the side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cvdl.core.camera import Camera
from cvdl.core.scene import Grasp, Scene
from cvdl.evaluation.physics.world import World
from cvdl.simulation.draft import Draft
from cvdl.simulation.generate import SimulatedScene
from cvdl.simulation.mesh import box
from cvdl.simulation.room import Surface
from cvdl.simulation.textures import Material
from cvdl.simulation.view import looking
from cvdl.viz.pictures import contact_sheet, overlay

__all__ = ["Picture", "failure_picture", "failure_sheet"]

Array = NDArray[np.float64]
Picture = NDArray[np.uint8]

#: The picture from the side: its camera, its distance, meters, and its height over the level.
_SIDE = Camera(240, 240, 320.0, 320.0, 119.5, 119.5)
_AWAY, _ELEVATION = 0.4, np.radians(15)
#: Colors of palm and plates.
_PALM, _PLATE = (90, 90, 95), (235, 200, 40)
_CELL = 360  # pixels wide


def failure_picture(draft: Draft, world: World, shot: SimulatedScene, grasp: Grasp) -> Picture:
    """Draw the grasp in the color image, beside the present state of the world from the side.

    Args:
        draft: the scene.
        world: in the state of the failure.
        shot: the picture that the grasp is from.
        grasp: in the camera's frame.
    """
    return np.concatenate([_from_camera(shot, grasp), _from_the_side(draft, world, shot, grasp)], 1)


def failure_sheet(pictures: Sequence[Picture], captions: Sequence[str]) -> Picture:
    """Arrange pictures of failures."""
    return contact_sheet(pictures, captions, 4, _CELL)


def _from_camera(shot: SimulatedScene, grasp: Grasp) -> Picture:
    frame = shot.frame
    nothing = np.zeros(frame.depth.shape, np.uint16)
    drawn = overlay(frame, Scene(nothing, None, grasps=(grasp,)))
    # A square as wide as 25 cm at the grasp, inside of the image, resized by repetition of pixels.
    camera = frame.camera
    side = int(np.clip(0.25 * camera.fx / grasp.position[2], 24, min(camera.width, camera.height)))
    corner = np.round(grasp.center - side / 2).astype(int)
    x, y = corner.clip(0, [camera.width - side, camera.height - side])
    index = np.arange(_SIDE.width) * side // _SIDE.width
    return drawn[y : y + side, x : x + side][index[:, None], index]


def _from_the_side(draft: Draft, world: World, shot: SimulatedScene, grasp: Grasp) -> Picture:
    """A view along the plates, which shows what is between them."""
    turn, at = shot.camera_pose[:3, :3], shot.camera_pose[:3, 3]
    target = world.gripper.position
    along = turn @ grasp.rotation[:, 1]
    if along @ (at - target) < 0:
        along = -along
    azimuth = float(np.arctan2(along[1], along[0]))
    level = np.cos(_ELEVATION) * np.array([np.cos(azimuth), np.sin(azimuth)])
    eye = target + _AWAY * np.append(level, np.sin(_ELEVATION))
    side = replace(draft, camera=_SIDE, pose=looking(eye, target, azimuth, 0.0))
    return side.render(world.poses().items(), np.random.default_rng(0), _gripper(world)).color


def _gripper(world: World) -> list[Surface]:
    surfaces = []
    for number, (position, rotation, half) in enumerate(world.gripper.boxes()):
        pose = np.eye(4)
        pose[:3, :3], pose[:3, 3] = rotation, position
        mesh = box(*(2 * half)).shifted(z=-half[2]).moved(pose)
        color = _PLATE if number else _PALM
        look = Material(np.full((2, 2, 3), color, np.uint8))
        surfaces.append(Surface(mesh, (look,)))
    return surfaces
