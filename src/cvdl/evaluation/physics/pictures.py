"""Pictures of grasps that failed: in the camera's image, and when they fail, from the side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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

__all__ = ["Boxes", "Picture", "failure_picture", "failure_sheet", "from_the_side"]

Array = NDArray[np.float64]
Picture = NDArray[np.uint8]
#: Position (3,), rotation (3, 3) and half sizes (3,) of palm and plates.
Boxes = list[tuple[Array, Array, Array]]

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
    along = shot.camera_pose[:3, :3] @ grasp.rotation[:, 1]
    side = from_the_side(
        draft, world.poses(), world.gripper.boxes(), world.gripper.position, along, _SIDE, _AWAY
    )
    return np.concatenate([_from_camera(shot, grasp), side], 1)


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


def from_the_side(
    draft: Draft,
    poses: Mapping[int, Array],
    gripper: Boxes,
    target: Array,
    along: Array,
    camera: Camera,
    away: float,
) -> Picture:
    """A view along the plates, which shows what is between them.

    Args:
        draft: the scene.
        poses: (4, 4) of the things that are there, by label.
        gripper: its boxes.
        target: (3,) what is in the middle of the picture.
        along: (3,) direction of the plates' width.
        camera: its intrinsics.
        away: its distance from the target, meters.
    """
    if along @ (draft.pose[:3, 3] - target) < 0:
        along = -along
    azimuth = float(np.arctan2(along[1], along[0]))
    level = np.cos(_ELEVATION) * np.array([np.cos(azimuth), np.sin(azimuth)])
    eye = target + away * np.append(level, np.sin(_ELEVATION))
    side = replace(draft, camera=camera, pose=looking(eye, target, azimuth, 0.0))
    return side.render(poses.items(), np.random.default_rng(0), _surfaces(gripper)).color


def _surfaces(gripper: Boxes) -> list[Surface]:
    surfaces = []
    for number, (position, rotation, half) in enumerate(gripper):
        pose = np.eye(4)
        pose[:3, :3], pose[:3, 3] = rotation, position
        mesh = box(*(2 * half)).shifted(z=-half[2]).moved(pose)
        color = _PLATE if number else _PALM
        look = Material(np.full((2, 2, 3), color, np.uint8))
        surfaces.append(Surface(mesh, (look,)))
    return surfaces
