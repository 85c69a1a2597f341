"""Executes candidates for grasps in many simulated scenes: what the chance to hold is learnt from.

Each scene is settled once and seen by several cameras. Half of the scenes have the gripper of the
settings, the others one of random sizes. Of each object, those candidates are executed that would
be published, and some others at random, half of which are moved a little.
"""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from pathlib import Path

import cv2
import mujoco
import numpy as np
from numpy.typing import NDArray

from cvdl.core.errors import InputError
from cvdl.core.files import write_atomically
from cvdl.core.scene import Scene
from cvdl.core.threads import usable_cores
from cvdl.evaluation.physics.protocol import category_names, shown_objects
from cvdl.evaluation.physics.settings import PhysicsSettings
from cvdl.evaluation.physics.trial import WorldGrasp, execute
from cvdl.evaluation.physics.world import World
from cvdl.grasping.config import GraspConfig
from cvdl.grasping.hands import Hands, SceneCloud
from cvdl.grasping.holding.executed import (
    ExecutedHands,
    GripperSizes,
    read_executed,
    write_executed,
)
from cvdl.grasping.stage import GraspStage, best_hands
from cvdl.pipeline import Perception, PerceptionConfig
from cvdl.simulation.config import SimulationConfig
from cvdl.simulation.generate import SimulatedScene, draw_scene, in_order, picture

__all__ = ["LabelingRun", "label_scenes"]

Array = NDArray[np.float64]
Rng = np.random.Generator

#: Marks a folder of executed grasps; holds what they depend on.
_RECIPE = "grasps.json"
#: Smallest and largest sizes of random grippers, meters, in the order of `GripperSizes`.
_SIZES = np.array([[0.06, 0.14], [0.006, 0.02], [0.01, 0.03], [0.04, 0.08]])
#: Scenes with more constraints than this after settling are left out: their things never come to
#: rest, and a grasp takes many seconds.
_RESTLESS = 300
#: Scenes with a thing that takes longer to cut into convex pieces are left out, too, seconds.
_PATIENCE = 60.0
#: The camera is moved around the things by up to this, and up or down, degrees.
_AROUND, _UP = 45.0, 15.0
#: It stays between these elevations, degrees, unless it was drawn beyond them.
_LOWEST, _HIGHEST = 20.0, 85.0
#: Standard deviations of what candidates are moved by: meters along each axis, radians about each,
#: meters of the opening.
_MOVE, _TURN, _OPEN = 0.004, 0.06, 0.004
#: The result of poses for a segment that shows no object; they are not executed.
_NO_OBJECT = "no object"


@dataclass(frozen=True)
class LabelingRun:
    """What is executed.

    Attributes:
        seed: of the scenes.
        simulation: what scenes are drawn from.
        perception: settings of the stages; the detection does not run.
        physics: settings of the physics.
        views: pictures of each scene.
        poses: most candidates that are executed in a picture.
    """

    seed: int
    simulation: SimulationConfig
    perception: PerceptionConfig
    physics: PhysicsSettings
    views: int = 3
    poses: int = 60

    def recipe(self) -> dict[str, object]:
        """Everything that the grasps depend on, as JSON has it."""
        settings = {
            "simulation": self.simulation.model_dump(mode="json"),
            "perception": self.perception.model_dump(mode="json"),
        }
        return {**asdict(self), **settings}


def label_scenes(
    run: LabelingRun, folder: Path, count: int, processes: int | None = None
) -> Iterator[tuple[int, int]]:
    """Execute the candidates in scenes 0 to ``count`` - 1, each into a file of its own.

    Scenes that have a file are left as they are, so a run that was killed goes on.

    Args:
        run: what is executed.
        folder: of the files, new, empty or of the same run.
        count: number of scenes.
        processes: default: one for each core.

    Yields:
        For each scene, numbers of grasps that were executed and that hold.

    Raises:
        InputError: if the folder holds anything else.
        OSError: if a file cannot be written.
    """
    _prepare(run, folder)
    processes = min(usable_cores(), count) if processes is None else processes
    return in_order(partial(_label_scene, run, folder), count, processes)


def _prepare(run: LabelingRun, folder: Path) -> None:
    file, recipe = folder / _RECIPE, json.loads(json.dumps(run.recipe()))
    if file.is_file():
        if json.loads(file.read_text(encoding="utf-8")) != recipe:
            raise InputError(f"cannot continue {folder}: it was made with other settings")
    elif folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"cannot write {folder}: it holds something else than executed grasps")
    else:
        write_atomically(file, (json.dumps(recipe, indent=1) + "\n").encode())


def _label_scene(run: LabelingRun, folder: Path, index: int) -> tuple[int, int]:
    file = folder / f"scene{index:06d}.npz"
    if file.is_file():
        pictures = read_executed(file)
    else:
        pictures = _executed(run, index)
        write_executed(file, pictures)
    return sum(len(each.hands) for each in pictures), sum(int(p.held.sum()) for p in pictures)


def _executed(run: LabelingRun, index: int) -> list[ExecutedHands]:
    """Settle a scene, picture it, and execute the candidates of each picture."""
    rng = np.random.default_rng([run.seed, 5, index])
    config = run.perception.grasp
    if index % 2:
        config = _random_gripper(rng, config)
    draft = draw_scene(run.seed, index, run.simulation)
    make = partial(World.of, draft, config, run.physics)
    if not _ends_in_time(make):
        return []
    world = make()
    world.settle()
    if world.constraints > _RESTLESS:
        return []
    settled, poses = world.save(), world.poses()
    pictures = []
    for view in range(run.views):
        if view:
            draft = replace(draft, pose=_moved_camera(rng, draft.pose, poses), rng=rng)
        shot = picture(draft, index, poses)
        perception = run.perception.model_copy(update={"grasp": config})
        found = _candidates(perception, shot)
        if found is not None:
            scene, cloud, hands, chance = found
            hands, published = _chosen(rng, hands, chance, config, run.poses)
            moved = ~published & (rng.random(len(hands)) < 0.5)
            hands = _moved(rng, hands, moved, config)
            result, category = _results(world, settled, shot, scene, hands)
            sizes = GripperSizes.of(config)
            pictures.append(ExecutedHands(cloud, hands, sizes, result, category, moved))
    return pictures


