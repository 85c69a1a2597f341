"""A free-flying parallel gripper in MuJoCo.

A carriage moves along the axes of the world and carries the hand, which is turned for each grasp.
Two plates slide along the hand's x axis and are coupled, as in a gripper with one motor.
"""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from cvdl.evaluation.physics.settings import TIMESTEP, PhysicsSettings
from cvdl.grasping.config import GraspConfig
from cvdl.grasping.hands import PALM

__all__ = ["PARKED", "Gripper", "add_gripper", "quaternion"]

Array = NDArray[np.float64]

#: Where the gripper waits, out of everything's way, meters.
PARKED = np.array([0.0, 0.0, 20.0])
#: Bits of contacts: the gripper touches everything but itself.
_BITS = 2
_SIDES = {"left": -1.0, "right": 1.0}
#: Mass of the hand, and of a plate, kg.
_HAND_MASS, _PLATE_MASS = 1.0, 0.05
#: Inertia of motor and gears as it acts on a plate, kg. It makes contacts stiff: in MuJoCo, force
#: divided by mass determines how deep two bodies overlap.
_MOTOR = 1.0
#: Time constant and damping ratio of contacts of the pads: as stiff as the timestep allows.
_STIFF = [2 * TIMESTEP, 1]
#: Stiffness of an arm, N/m.
_ARM = 30_000.0
#: Stiffness of the closing until the force of the fingers is reached, N/m.
_CLOSING = 5_000.0
#: Torsional friction of a pad, meters: the radius of its contact with a round thing.
_TORSION = 0.005


def add_gripper(spec: mujoco.MjSpec, config: GraspConfig, settings: PhysicsSettings) -> None:
    """Add the gripper to a model."""
    # The hand's turn when the model is compiled is any that is along no axis: MuJoCo simplifies
    # the dynamics of bodies along the axes, and the hand is turned later.
    carriage = spec.worldbody.add_body(name="carriage", gravcomp=1)
    for axis, name in zip(np.eye(3), "xyz", strict=True):
        carriage.add_joint(name=name, type=mujoco.mjtJoint.mjJNT_SLIDE, axis=axis)
        _servo(spec, name, _ARM, _HAND_MASS, np.inf)
    hand = carriage.add_body(name="hand", gravcomp=1, quat=[0.8, 0.2, 0.3, 0.4])
    hand.add_geom(
        name="palm", type=mujoco.mjtGeom.mjGEOM_BOX, mass=_HAND_MASS,
        size=[config.max_opening / 2 + config.plate_thickness, config.plate_width / 2, PALM / 2],
        pos=[0, 0, -config.plate_length - PALM / 2], contype=_BITS, conaffinity=0,
    )  # fmt: skip
    for name, side in _SIDES.items():
        plate = hand.add_body(name=name, gravcomp=1)
        plate.add_joint(
            name=name, type=mujoco.mjtJoint.mjJNT_SLIDE, axis=[side, 0, 0],
            range=[0, config.max_opening / 2], limited=True, armature=_MOTOR,
        )  # fmt: skip
        plate.add_geom(
            name=name, type=mujoco.mjtGeom.mjGEOM_BOX, mass=_PLATE_MASS,
            size=[config.plate_thickness / 2, config.plate_width / 2, config.plate_length / 2],
            pos=[side * config.plate_thickness / 2, 0, -config.plate_length / 2],
            contype=_BITS, conaffinity=0, condim=4, friction=[settings.friction, _TORSION, 0],
            solref=_STIFF, priority=1,
        )  # fmt: skip
        _servo(spec, name, _CLOSING, _MOTOR, settings.force)
    coupling = spec.add_equality(
        type=mujoco.mjtEq.mjEQ_JOINT, objtype=mujoco.mjtObj.mjOBJ_JOINT, name1="left",
        name2="right", solref=_STIFF,
    )  # fmt: skip
    coupling.data[:2] = 0, 1


def _servo(spec: mujoco.MjSpec, joint: str, stiffness: float, mass: float, force: float) -> None:
    """A critically damped actuator that holds a joint at its control."""
    actuator = spec.add_actuator(name=joint, target=joint, trntype=mujoco.mjtTrn.mjTRN_JOINT)
    actuator.set_to_position(stiffness, kv=2 * np.sqrt(stiffness * mass))
    if np.isfinite(force):
        actuator.forcelimited = True
        actuator.forcerange = [-force, force]


def quaternion(rotation: Array) -> Array:
    """The quaternion (4,), w first, of a rotation (3, 3)."""
    result = np.empty(4)
    mujoco.mju_mat2Quat(result, np.ascontiguousarray(rotation).ravel())
    return result


class Gripper:
    """Places and moves the gripper of a model.

    Args:
        model: with the gripper.
        data: its state.
        config: sizes of the gripper.
    """

    def __init__(self, model: mujoco.MjModel, data: mujoco.MjData, config: GraspConfig) -> None:
        self._model, self._data, self._config = model, data, config
        self._hand = model.body("hand").id
        self._palm = model.geom("palm").id
        self._at = [int(model.joint(name).qposadr[0]) for name in "xyz"]
        self._along = [int(model.joint(name).dofadr[0]) for name in "xyz"]
        self._plates_at = [int(model.joint(name).qposadr[0]) for name in _SIDES]
        self._plates_along = [int(model.joint(name).dofadr[0]) for name in _SIDES]
        self.pads = [int(model.geom(name).id) for name in _SIDES]
        self.geoms = np.array([self._palm, *self.pads])

    def place(self, position: Array, rotation: Array, opening: float) -> None:
        """Put the gripper somewhere at rest, opened.

        Args:
            position: (3,) of the middle between the tips.
            rotation: (3, 3), columns x along the opening, y along the plates, z the approach.
            opening: between the plates, meters.
        """
        self._model.body_quat[self._hand] = quaternion(rotation)
        # The palm is as wide as the opened plates, as in the grasp stage's check for collisions.
        half = np.array(
            [opening / 2 + self._config.plate_thickness, self._config.plate_width / 2, PALM / 2]
        )
        self._model.geom_size[self._palm] = half
        self._model.geom_rbound[self._palm] = np.linalg.norm(half)
        self._model.geom_aabb[self._palm, 3:] = half
        self._data.qpos[self._at] = position
        self._data.qvel[self._along + self._plates_along] = 0
        self._data.qpos[self._plates_at] = opening / 2
        self.aim(position)
        self.close_to(opening)

    def aim(self, position: Array) -> None:
        """Set where the arm moves the middle between the tips (3,)."""
        self._data.ctrl[:3] = position

    def close_to(self, opening: float) -> None:
        """Set the opening that the plates are driven to, meters; negative: they press."""
        self._data.ctrl[3:] = opening / 2

    @property
    def position(self) -> Array:
        """Of the middle between the tips, (3,) meters."""
        return self._data.qpos[self._at].copy()

    @property
    def opening(self) -> float:
        """Between the plates, meters."""
        return float(self._data.qpos[self._plates_at].sum())

    def boxes(self) -> list[tuple[Any, Any, Any]]:
        """Position (3,), rotation (3, 3) and half sizes (3,) of palm and plates."""
        return [
            (
                self._data.geom_xpos[geom].copy(),
                self._data.geom_xmat[geom].reshape(3, 3).copy(),
                self._model.geom_size[geom].copy(),
            )
            for geom in self.geoms
        ]
