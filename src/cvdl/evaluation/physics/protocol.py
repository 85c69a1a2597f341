"""What is executed on a scene: ground truth, published grasps, a baseline, and clearing the table.

Every grasp of the first three is executed from the settled scene. Clearing goes on from where the
last grasp has left things: see ``cvdl.evaluation.physics.clearing``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from time import process_time

import numpy as np
from numpy.typing import NDArray

from cvdl.core.scene import FIRST_OBJECT_LABEL, Grasp, Scene, SceneObject
from cvdl.core.threads import usable_cores
from cvdl.evaluation.physics.clearing import clear
from cvdl.evaluation.physics.film import Film, FilmedWorld, grasp_film
from cvdl.evaluation.physics.pictures import Picture, failure_picture
from cvdl.evaluation.physics.settings import PARTS, PhysicsSettings
from cvdl.evaluation.physics.trial import APPROACH, Outcome, WorldGrasp, execute
from cvdl.grasping.config import GraspConfig
from cvdl.grasping.hands import PALM
from cvdl.pipeline import Perception, PerceptionConfig
from cvdl.simulation.config import SimulationConfig
from cvdl.simulation.draft import Draft
from cvdl.simulation.generate import SimulatedScene, draw_scene, in_order, picture
from cvdl.simulation.grasps import ParallelGripper, label_grasps

__all__ = [
    "ObjectTries",
    "PhysicsRun",
    "SceneTrials",
    "Trial",
    "category_names",
    "execute_scenes",
    "shown_objects",
]

Array = NDArray[np.float64]

#: The opening of the baseline is wider than the box by this, and its tips this far below the top,
#: meters.
_WIDER, _DEEP = 0.02, 0.02
#: Distance that the baseline keeps from the support, meters.
_ABOVE = 0.003


@dataclass(frozen=True)
class Trial:
    """An executed grasp.

    Attributes:
        target: label of the object that is meant, in the simulation; 0 for none.
        category: of the object; empty for a thing of no kind, or for none.
        angle: between the approach and the line of sight to the grasp, degrees.
        opening: of the gripper before closing, meters.
        score: of a published grasp; 0 for others.
        outcome: how it ended.
        seconds: of processor time to execute it.
        picture: of a failure, if asked for.
        film: of a failure, if asked for.
    """

    target: int
    category: str
    angle: float
    opening: float
    score: float
    outcome: Outcome
    seconds: float
    picture: Picture | None = None
    film: Film | None = None


@dataclass(frozen=True)
class ObjectTries:
    """The published grasps of one segmented object, best first, until one holds.

    Attributes:
        target: label of the object of the simulation that most of the segment's pixels show; 0 if
            most show none.
        category: of that object.
        tries: none if it has no grasp.
    """

    target: int
    category: str
    tries: tuple[Trial, ...]

    @property
    def is_object(self) -> bool:
        """Whether it is an object of the simulation."""
        return self.target > 0

    @property
    def held(self) -> bool:
        """Whether one of the grasps holds."""
        return any(each.outcome.held for each in self.tries)


@dataclass(frozen=True)
class SceneTrials:
    """All that was executed on a scene; nothing of the parts that were not asked for.

    Attributes:
        name: of the scene.
        objects: number of things on the support at first.
        control: grasps of the simulation's ground truth.
        best: the first grasp of the frame; None without grasps.
        published: of each segment.
        baseline: straight down over the middle of each segmented object's box.
        clearing: the tries to clear the table, in order.
        cleared: number of things that were taken off.
    """

    name: str
    objects: int
    control: tuple[Trial, ...]
    best: Trial | None
    published: tuple[ObjectTries, ...]
    baseline: tuple[Trial, ...]
    clearing: tuple[Trial, ...]
    cleared: int

    def can_be_held(self) -> set[int]:
        """Labels of the objects that some grasp holds where they stood at first.

        The control shows this also for objects that no published grasp holds. Things that no
        gripper of this size can hold, such as a wide book that lies, are not among them.
        """
        tries = (trial for each in self.published for trial in each.tries)
        return {
            trial.target
            for trials in (self.control, self.baseline, tries)
            for trial in trials
            if trial.outcome.held
        }


@dataclass(frozen=True)
class PhysicsRun:
    """What is evaluated.

    Attributes:
        seed: of the scenes.
        simulation: what scenes are drawn from.
        perception: settings of the stages; the detection does not run.
        physics: settings of the physics.
        pictures: whether failures are pictured.
        films: whether failures are filmed.
        parts: of the protocol, what is executed: some of `PARTS`.
    """

    seed: int
    simulation: SimulationConfig
    perception: PerceptionConfig
    physics: PhysicsSettings
    pictures: bool = False
    films: bool = False
    parts: tuple[str, ...] = PARTS


def execute_scenes(
    run: PhysicsRun, count: int, processes: int | None = None
) -> Iterator[SceneTrials]:
    """Evaluate scenes 0 to ``count`` - 1 in order, on several processes.

    Args:
        run: what is evaluated.
        count: number of scenes.
        processes: default: one for each core.
    """
    processes = min(usable_cores(), count) if processes is None else processes
    return in_order(partial(execute_scene, run), count, processes)


def execute_scene(run: PhysicsRun, index: int) -> SceneTrials:
    """Evaluate one scene."""
    return _Scene(run, index).trials()


@cache
def _perception(settings: str) -> Perception:
    """The stages of a process, once; settings are JSON, which can be hashed."""
    config = PerceptionConfig.model_validate_json(settings)
    names = {"detector": config.detector, "gallery": config.gallery}
    disabled = {key: part.model_copy(update={"enable": False}) for key, part in names.items()}
    return Perception(config.model_copy(update=disabled))


class _Scene:
    """A settled scene, its picture, and a world to execute grasps in."""

    def __init__(self, run: PhysicsRun, index: int) -> None:
        self._run, self._index = run, index
        self._config: GraspConfig = run.perception.grasp
        self._perceive = _perception(run.perception.model_dump_json())
        self._draft: Draft = draw_scene(run.seed, index, run.simulation)
        self._world = FilmedWorld.of(self._draft, self._config, run.physics)
        self._world.settle()
        self._settled = self._world.save()

    def trials(self) -> SceneTrials:
        objects = len(self._world.labels)
        shot = self._picture()
        scene = self._perceive(shot.frame)
        targets = shown_objects(scene, shot)
        parts = self._run.parts
        control = self._control(shot) if "control" in parts else ()
        best, published = None, tuple[ObjectTries, ...]()
        if "published" in parts:
            best, published = self._published(shot, scene, targets)
        baseline = self._baseline(shot, scene, targets) if "baseline" in parts else ()
        clearing = self._clearing() if "clearing" in parts else ()
        return SceneTrials(
            f"scene{self._index}", objects, control, best, published, baseline, clearing,
            sum(len(trial.outcome.taken) for trial in clearing),
        )  # fmt: skip

    def _picture(self) -> SimulatedScene:
        return picture(self._draft, self._index, self._world.poses())

    def _control(self, shot: SimulatedScene) -> tuple[Trial, ...]:
        config = self._config
        gripper = ParallelGripper(
            max_opening=config.max_opening, plate=config.plate_width,
            thickness=config.plate_thickness, finger=config.plate_length - ParallelGripper.tip,
            reach=APPROACH + config.plate_length + PALM,
        )  # fmt: skip
        labels = label_grasps(shot, gripper)
        trials = []
        for k, label in enumerate(labels.good_label.tolist()):
            rotation = labels.rotation[k]
            position = labels.position[k] + gripper.tip * rotation[:, 2]
            opening = float(labels.contact_distance[k] + 2 * gripper.clearance)
            trials.append(self._try(shot, position, rotation, opening, label))
        return tuple(trials)

    def _published(
        self, shot: SimulatedScene, scene: Scene, targets: Mapping[int, int]
    ) -> tuple[Trial | None, tuple[ObjectTries, ...]]:
        grasps: dict[int, list[Grasp]] = defaultdict(list)
        for grasp in scene.grasps:
            grasps[grasp.label].append(grasp)
        names = category_names(shot)
        best, published = None, []
        for item in scene.objects:
            target, tries = targets[item.label], list[Trial]()
            for grasp in grasps[item.label][: self._run.physics.tries]:
                tries.append(self._try_grasp(shot, grasp, target, shown=not tries))
                if grasp is scene.grasps[0]:
                    best = tries[-1]
                if tries[-1].outcome.held:
                    break
            published.append(ObjectTries(target, names[target], tuple(tries)))
        return best, tuple(published)

    def _baseline(
        self, shot: SimulatedScene, scene: Scene, targets: Mapping[int, int]
    ) -> tuple[Trial, ...]:
        return tuple(
            self._try(shot, *_straight_down(item, self._config), targets[item.label])
            for item in scene.objects
            if targets[item.label]
        )

    def _clearing(self) -> tuple[Trial, ...]:
        """Clears the table; the settled scene is lost."""
        self._world.restore(self._settled)

        def look() -> tuple[SimulatedScene, Scene]:
            shot = self._picture()
            return shot, self._perceive(shot.frame)

        def attempt(shot: SimulatedScene, scene: Scene, grasp: Grasp) -> Trial:
            self._settled = self._world.save()
            return self._try_grasp(shot, grasp, shown_objects(scene, shot)[grasp.label])

        return clear(self._world, look, attempt)

    def _try_grasp(
        self, shot: SimulatedScene, grasp: Grasp, target: int, shown: bool = False
    ) -> Trial:
        world, filmed = self._world, shown and self._run.films
        if filmed:
            world.watch()
        trial = self._try(shot, grasp.position, grasp.rotation, grasp.opening_m, target)
        moments = world.cut() if filmed else []
        trial = replace(trial, score=grasp.score)
        if shown and self._run.pictures and not trial.outcome.held:
            trial = replace(trial, picture=failure_picture(self._draft, world, shot, grasp))
        if filmed and not trial.outcome.held:
            done = WorldGrasp.seen(
                shot.camera_pose, grasp.position, grasp.rotation, grasp.opening_m
            )
            film = grasp_film(self._draft, moments, done, world.gripper.position)
            trial = replace(trial, film=film)
        return trial

    def _try(
        self, shot: SimulatedScene, position: Array, rotation: Array, opening: float, target: int
    ) -> Trial:
        """Execute a grasp in the camera's frame, from the settled scene."""
        grasp = WorldGrasp.seen(shot.camera_pose, position, rotation, opening)
        start = process_time()
        self._world.restore(self._settled)
        outcome = execute(self._world, grasp, target)
        seconds = process_time() - start
        cosine = rotation[:, 2] @ position / np.linalg.norm(position)
        angle = float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))
        return Trial(target, category_names(shot)[target], angle, opening, 0.0, outcome, seconds)


def category_names(shot: SimulatedScene) -> dict[int, str]:
    """Categories by label; 0 is no object."""
    return {0: ""} | {item.label: item.category for item in shot.objects}


def shown_objects(scene: Scene, shot: SimulatedScene) -> dict[int, int]:
    """For each segment the object that most of its pixels show; 0 if most show none."""
    targets = {}
    for item in scene.objects:
        shown = np.bincount(shot.truth.labels[scene.mask(item)])
        most = int(shown.argmax())
        targets[item.label] = most if most >= FIRST_OBJECT_LABEL else 0
    return targets


def _straight_down(item: SceneObject, config: GraspConfig) -> tuple[Array, Array, float]:
    """Position (3,), rotation (3, 3) and opening of the baseline's grasp of a box."""
    box = item.box3d
    shorter = int(box.size[1] < box.size[0])
    x, z = box.rotation[:, shorter], -box.rotation[:, 2]
    rotation = np.stack([x, np.cross(z, x), z], axis=1)
    depth = min(_DEEP, float(box.size[2]) - _ABOVE)
    position = box.center - z * (box.size[2] / 2 - depth)
    return position, rotation, min(float(box.size[shorter]) + _WIDER, config.max_opening)
