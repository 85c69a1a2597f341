"""Candidates for grasps in a frame: poses in which the gripper fits around part of an object."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from cvdl.core.frame import RgbdFrame
from cvdl.core.scene import Scene, SceneObject
from cvdl.grasping.completion import complete_scene
from cvdl.grasping.config import GraspConfig
from cvdl.grasping.hands import Hands, SceneCloud
from cvdl.grasping.poses import nearest_labels, rectangle_hands
from cvdl.grasping.rectangles import GraspRectangles
from cvdl.grasping.search import search_hands

__all__ = ["Candidates", "find_candidates", "rim_pixels"]

#: Largest distance of a rectangle's center from its object, share of the image's width.
_RIM = 8 / 640


@dataclass(frozen=True)
class Candidates:
    """Candidates for grasps, and what they are judged by.

    Attributes:
        cloud: surfaces of the scene.
        hands: N poses, all without collisions as far as is known.
        refused: number of the objects without a pose, by reason.
    """

    cloud: SceneCloud
    hands: Hands
    refused: Counter[str]


def rim_pixels(frame: RgbdFrame) -> int:
    """Largest distance of a rectangle's center from its object, pixels."""
    return max(1, round(_RIM * frame.camera.width))


def find_candidates(
    frame: RgbdFrame,
    scene: Scene,
    objects: Sequence[SceneObject],
    rectangles: GraspRectangles,
    config: GraspConfig,
) -> Candidates:
    """Return candidates for objects of a scene.

    Args:
        frame: color and depth.
        scene: with labels and a plane.
        objects: to grasp; the others are only obstacles.
        rectangles: where to look besides the usual orientations.
        config: the gripper and the approach.
    """
    assert scene.plane is not None
    cloud = complete_scene(frame, scene)
    label = nearest_labels(rectangles.center, scene.labels, rim_pixels(frame))
    seeds = rectangle_hands(rectangles, label, frame, scene.labels, scene.plane, config)
    hands, reasons = search_hands(cloud, objects, seeds, config)
    return Candidates(cloud, hands, Counter(reasons))
