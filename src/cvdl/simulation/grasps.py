"""Grasp rectangles of simulated scenes, from the exact shapes.

A parallel gripper holds an object at two antipodal contacts: the line between them lies inside
both friction cones (Nguyen 1988, "Constructing force-closure grasps", theorem 5). Pairs of
contacts are searched on each object's mesh. A pair is a good grasp if the opened gripper reaches
it without a collision, its plates close on the contacts, and the camera sees the place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
import open3d as o3d
from numpy.typing import NDArray

from cvdl.core.scene import FIRST_OBJECT_LABEL
from cvdl.grasping.rectangles import (
    RIGHT_OVERLAP,
    GraspRectangles,
    angle_difference,
    best_overlap,
)
from cvdl.simulation.generate import SimulatedScene
from cvdl.simulation.mesh import Mesh, merge
from cvdl.simulation.solid import inverse, ray_scene

__all__ = ["GraspLabels", "ParallelGripper", "label_grasps"]

Array = NDArray[np.float64]
Bools = NDArray[np.bool_]
Rng = np.random.Generator

_SAMPLES = 500  # surface points of an object
_TESTED = 60  # pairs of an object that are tested for collisions
_KEPT = 12  # good grasps, and bad ones, of an object
_STEEPEST = np.sin(np.radians(50))  # of the opening to the image plane
_SLIPPERY = np.cos(np.radians(40))  # a contact beyond this angle slips
_MORE_LEVEL = np.sin(np.radians(20))  # a grasp that is this much nearer to the image plane wins
#: Largest shift of the contacts along the plates, in plates; more does not look like a rectangle.
_SHEAR = 0.5
_SEEN_PLATE = 0.012  # meters behind the contact, where the camera sees the opened plate
_SLACK = 0.006  # meters between the first touch of a plate and the contact in its center
_FREE = 0.0005  # meters above the table
#: Approaches tried in turn: the share of the table's normal; the rest is the viewing direction.
_APPROACHES = (0.0, 0.5, 1.0)
#: Samples of the label image across the rectangle, as shares of the contact distance.
_ACROSS = np.linspace(-0.45, 0.45, 9)


@dataclass(frozen=True)
class ParallelGripper:
    """Two plates that close towards each other, meters.

    Attributes:
        max_opening: between the opened plates.
        clearance: between an opened plate and its contact.
        plate: width of the plates, across opening and approach.
        thickness: of a plate along the opening.
        finger: from the contact back to the hand.
        tip: from the contact to the end of the plate.
        reach: from the contact back to the start of the collision-free approach.
        friction: coefficient between plates and objects.
    """

    max_opening: float = 0.10
    clearance: float = 0.008
    plate: float = 0.03
    thickness: float = 0.008
    finger: float = 0.045
    tip: float = 0.002
    reach: float = 0.12
    friction: float = 0.45


@dataclass(frozen=True)
class GraspLabels:
    """Grasps of a scene; poses are in the camera's optical frame, meters.

    Attributes:
        good: G rectangles where a gripper can close.
        bad: B rectangles on objects where it cannot.
        good_label: (G,) int, the object's value in the label image.
        bad_label: (B,) int, likewise.
        position: (G, 3) center between the contacts.
        rotation: (G, 3, 3), with columns x along the opening (to the right in the image), y along
            the plates, z the approach.
        contact_distance: (G,) between the contacts; the rectangle's opening includes clearance.
    """

    good: GraspRectangles
    bad: GraspRectangles
    good_label: NDArray[np.int64]
    bad_label: NDArray[np.int64]
    position: Array
    rotation: Array
    contact_distance: Array


@dataclass(frozen=True)
class _Pairs:
    """N pairs of opposite surface points in the world frame, with the gripper's approach.

    The frame of a gripper has x along the closing direction, y along the plates, z the approach.
    """

    middle: Array  # (N, 3)
    closing: Array  # (N, 3) unit, from one to the other
    distance: Array  # (N,)
    grip: Array  # (N,) smaller cosine between closing and contact normals
    view: Array  # (N, 3) unit, from the camera
    approach: Array  # (N, 3) unit, at right angles to the closing

    def __getitem__(self, index: NDArray[Any]) -> _Pairs:
        return _Pairs(*(getattr(self, field.name)[index] for field in fields(self)))

    def __len__(self) -> int:
        return len(self.middle)

    def approached(self, share: float | Array) -> _Pairs:
        """Approach along the view with a share, also (N, 1), of the table's normal."""
        way = (1 - share) * self.view + share * np.array([0.0, 0.0, -1.0])
        return replace(self, approach=_across(way, self.closing))

    @cached_property
    def plates(self) -> Array:
        """Direction (N, 3) of the plates."""
        return np.cross(self.approach, self.closing)

    @property
    def tilt(self) -> Array:
        """Sine (N,) of the angle between closing direction and image plane."""
        return np.abs((self.view * self.closing).sum(axis=1))

    def at(self, x: Array, y: float, z: float) -> Array:
        """Convert gripper coordinates to world points (N, 3)."""
        return self.middle + x[:, None] * self.closing + y * self.plates + z * self.approach


