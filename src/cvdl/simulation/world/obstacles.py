"""What is not a thing though it is in view: robot arms, hands, screens, cables, lamps, fixtures."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cvdl.simulation.mesh import Mesh, box, merge
from cvdl.simulation.room import Surface
from cvdl.simulation.world.looks import any_color, matt, metal
from cvdl.simulation.world.solids import tube

__all__ = ["robot_arm"]

Array = NDArray[np.float64]
Rng = np.random.Generator


def _frame(z: Array, rng: Rng) -> Array:
    """A pose (4, 4) at the origin whose z axis has a direction; turned about it at random."""
    z = z / np.linalg.norm(z)
    x = np.cross(z, np.eye(3)[np.abs(z).argmin()])
    x /= np.linalg.norm(x)
    angle = rng.uniform(0, 2 * np.pi)
    x = np.cos(angle) * x + np.sin(angle) * np.cross(z, x)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([x, np.cross(z, x), z], axis=1)
    return pose


def robot_arm(rng: Rng, tip: Array, base: Array) -> list[Surface]:
    """Make an arm from ``base`` (3,) that reaches to ``tip`` (3,), with a gripper or a cup."""
    down = np.array([rng.normal(0, 0.25), rng.normal(0, 0.25), -1.0])
    down /= np.linalg.norm(down)
    hand = rng.uniform(0.06, 0.14)
    wrist = tip - down * (hand + rng.uniform(0.06, 0.16))
    elbow = (wrist + base) / 2 + np.array([0, 0, rng.uniform(0.1, 0.4)])
    thick = rng.uniform(0.03, 0.065)
    link = []
    for a, b, r in ((wrist, elbow, thick), (elbow, base, 1.2 * thick)):
        link.append(tube(np.linspace(a, b, 4), r, sides=16, power=float(rng.choice([2, 4]))))
    side = _frame(wrist - elbow, rng)[:3, 0]
    for joint, r in ((wrist, 1.1), (elbow, 1.35)):
        ends = np.linspace(joint - side * 1.2 * thick, joint + side * 1.2 * thick, 3)
        link.append(tube(ends, r * thick, 1, sides=16))
    link.append(tube(np.linspace(wrist, tip - down * hand, 3), 0.8 * thick, 1, sides=16))
    shell = matt(any_color(rng) if rng.uniform() < 0.5 else np.full(3, 225.0), 0.4)
    joints = matt(any_color(rng), 0.3) if rng.uniform() < 0.6 else metal(rng)
    pose = _frame(down, rng)
    pose[:3, 3] = tip - down * hand
    tool = gripper(rng, hand).moved(pose)
    dark = matt(np.full(3, rng.uniform(20, 90)), 0.3)
    return [Surface(merge(*link), (shell, joints)), Surface(tool, (dark, metal(rng)))]


def gripper(rng: Rng, length: float) -> Mesh:
    """A gripper or a suction cup along +z, its flange at z = 0."""
    if rng.uniform() < 0.3:
        cup = rng.uniform(0.008, 0.03)
        rod = tube(np.array([[0, 0, 0], [0, 0, length - cup]]), 0.35 * cup + 0.004, 1)
        bell = tube(
            np.linspace([0, 0, length - cup], [0, 0, length], 4), np.linspace(0.4, 1, 4) * cup
        )
        return merge(rod, bell)
    opening, wide = rng.uniform(0.01, 0.06), rng.uniform(0.01, 0.03)
    thick = rng.uniform(0.006, 0.016)
    palm = box(2 * (opening + thick) + 0.03, wide + 0.03, 0.5 * length)
    fingers = [
        box(thick, wide, 0.6 * length, (1, 1, 1)).shifted(
            x=s * (opening + thick / 2), z=0.4 * length
        )
        for s in (-1, 1)
    ]
    return merge(palm, *fingers)