def _results(
    world: World, settled: mujoco.MjData, shot: SimulatedScene, scene: Scene, hands: Hands
) -> tuple[NDArray[np.str_], NDArray[np.str_]]:
    """The results (N,) of hands, each from the settled state, and categories (N,) of objects."""
    targets = shown_objects(scene, shot)
    names = category_names(shot)
    results, categories = [], []
    for k, label in enumerate(hands.label.tolist()):
        target, result = targets[label], _NO_OBJECT
        if target:
            world.restore(settled)
            grasp = WorldGrasp.seen(
                shot.camera_pose, hands.position[k], hands.rotation[k], float(hands.opening[k])
            )
            result = execute(world, grasp, target).result
        results.append(result)
        categories.append(names[target])
    return np.array(results, np.str_), np.array(categories, np.str_)


def _ends_in_time(make: Callable[[], object]) -> bool:
    """Whether something is made in time and without a crash: CoACD cannot be interrupted.

    What a world needs of CoACD is then in the cache.
    """
    process = multiprocessing.get_context("fork").Process(target=make)
    process.start()
    process.join(_PATIENCE)
    if process.is_alive():
        process.kill()
        process.join()
    return process.exitcode == 0


def _random_gripper(rng: Rng, config: GraspConfig) -> GraspConfig:
    sizes = GripperSizes(*rng.uniform(*_SIZES.T).tolist())
    insertion = min(config.insertion, sizes.plate_length)
    return GraspConfig.model_validate(
        {**config.model_dump(), **asdict(sizes), "insertion": insertion}
    )


def _moved_camera(rng: Rng, pose: Array, things: Mapping[int, Array]) -> Array:
    """The camera (4, 4), moved around the things that it sees."""
    eye, sight = pose[:3, 3], pose[:3, 2]
    centers = np.array([at[:3, 3] for at in things.values()] or [eye + sight])
    target = eye + sight * ((np.median(centers, axis=0) - eye) @ sight)
    elevation = float(np.degrees(np.arcsin(-sight[2])))
    low, high = min(_LOWEST, elevation), max(_HIGHEST, elevation)
    up = np.clip(elevation + rng.uniform(-_UP, _UP), low, high) - elevation
    around = np.radians(rng.uniform(-_AROUND, _AROUND))
    turn, _ = cv2.Rodrigues(np.array([0.0, 0.0, around]))
    level = np.cross(sight, [0.0, 0.0, 1.0])
    level /= max(float(np.linalg.norm(level)), 1e-9)
    lift, _ = cv2.Rodrigues(-np.radians(up) * level)
    rotation = turn @ lift
    moved = pose.copy()
    moved[:3, :3] = rotation @ pose[:3, :3]
    moved[:3, 3] = target + rotation @ (eye - target)
    return moved


@cache
def _perception(settings: str) -> Perception:
    """The stages of a process, once; settings are JSON, which can be hashed."""
    config = PerceptionConfig.model_validate_json(settings)
    return Perception(config.segmentation_only())


@cache
def _grasp_stage(settings: str) -> GraspStage:
    return GraspStage(GraspConfig.model_validate_json(settings))


def _candidates(
    config: PerceptionConfig, shot: SimulatedScene
) -> tuple[Scene, SceneCloud, Hands, Array] | None:
    """The scene in a picture, all candidates for grasps and their chances; None without any."""
    usual = PerceptionConfig().grasp
    perceive = _perception(config.model_copy(update={"grasp": usual}).model_dump_json())
    loaded = _grasp_stage(usual.model_dump_json())
    found: list[tuple[SceneCloud, Hands, Array]] = []

    def keep(cloud: SceneCloud, hands: Hands, config: GraspConfig) -> Array:
        chance = loaded.predictor(cloud, hands, config)
        found.append((cloud, hands, chance))
        return chance

    stage = GraspStage(config.grasp, loaded.detector, keep)
    frame, scene = perceive.segment(shot.frame)
    stage(frame, scene)
    return (scene, *found[0]) if found and len(found[0][1]) else None


def _chosen(
    rng: Rng, hands: Hands, chance: Array, config: GraspConfig, most: int
) -> tuple[Hands, NDArray[np.bool_]]:
    """Choose hands to execute: those that would be published, then others at random.

    Returns:
        K hands and whether they would be published, (K,).
    """
    published = best_hands(hands, chance, config)
    others = np.setdiff1d(np.arange(len(hands)), published)
    chosen = np.concatenate([published, rng.permutation(others)])[:most]
    return hands[chosen], np.isin(chosen, published)


def _moved(rng: Rng, hands: Hands, which: NDArray[np.bool_], config: GraspConfig) -> Hands:
    """Some of the hands moved a little at random."""
    position, rotation, opening = hands.position.copy(), hands.rotation.copy(), hands.opening.copy()
    for k in np.flatnonzero(which):
        turn, _ = cv2.Rodrigues(rng.normal(0, _TURN, 3))
        position[k] += rng.normal(0, _MOVE, 3)
        rotation[k] = turn @ rotation[k]
        widest = opening[k] + rng.normal(0, _OPEN)
        opening[k] = np.clip(widest, max(config.min_opening, 0.005), config.max_opening)
    return replace(hands, position=position, rotation=rotation, opening=opening)
