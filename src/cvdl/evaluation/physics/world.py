"""A simulated scene in MuJoCo: its objects as convex pieces, its support, and a gripper."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import copy
from typing import TypeVar

import mujoco
import numpy as np
from numpy.typing import NDArray

from cvdl.core.scene import FIRST_OBJECT_LABEL
from cvdl.evaluation.physics.gripper import PARKED, Gripper, add_gripper, quaternion
from cvdl.evaluation.physics.pieces import convex_pieces
from cvdl.evaluation.physics.settings import TIMESTEP, PhysicsSettings
from cvdl.grasping.config import GraspConfig
from cvdl.simulation.draft import Draft
from cvdl.simulation.mesh import Mesh
from cvdl.simulation.placement import Table

__all__ = ["World"]

Array = NDArray[np.float64]
_Kind = TypeVar("_Kind", bound="World")

#: Friction between objects and their support.
_FRICTION = 0.6
#: Lightest object, kg: lighter ones are hard to simulate, and rare.
_LEAST_MASS = 0.01
#: Obstacles further away from all objects are left out, meters.
_REACH = 0.35
#: Least thickness of the support, meters.
_THICK = 0.05
#: Longest settling, and how long it is still in the end, seconds.
_SETTLING, _STILL = 4.0, 0.2
#: Slower is still, m/s and rad/s.
_SLOW = 0.02
#: What is slower for ten steps sleeps until something touches it, m/s and rad/s: things at rest
#: then cost no time. So long after settling everything at rest sleeps, seconds.
_ASLEEP, _DOZING = 0.01, 0.03
#: A velocity that wakes what sleeps and moves nothing, m/s and rad/s.
_WAKING = 1e-12
#: An object whose lowest point falls this far below the support has left it, meters.
_FALLEN = 0.03


class World:
    """Bodies in MuJoCo; the frame is that of the simulation: meters, z up, z = 0 the support.

    Args:
        objects: label, mesh and pose (4, 4) of each.
        table: the support.
        obstacles: what does not move.
        config: sizes of the gripper.
        settings: of the physics.

    Attributes:
        labels: of the objects that are there.
        gripper: parked out of the way at first.
    """

    def __init__(
        self,
        objects: Iterable[tuple[int, Mesh, Array]],
        table: Table,
        obstacles: Sequence[Mesh],
        config: GraspConfig,
        settings: PhysicsSettings,
    ) -> None:
        objects = list(objects)
        spec = mujoco.MjSpec()
        spec.option.timestep = TIMESTEP
        spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
        # Elliptic cones and a high ratio keep what is held from creeping (MuJoCo's documentation,
        # "Modeling: preventing slip"). With 10, light things creep out of slanted contacts.
        spec.option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
        spec.option.impratio = 1000
        spec.option.enableflags = mujoco.mjtEnableBit.mjENBL_SLEEP
        _add_table(spec, table)
        near = _reach(objects)
        for obstacle in obstacles:
            for piece in convex_pieces(obstacle, near):
                _add_piece(spec, spec.worldbody, piece)
        self._vertices = {}
        for label, mesh, pose in objects:
            body = spec.worldbody.add_body(
                name=str(label), pos=pose[:3, 3], quat=quaternion(pose[:3, :3])
            )
            body.add_freejoint()
            for piece in convex_pieces(mesh):
                _add_piece(spec, body, piece, settings.density)
            self._vertices[label] = mesh.vertices
        add_gripper(spec, config, settings)
        spec.compiler.boundmass = _LEAST_MASS
        self.model = spec.compile()
        self.data = mujoco.MjData(self.model)
        self.labels = [label for label, _, _ in objects]
        self._joint = {label: int(self.model.body(str(label)).jntadr[0]) for label in self.labels}
        self._label_of = np.zeros(self.model.nbody, np.int64)
        for label in self.labels:
            self._label_of[self.model.body(str(label)).id] = label
        self.gripper = Gripper(self.model, self.data, config)
        self.park()

    @classmethod
    def of(cls: type[_Kind], draft: Draft, config: GraspConfig, settings: PhysicsSettings) -> _Kind:
        """Make the world of a drawn scene; labels are those of its pictures."""
        things = enumerate(draft.things, FIRST_OBJECT_LABEL)
        objects = [(label, thing.mesh, pose) for label, (thing, pose) in things]
        return cls(objects, draft.table, draft.obstacles, config, settings)

    def park(self) -> None:
        """Take the gripper away."""
        self.gripper.place(PARKED, np.eye(3), 0.0)

    def step(self, seconds: float) -> None:
        """Simulate for some time."""
        mujoco.mj_step(self.model, self.data, nstep=max(1, round(seconds / TIMESTEP)))

    def find_contacts(self) -> None:
        """Find what touches what in the present state, without simulating."""
        mujoco.mj_kinematics(self.model, self.data)
        mujoco.mj_collision(self.model, self.data)

    def settle(self) -> None:
        """Wait until everything is still; what falls off the support is taken away."""
        self.model.opt.sleep_tolerance = 0.0
        self.data.qvel += _WAKING
        still = 0.0
        for _ in range(round(_SETTLING / 0.02)):
            self.step(0.02)
            moving = [np.abs(self._velocity(label)).max() for label in self.labels]
            still = still + 0.02 if max(moving, default=0.0) < _SLOW else 0.0
            if still >= _STILL:
                break
        for label in list(self.labels):
            pose = self.pose(label)
            lowest = self._vertices[label] @ pose[2, :3] + pose[2, 3]
            if not np.isfinite(pose).all() or lowest.min() < -_FALLEN:
                self.remove(label)
        self.model.opt.sleep_tolerance = _ASLEEP
        self.step(_DOZING)

    def remove(self, label: int) -> None:
        """Take an object away: it touches nothing any more, and does not fall."""
        self.labels.remove(label)
        body = self.model.body(str(label)).id
        geoms = self.model.geom_bodyid == body
        self.model.geom_contype[geoms] = self.model.geom_conaffinity[geoms] = 0
        self.model.body_gravcomp[body] = 1
        address = self.model.jnt_dofadr[self._joint[label]]
        self.data.qvel[address : address + 6] = 0

    @property
    def constraints(self) -> int:
        """Number of constraints in the last step: many where things do not come to rest."""
        return int(self.data.nefc)

    def pose(self, label: int) -> Array:
        """Pose (4, 4) of an object in the world."""
        start = self.model.jnt_qposadr[self._joint[label]]
        pose = np.eye(4)
        pose[:3, 3] = self.data.qpos[start : start + 3]
        pose[:3, :3] = _matrix(self.data.qpos[start + 3 : start + 7])
        return pose

    def poses(self) -> dict[int, Array]:
        """Poses (4, 4) of all objects by label."""
        return {label: self.pose(label) for label in self.labels}

    def save(self) -> mujoco.MjData:
        """Return the state of everything, for `restore`."""
        return copy(self.data)

    def restore(self, state: mujoco.MjData) -> None:
        """Return to a saved state."""
        mujoco.mj_copyData(self.data, self.model, state)

    def touched(self, deeper: float = 0.0) -> tuple[set[int], set[int], set[int]]:
        """Labels of what the left pad, the right pad and the palm touch; 0 for what is fixed.

        Args:
            deeper: only contacts that overlap by more than this count, meters.
        """
        contacts = self.data.contact
        pairs = contacts.geom[contacts.dist < -deeper]
        left, right, palm = (
            set(self._label_of[self.model.geom_bodyid[pairs[(pairs == geom)[:, ::-1]]]].tolist())
            for geom in (*self.gripper.pads, self.gripper.geoms[0])
        )
        return left, right, palm

    def rests(self, label: int) -> bool:
        """Whether an object touches something that does not move."""
        contacts = self.data.contact.geom
        bodies = self.model.geom_bodyid[contacts]
        own = self._label_of[bodies] == label
        fixed = self.model.body_weldid[bodies] == 0
        return bool((own & fixed[:, ::-1]).any())

    def _velocity(self, label: int) -> Array:
        address = self.model.jnt_dofadr[self._joint[label]]
        return self.data.qvel[address : address + 6]


def _add_table(spec: mujoco.MjSpec, table: Table) -> None:
    thick = max(table.thickness, _THICK) / 2
    if table.round:
        kind, size = mujoco.mjtGeom.mjGEOM_CYLINDER, [float(table.half_size.mean()), thick, 0]
    else:
        kind, size = mujoco.mjtGeom.mjGEOM_BOX, [*table.half_size, thick]
    spec.worldbody.add_geom(
        name="table", type=kind, size=size, pos=[0, 0, -thick], conaffinity=3,
        friction=[_FRICTION, 0.005, 0.0001],
    )  # fmt: skip


def _add_piece(
    spec: mujoco.MjSpec, body: mujoco.MjsBody, piece: Array, density: float = 1000.0
) -> None:
    name = f"piece {len(spec.meshes)}"
    spec.add_mesh(
        name=name, uservert=piece.ravel(), inertia=mujoco.mjtMeshInertia.mjMESH_INERTIA_CONVEX
    )
    body.add_geom(
        type=mujoco.mjtGeom.mjGEOM_MESH, meshname=name, density=density, conaffinity=3,
        friction=[_FRICTION, 0.005, 0.0001],
    )  # fmt: skip


def _reach(objects: Sequence[tuple[int, Mesh, Array]]) -> tuple[Array, Array]:
    """Corners (3,) of the space around the objects in which obstacles matter."""
    if not objects:
        return np.full(3, np.inf), np.full(3, -np.inf)
    points = np.concatenate([mesh.moved(pose).vertices for _, mesh, pose in objects])
    return points.min(axis=0) - _REACH, points.max(axis=0) + _REACH


def _matrix(quaternion: Array) -> Array:
    matrix = np.empty(9)
    mujoco.mju_quat2Mat(matrix, quaternion)
    return matrix.reshape(3, 3)