def label_grasps(scene: SimulatedScene, gripper: ParallelGripper | None = None) -> GraspLabels:
    """Return good and bad grasp rectangles of all visible objects, the same at each call.

    The center of a rectangle is the center between the contacts; two of its sides are the opened
    plates, which are the contact distance and the gripper's clearance apart; all are projected to
    the image. The opening is within 50 degrees of the image plane. The approach is the viewing
    direction if it is free, else half way to the table's normal, else the normal. Bad rectangles
    have contacts that slip, are too far apart or are out of reach, and match no good rectangle.
    """
    gripper = gripper or ParallelGripper()
    rng = np.random.default_rng([scene.index, 2])
    meshes = {item.label: item.mesh.moved(item.pose) for item in scene.objects}
    none, no_label = GraspRectangles.none(), np.empty(0, np.int64)
    labels = [
        GraspLabels(
            none, none, no_label, no_label, np.empty((0, 3)), np.empty((0, 3, 3)), np.empty(0)
        )
    ]
    if meshes:
        everything = ray_scene(merge(*meshes.values(), *scene.obstacles))
        for item in scene.truth.objects:
            labeler = _Labeler(scene, gripper, everything, item.label, meshes[item.label])
            labels.append(labeler.label(rng))
    result: GraspLabels = _joined(labels)
    return result


