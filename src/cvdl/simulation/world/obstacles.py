"""What is not a thing though it is in view: robots, hands, screens, cables, lamps, fixtures."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.core.camera import Camera
from cvdl.simulation.mesh import Mesh, box, circle, creased, merge, revolve
from cvdl.simulation.room import Surface
from cvdl.simulation.solid import inverse
from cvdl.simulation.textures import Material
from cvdl.simulation.world.looks import any_color, any_look, cloth_look, matt, metal
from cvdl.simulation.world.piling import surface_points
from cvdl.simulation.world.solids import rotation_z, smooth_path, tube

__all__ = ["covered_share", "hand", "person", "placed", "robot_arm", "standing", "wrist_gripper"]

Array = NDArray[np.float64]
Rng = np.random.Generator


def covered_share(surfaces: list[Surface], camera: Camera, pose: Array) -> float:
    """Return about which share of an image surfaces cover; 1 if one is at the camera."""
    back = inverse(pose)
    covered = np.zeros((12, 16), bool)
    for surface in surfaces:
        points = surface_points(surface.mesh) @ back[:3, :3].T + back[:3, 3]
        if (np.linalg.norm(points, axis=1) < 0.12).any():
            return 1.0
        u, v = camera.project(points[points[:, 2] > 0.01]).T
        column, row = u * 16 / camera.width, v * 12 / camera.height
        inside = (column >= 0) & (column < 16) & (row >= 0) & (row < 12)
        covered[row[inside].astype(int), column[inside].astype(int)] = True
    return float(covered.mean())


# Robots and people, who reach into the scene.


def _frame(z: Array, x: Array) -> Array:
    """A pose (4, 4) at the origin with a z axis, and the x axis as near to ``x`` as possible."""
    z = z / np.linalg.norm(z)
    x = x - (x @ z) * z
    x /= np.linalg.norm(x)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([x, np.cross(z, x), z], axis=1)
    return pose


def robot_arm(rng: Rng, tip: Array, base: Array) -> list[Surface]:
    """Make an arm from ``base`` (3,) that reaches to ``tip`` (3,), with a gripper or a cup."""
    down = np.array([*rng.normal(0, 0.25, 2), -1.0])
    down /= np.linalg.norm(down)
    length = rng.uniform(0.06, 0.16)
    wrist = tip - down * (length + rng.uniform(0.06, 0.16))
    elbow = (wrist + base) / 2 + np.array([0, 0, rng.uniform(0.0, 0.4)])
    thick = rng.uniform(0.025, 0.06)
    parts = []
    for a, b, r in ((wrist, elbow, thick), (elbow, base, 1.2 * thick)):
        parts.append(tube(np.linspace(a, b, 4), r, sides=16, power=float(rng.choice([2, 4]))))
    side = _frame(wrist - elbow, rng.standard_normal(3))[:3, 0]
    for joint, r in ((wrist, 1.1), (elbow, 1.35)):
        ends = np.linspace(joint - side * 1.2 * thick, joint + side * 1.2 * thick, 3)
        parts.append(tube(ends, r * thick, 1, sides=16))
    parts.append(tube(np.linspace(wrist, tip - down * length, 3), 0.8 * thick, 1, sides=16))
    white = np.full(3, rng.uniform(190, 240))
    shell = matt(any_color(rng) if rng.uniform() < 0.5 else white, 0.4)
    joints = matt(any_color(rng), 0.3) if rng.uniform() < 0.6 else metal(rng)
    pose = _frame(down, rng.standard_normal(3))
    pose[:3, 3] = tip - down * length
    return [Surface(merge(*parts), (shell, joints)), _gripper(rng, length, pose)]


def wrist_gripper(rng: Rng, pose: Array, distance: float) -> list[Surface]:
    """Make the gripper of a robot that carries the camera: it reaches into the image.

    Args:
        rng: source of everything random.
        pose: (4, 4) of the camera.
        distance: from the camera to the things, meters.
    """
    length = distance * rng.uniform(0.5, 0.85)
    angle = rng.uniform(0, 2 * np.pi)
    aside = rng.uniform(0.06, 0.12)
    flange = np.array([aside * np.cos(angle), aside * np.sin(angle), -0.05])
    tip = np.array([0.25 * flange[0], 0.25 * flange[1], length])
    local = _frame(tip - flange, np.array([-np.sin(angle), np.cos(angle), 0]))
    local[:3, 3] = flange
    return [_gripper(rng, float(np.linalg.norm(tip - flange)), pose @ local)]


def _gripper(rng: Rng, length: float, pose: Array) -> Surface:
    """A gripper or a suction cup along +z of a pose, its flange at z = 0."""
    reach = min(length, rng.uniform(0.05, 0.11))
    if rng.uniform() < 0.3:
        cup = rng.uniform(0.008, 0.03)
        rod = tube(np.array([[0, 0, 0], [0, 0, length - cup]]), 0.3 * cup + 0.003, 1)
        bell = np.linspace([0, 0, length - cup], [0, 0, length], 4)
        mesh = merge(rod, tube(bell, np.linspace(0.4, 1, 4) * cup))
    else:
        opening, wide = rng.uniform(0.005, 0.05), rng.uniform(0.008, 0.025)
        thick = rng.uniform(0.005, 0.014)
        palm = box(2 * (opening + thick) + 0.02, wide + 0.02, 0.35 * reach)
        finger = box(thick, wide, 0.7 * reach, (1, 1, 1)).shifted(z=0.3 * reach)
        parts = [palm] + [finger.shifted(x=s * (opening + thick / 2)) for s in (-1, 1)]
        mesh = merge(*parts).shifted(z=length - reach)
        if length > reach:
            wrist = np.linspace([0, 0, 0], [0, 0, length - reach], 3)
            mesh = merge(mesh, tube(wrist, rng.uniform(0.015, 0.04), sides=14))
    dark = matt(np.full(3, rng.uniform(20, 120)), 0.3)
    return Surface(mesh.moved(pose), (dark, metal(rng) if rng.uniform() < 0.5 else dark))


def hand(rng: Rng, tip: Array, base: Array) -> list[Surface]:
    """Make a hand at ``tip`` (3,) with its forearm from ``base`` (3,)."""
    size = rng.uniform(0.85, 1.1)
    curl = rng.uniform(0.1, 1.2)
    parts = []
    for number in range(4):
        y = (number - 1.5) * 0.021
        length = (0.075, 0.085, 0.08, 0.06)[number]
        bend = np.cumsum(np.array([0.3, 0.8, 0.9, 0.7]) * curl * rng.uniform(0.7, 1.2))
        steps = np.stack([np.cos(bend), 0.12 * (number - 1.5) + 0 * bend, -np.sin(bend)], axis=1)
        path = np.cumsum(np.vstack([[0.09, y, 0], steps * length / 4]), axis=0)
        parts.append(tube(path, np.linspace(0.0095, 0.007, 5), sides=8))
    thumb = np.array([[0.02, -0.035, -0.005], [0.05, -0.055, -0.02], [0.08, -0.055, -0.035]])
    parts.append(tube(thumb, np.array([0.014, 0.011, 0.008]), sides=8))
    palm = tube(np.linspace([0, 0, 0], [0.085, 0, 0], 4), np.array([0.025, 0.035, 0.041, 0.038]))
    parts.append(palm.scaled(1, 1, 0.42))
    arm = np.linspace([0, 0, 0], [-1, 0, 0], 5) * np.linalg.norm(tip - base) / size
    parts.append(tube(arm, np.array([0.027, 0.03, 0.036, 0.042, 0.048]), sides=12))
    sleeve = tube(arm[1:] - [0.02, 0, 0], np.array([0.042, 0.047, 0.054, 0.06]), 1, sides=12)
    mesh = merge(*parts, sleeve).scaled(size, size if rng.uniform() < 0.5 else -size, size)
    tone = np.array([224, 172, 138]) * rng.uniform(0.3, 1.1) + rng.normal(0, 6, 3)
    skin = matt(tone, 0.1) if rng.uniform() < 0.8 else matt(any_color(rng), 0.2)  # or a glove
    # Palm down, and turned about the forearm.
    across = np.cross([0.0, 0.0, 1.0], tip - base) / np.linalg.norm(tip - base)
    upright = _frame(tip - base, across + rng.normal(0, 0.35, 3))
    pose = np.eye(4)
    pose[:3, :3] = upright[:3, [2, 0, 1]]
    pose[:3, 3] = tip
    return [Surface(mesh.moved(pose), (skin, cloth_look(rng)))]


def person(rng: Rng) -> Surface:
    """Make a person who stands on z = 0 and faces +x."""
    height = rng.uniform(1.5, 1.9)
    parts = []
    for y in (-0.1, 0.1):
        foot = rng.normal(0, 0.05)
        path = np.array([[foot, y, 0.05], [foot / 2, y, 0.25 * height], [0, y, 0.5 * height]])
        parts.append(tube(path, np.array([0.05, 0.06, 0.09]), 1, sides=12))
    trunk = np.linspace([0, 0, 0.48 * height], [0, 0, 0.82 * height], 5)
    parts.append(
        tube(trunk, np.array([0.15, 0.15, 0.17, 0.19, 0.12]), 0, sides=16).scaled(0.7, 1, 1)
    )
    head = np.linspace([0, 0, 0.88 * height], [0.02, 0, 0.96 * height], 3)
    parts.append(tube(head, np.array([0.07, 0.085, 0.08]), 2, sides=14))
    for side in (-1, 1):
        shoulder = np.array([0, side * 0.2, 0.8 * height])
        elbow = shoulder + np.array([rng.uniform(0, 0.15), side * 0.08, -0.28])
        wrist = elbow + rng.uniform([0, -0.1, -0.25], [0.25, 0.1, 0.1])
        path = smooth_path(np.stack([shoulder, elbow, wrist]), 8)
        parts.append(tube(path, np.linspace(0.055, 0.035, 8), 0, sides=10))
    skin = np.array([224, 172, 138]) * rng.uniform(0.3, 1.1)
    return Surface(merge(*parts), (cloth_look(rng), cloth_look(rng), matt(skin, 0.1)))


# What stands on the support.


def standing(rng: Rng, scale: float) -> Surface:
    """Make something that stands or lies on z = 0 about the origin, facing -y.

    Args:
        rng: source of everything random.
        scale: about the size of the things beside it, meters; fixtures are as large.
    """
    return _STANDING[rng.integers(len(_STANDING))](rng, scale)


def _screen(rng: Rng, scale: float) -> Surface:
    """A monitor or a television."""
    del scale
    width, height = rng.uniform(0.35, 0.7), rng.uniform(0.22, 0.42)
    lift, tilt = rng.uniform(0.05, 0.15), rng.uniform(-0.05, 0.25)
    panel = box(width, rng.uniform(0.015, 0.06), height, (0, 1, 0)).shifted(z=lift)
    c, s = np.cos(tilt), np.sin(tilt)
    pose = np.eye(4)
    pose[1:3, 1:3] = [[c, s], [-s, c]]
    stem = box(0.05, 0.03, lift + 0.1).shifted(y=0.04)
    foot = box(rng.uniform(0.15, 0.3), rng.uniform(0.12, 0.22), 0.012)
    dark = matt(np.full(3, rng.choice([25, 60, 170, 230])), 0.3)
    glow = matt(np.full(3, 12.0), 0.95) if rng.uniform() < 0.5 else any_look(rng)
    return Surface(merge(panel.moved(pose), stem, foot), (dark, glow))


def _keys(rng: Rng) -> Material:
    """Keys of a keyboard."""
    image = np.empty((128, 128, 3), np.uint8)
    image[:] = rng.choice([25, 60, 200, 235])
    tone = any_color(rng) if rng.uniform() < 0.2 else np.full(3, rng.choice([40, 15, 225, 150]))
    for row in range(5):
        for column in range(14):
            corner = (column * 9 + 2, row * 25 + 3)
            cv2.rectangle(image, corner, (corner[0] + 6, corner[1] + 19), tone.tolist(), -1)
    return Material(image, 0.2)


def _keyboard(rng: Rng, scale: float) -> Surface:
    del scale
    mesh = box(rng.uniform(0.28, 0.46), rng.uniform(0.1, 0.17), rng.uniform(0.008, 0.03), (0, 0, 1))
    return Surface(mesh, (matt(np.full(3, rng.choice([20, 60, 200])), 0.2), _keys(rng)))


def _laptop(rng: Rng, scale: float) -> Surface:
    del scale
    width, deep = rng.uniform(0.28, 0.38), rng.uniform(0.2, 0.26)
    base = box(width, deep, 0.015, (0, 0, 1))
    tilt = rng.uniform(0.0, 0.6)
    c, s = np.cos(tilt), np.sin(tilt)
    pose = np.eye(4)
    pose[1:3, 1:3] = [[c, s], [-s, c]]
    lid = box(width, 0.008, deep, (0, 2, 0)).moved(pose).shifted(y=deep / 2, z=0.013)
    shell = metal(rng) if rng.uniform() < 0.5 else matt(np.full(3, 30.0), 0.2)
    return Surface(merge(base, lid), (shell, _keys(rng), any_look(rng)))


def _lamp(rng: Rng, scale: float) -> Surface:
    del scale
    foot = revolve(creased(0, (0, 0), (0.09, 0), (0.085, 0.02), (0, 0.02)))
    height = rng.uniform(0.2, 0.45)
    elbow = np.array([0, rng.uniform(0.0, 0.15), height])
    head = np.array([0, rng.uniform(-0.3, -0.05), height + rng.uniform(-0.05, 0.15)])
    arm = merge(
        tube(np.linspace([0, 0, 0.02], elbow, 3), 0.008), tube(np.linspace(elbow, head, 3), 0.008)
    )
    shade = revolve(creased(1, (0, 0.1), (0.03, 0.1), (0.08, 0), (0, 0.01)))
    mesh = merge(foot, arm, shade.shifted(*(head - [0, 0, 0.08])))
    return Surface(mesh, (metal(rng), matt(any_color(rng), 0.3)))


def _profile(rng: Rng, scale: float) -> Surface:
    """A frame or a post of aluminum profiles."""
    wide = rng.uniform(0.02, 0.045)
    height, span = rng.uniform(1, 4) * scale + 0.05, rng.uniform(2, 6) * scale
    parts = [box(wide, wide, height)]
    if rng.uniform() < 0.6:
        parts += [
            box(wide, wide, height).shifted(x=span),
            box(span, wide, wide).shifted(x=span / 2, z=height - wide),
        ]
    if rng.uniform() < 0.4:
        parts.append(box(wide, span, wide).shifted(y=span / 2))
    return Surface(merge(*parts), (metal(rng) if rng.uniform() < 0.7 else matt(any_color(rng)),))


def _fixture(rng: Rng, scale: float) -> Surface:
    """A machined block with screws and pins, bolted down."""
    x, y, z = scale * rng.uniform([0.8, 0.5, 0.2], [2.5, 1.5, 1.2])
    parts = [box(x, y, z), box(1.4 * x, 0.8 * y, 0.15 * z)]
    for _ in range(int(rng.integers(2, 6))):
        r, h = scale * rng.uniform(0.04, 0.15), scale * rng.uniform(0.05, 0.5)
        pin = revolve(creased(1, (0, 0), (r, 0), (r, h), (0, h)), circle(12))
        u, v = rng.uniform(-0.45, 0.45, 2) * [x, y]
        parts.append(pin.shifted(u, v, z))
    return Surface(
        merge(*parts), (metal(rng) if rng.uniform() < 0.6 else any_look(rng), metal(rng))
    )


def _cable(rng: Rng, scale: float) -> Surface:
    """A cable or a hose across the support."""
    radius = rng.uniform(0.0015, 0.006)
    knots = np.cumsum(rng.normal(0, 1, (9, 2)), axis=0) * max(scale, 0.05) * 1.2
    knots -= knots.mean(axis=0)
    path = np.concatenate([knots, np.full((9, 1), radius)], axis=1)
    dark = rng.uniform() < 0.6
    tone = np.full(3, rng.uniform(10, 50)) if dark else any_color(rng)
    return Surface(tube(smooth_path(path, 60), radius, sides=6), (matt(tone, 0.2),))


_STANDING: tuple[Callable[[Rng, float], Surface], ...] = (
    _screen, _keyboard, _laptop, _lamp, _profile, _profile, _fixture, _cable, _cable,
)  # fmt: skip


def placed(item: Surface, x: float, y: float, z: float, yaw: float) -> Surface:
    """Turn a surface about the vertical and move it."""
    pose = np.eye(4)
    pose[:3, :3] = rotation_z(yaw)
    pose[:3, 3] = x, y, z
    mesh: Mesh = item.mesh.moved(pose)
    return Surface(mesh, item.materials, item.label)