class _Labeler:
    """Finds the grasps of one object of a scene."""

    def __init__(
        self,
        scene: SimulatedScene,
        gripper: ParallelGripper,
        everything: o3d.t.geometry.RaycastingScene,
        label: int,
        mesh: Mesh,
    ) -> None:
        self._scene, self._gripper, self._everything = scene, gripper, everything
        self._label, self._mesh, self._own = label, mesh, ray_scene(mesh)
        self._eye = scene.camera_pose[:3, 3]
        self._to_camera = inverse(scene.camera_pose)

    def label(self, rng: Rng) -> GraspLabels:
        gripper = self._gripper
        pairs = self._candidates(rng)
        pairs = pairs[self._in_view(pairs)]
        limit = np.cos(np.arctan(gripper.friction))
        fits = pairs.distance + 2 * gripper.clearance <= gripper.max_opening
        holds = (pairs.grip >= limit) & fits
        slips = pairs[(pairs.grip < _SLIPPERY) | ~fits]
        # Sort by grip, so that the best of similar pairs is kept.
        pairs = pairs[holds]
        pairs = pairs[np.argsort(-pairs.grip)]
        pairs = pairs[_spread(self._rectangles(pairs), _TESTED, close=0.4)]
        is_good = np.zeros(len(pairs), bool)
        for share in _APPROACHES:
            left = np.flatnonzero(~is_good)
            tried = pairs[left].approached(share)
            free = self._is_free(tried)
            free[free] = self._closes(tried[free])
            pairs.approach[left[free]] = tried.approach[free]
            is_good[left[free]] = True
        good, blocked = pairs[is_good], pairs[~is_good]
        rectangles = self._rectangles(good)
        chosen = np.flatnonzero(self._looks_right(good))
        chosen = chosen[_most_level(rectangles[chosen], good[chosen].tilt)]
        chosen = chosen[_spread(rectangles[chosen], _KEPT, close=0.5)]
        bad = self._bad(rectangles, blocked, slips, max(4, len(chosen)), rng)
        return GraspLabels(
            rectangles[chosen],
            bad,
            np.full(len(chosen), self._label),
            np.full(len(bad), self._label),
            *self._poses(good[chosen]),
            good.distance[chosen],
        )

    def _candidates(self, rng: Rng) -> _Pairs:
        """Pairs of surface points with both the next and the outermost opposite surface."""
        points, normals = _surface_points(self._mesh, _SAMPLES, rng)
        view = _unit(points - self._eye)
        up = np.broadcast_to([0.0, 0.0, 1.0], view.shape)
        inward = -np.concatenate([normals, normals])
        points = np.concatenate([points, points])
        # A gripper closes at right angles to its approach (view or vertical), along the normal.
        closing = _across(inward, np.concatenate([view, up]))
        near = _opposite(self._own, points, closing)
        reach = np.full(len(points), self._gripper.max_opening)
        far = _outermost(self._own, points, closing, reach)
        pairs = []
        for distance, normal in (near, far):
            known = np.isfinite(distance) & (distance > 0.002)
            start = (inward * closing).sum(axis=1)
            end = (normal * closing).sum(axis=1)
            middle = points + closing * np.where(known, distance, 0)[:, None] / 2
            grip = np.minimum(start, end)
            view = _unit(middle - self._eye)
            pairs.append(_Pairs(middle, closing, distance, grip, view, view)[known])
        joined: _Pairs = _joined(pairs)
        return joined.approached(_APPROACHES[0])

    def _in_view(self, pairs: _Pairs) -> Bools:
        """Whether the image shows the object between the contacts, and the whole rectangle."""
        camera, labels = self._scene.frame.camera, self._scene.truth.labels
        seen = pairs.tilt < _STEEPEST
        corners = self._rectangles(pairs).corners()
        edge = np.array([camera.width - 1, camera.height - 1])
        seen &= ((corners >= 0) & (corners <= edge)).all(axis=(1, 2))
        line = pairs.middle[:, None] + (
            pairs.closing[:, None] * (pairs.distance[:, None] * _ACROSS)[..., None]
        )
        pixel = np.rint(np.nan_to_num(self._project(line))).astype(int)
        pixel = np.clip(pixel, 0, edge)
        there = labels[pixel[..., 1], pixel[..., 0]]
        is_own = there == self._label
        is_other = (there >= FIRST_OBJECT_LABEL) & ~is_own
        # The center of a ring shows the table.
        return seen & (is_own.mean(axis=1) > 0.3) & (is_other.sum(axis=1) <= 1)

    def _is_free(self, pairs: _Pairs) -> Bools:
        """Whether the opened gripper, on its approach and at its end, hits no object or table."""
        gripper, half = self._gripper, self._gripper.plate / 2
        inner = pairs.distance / 2 + gripper.clearance
        outer = inner + gripper.thickness
        sides, widths = (-outer, -inner, inner, outer), (-half, 0.0, half)
        tip = [pairs.at(x, y, gripper.tip) for x in sides for y in widths]
        back = [pairs.at(x, y, -gripper.reach) for x in sides for y in widths]
        # Across the plates, for objects that are too thin for the rays along the plates.
        depths = (gripper.tip, -gripper.finger / 3)
        left, right = ([pairs.at(x, y, z) for x in sides for z in depths] for y in (-half, half))
        # The hand.
        depths = (-gripper.finger, -0.8 * gripper.reach)
        low, high = ([pairs.at(x, y, z) for y in widths for z in depths] for x in (-outer, outer))
        inside = (-inner / 2, 0 * inner, inner / 2)
        hand, rear = (
            [pairs.at(x, y, -z) for x in inside for y in widths]
            for z in (gripper.finger, gripper.reach)
        )
        start, end = np.array(back + left + low + rear), np.array(tip + right + high + hand)
        is_hit = _is_blocked(self._everything, start, end)
        tips = np.array(tip)
        is_on_table = (tips[..., 2] < _FREE) & self._scene.table.carries(tips)
        return np.asarray(~np.concatenate([is_hit, is_on_table]).any(axis=0))

    def _closes(self, pairs: _Pairs) -> Bools:
        """Whether closing plates touch first at the contacts and along most of their width."""
        gripper = self._gripper
        widths = np.linspace(-0.45, 0.45, 5) * gripper.plate
        depths = (0.0, gripper.tip, -0.01, -0.02)
        start = pairs.distance / 2 + gripper.clearance
        fits = np.ones(len(pairs), bool)
        for side in (-1, 1):
            origin = np.array([[pairs.at(side * start, y, z) for y in widths] for z in depths])
            rays = np.concatenate(
                [origin, np.broadcast_to(-side * pairs.closing, origin.shape)], -1
            )
            hit = self._own.cast_rays(rays.astype(np.float32), nthreads=1)["t_hit"].numpy()
            first = hit.min(axis=(0, 1))
            # A ray beside the object has an infinite distance.
            touches = np.isfinite(hit[0]) & (hit[0] <= first + _SLACK)
            fits &= touches[2] & (touches.sum(axis=0) >= 3)
        return fits

    def _project(self, points: Array) -> Array:
        camera = self._scene.frame.camera
        return camera.project(points @ self._to_camera[:3, :3].T + self._to_camera[:3, 3])

    def _rectangles(self, pairs: _Pairs) -> GraspRectangles:
        """Rectangles as a person draws them: two sides along the visible plates.

        In an oblique view the closing is not at right angles to the plates in the image; then the
        rectangle is aligned with the plates, which are parallel to the object's outline.
        """
        wide = pairs.distance + 2 * self._gripper.clearance
        line = self._projected(pairs, pairs.closing, np.minimum(wide, self._gripper.max_opening))
        plate = self._projected(pairs, pairs.plates, self._gripper.plate)
        length = np.hypot(plate[:, 0], plate[:, 1])
        across = np.stack([plate[:, 1], -plate[:, 0]], axis=1) / np.maximum(length, 1e-9)[:, None]
        return GraspRectangles(
            self._project(pairs.middle),
            np.arctan2(across[:, 1], across[:, 0]),
            np.abs((line * across).sum(axis=1)),
            length,
        )

    def _looks_right(self, pairs: _Pairs) -> Bools:
        """Whether the image shows both plates beside the object, and they form a rectangle."""
        line = self._projected(pairs, pairs.closing, pairs.distance)
        plate = self._projected(pairs, pairs.plates, self._gripper.plate)
        shear = np.abs((line * plate).sum(axis=1)) / np.maximum((plate**2).sum(axis=1), 1e-9)
        x = pairs.distance / 2 + self._gripper.clearance
        plates = np.array([pairs.at(side * x, 0.0, -_SEEN_PLATE) for side in (-1, 1)])
        eye = np.broadcast_to(self._eye, plates.shape)
        return (shear < _SHEAR) & ~_is_blocked(self._everything, eye, plates).any(axis=0)

    def _projected(self, pairs: _Pairs, way: Array, length: float | Array) -> Array:
        """Image vectors (N, 2), pixels, of lines (direction, length) centered on the pairs."""
        half = way * (np.ones(len(way)) * length)[:, None] / 2
        return self._project(pairs.middle + half) - self._project(pairs.middle - half)

    def _poses(self, pairs: _Pairs) -> tuple[Array, Array]:
        """Position (N, 3) and rotation (N, 3, 3) in the camera's frame."""
        turn = self._to_camera[:3, :3]
        position = pairs.middle @ turn.T + self._to_camera[:3, 3]
        x, z = pairs.closing @ turn.T, pairs.approach @ turn.T
        line = self._projected(pairs, pairs.closing, pairs.distance)
        x = np.where(line[:, :1] < 0, -x, x)
        return position, np.stack([x, np.cross(z, x), z], axis=2)

    def _bad(
        self, good: GraspRectangles, blocked: _Pairs, slips: _Pairs, count: int, rng: Rng
    ) -> GraspRectangles:
        """Up to ``count`` bad rectangles, half of them blocked if there are enough."""
        kinds = []
        for pairs in (blocked, slips[rng.permutation(len(slips))[:200]]):
            share = rng.choice(_APPROACHES, (len(pairs), 1))
            rectangles = self._rectangles(pairs.approached(share))
            rectangles = rectangles[_spread(rectangles, 2 * count, close=0.7)]
            kinds.append(rectangles[best_overlap(rectangles, good) <= RIGHT_OVERLAP])
        some = min(len(kinds[0]), max(count // 2, count - len(kinds[1])))
        joined: GraspRectangles = _joined([kinds[0][:some], kinds[1][: count - some]])
        return joined


def _surface_points(mesh: Mesh, count: int, rng: Rng) -> tuple[Array, Array]:
    """Points (N, 3) evenly distributed over the surface, and their outward normals."""
    a, b, c = mesh.vertices[mesh.triangles.T]
    normal = np.cross(b - a, c - a)
    area = np.linalg.norm(normal, axis=1)
    index = rng.choice(len(area), count, p=area / area.sum())
    s, t = np.sqrt(rng.uniform(size=(count, 1))), rng.uniform(size=(count, 1))
    points = (1 - s) * a[index] + s * (1 - t) * b[index] + s * t * c[index]
    return points, normal[index] / area[index, None]


def _opposite(
    own: o3d.t.geometry.RaycastingScene, points: Array, way: Array
) -> tuple[Array, Array]:
    """Distance (N,) along ``way`` to the next surface, infinite for none, and its normal."""
    rays = np.concatenate([points + 1e-5 * way, way], axis=1).astype(np.float32)
    hit = own.cast_rays(rays, nthreads=1)
    return hit["t_hit"].numpy().astype(np.float64), hit["primitive_normals"].numpy()


def _outermost(
    own: o3d.t.geometry.RaycastingScene, points: Array, way: Array, reach: Array
) -> tuple[Array, Array]:
    """Distance (N,) along ``way`` to the last surface within ``reach``, and its normal."""
    back, normal = _opposite(own, points + way * reach[:, None], -way)
    return np.where(back < reach, reach - back, np.inf), normal


def _is_blocked(scene: o3d.t.geometry.RaycastingScene, start: Array, end: Array) -> Bools:
    """Whether an object is between points (..., 3)."""
    rays = np.concatenate([start, end - start], axis=-1).astype(np.float32)
    return scene.test_occlusions(rays, 0.0, 1.0, nthreads=1).numpy()


def _most_level(rectangles: GraspRectangles, tilt: Array) -> NDArray[np.int64]:
    """Indices of rectangles without a more level one at the same place.

    Plates one behind the other can hold an upright handle that is seen from the side; a person who
    looks at the image only sees the grasps with plates side by side.
    """
    away = np.linalg.norm(rectangles.center[:, None] - rectangles.center, axis=2)
    beaten = (away < 0.7 * rectangles.plate) & (tilt[:, None] > tilt + _MORE_LEVEL)
    return np.flatnonzero(~beaten.any(axis=1))


def _spread(rectangles: GraspRectangles, count: int, close: float) -> NDArray[np.int64]:
    """Indices of the first ``count`` rectangles of which no two are alike.

    Alike: centers nearer than ``close`` plates, and less than 20 degrees apart.
    """
    chosen: list[int] = []
    left = np.arange(len(rectangles))
    while len(left) and len(chosen) < count:
        first = int(left[0])
        chosen.append(first)
        away = np.linalg.norm(rectangles.center[left] - rectangles.center[first], axis=1)
        turned = angle_difference(rectangles.angle[left], rectangles.angle[first])
        alike = (away < close * rectangles.plate[first]) & (turned < np.radians(20))
        left = left[~alike & (left != first)]
    return np.array(chosen, np.int64)


def _joined(parts: Sequence[Any]) -> Any:
    """Concatenate arrays, or the arrays of dataclasses field by field."""
    first = parts[0]
    if isinstance(first, np.ndarray):
        return np.concatenate(parts)
    names = [field.name for field in fields(first)]
    return type(first)(*(_joined([getattr(part, name) for part in parts]) for name in names))


def _across(vectors: Array, axis: Array) -> Array:
    """Unit vectors: the part of ``vectors`` (N, 3) at right angles to unit ``axis`` (N, 3)."""
    return _unit(vectors - (vectors * axis).sum(axis=1, keepdims=True) * axis)


def _unit(vectors: Array) -> Array:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)
