"""Simulated scenes as data sets of boxes, masks, grasps and labels of all pixels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from functools import partial

import numpy as np

from cvdl.datasets.dataset import Dataset, Sample
from cvdl.datasets.detection_sample import DetectionSample
from cvdl.datasets.grasp_sample import GraspSample
from cvdl.datasets.segmentation_sample import SegmentationSample
from cvdl.simulation.config import SimulationConfig
from cvdl.simulation.generate import SimulatedScene, in_order, simulate_scene
from cvdl.simulation.grasps import ParallelGripper, label_grasps
from cvdl.simulation.shapes import CATEGORIES

__all__ = [
    "SimulatedDataset",
    "SimulatedDetection",
    "SimulatedGrasps",
    "SimulatedSegments",
    "world_grasps",
    "world_segments",
]


class SimulatedDataset(Dataset[Sample], ABC):
    """Scenes 0 to ``count`` - 1 of a seed.

    A scene is made on access, the same each time, and is not kept unless `keep` is called.

    Args:
        seed: not negative.
        count: number of scenes, not negative.
        config: what scenes are drawn from; None: the default.

    Raises:
        ValueError: if ``seed`` or ``count`` is negative.
    """

    def __init__(self, seed: int, count: int, config: SimulationConfig | None = None) -> None:
        if seed < 0 or count < 0:
            raise ValueError(f"seed and count must not be negative, got {seed} and {count}")
        self.seed, self._config = seed, config
        self._kept: list[Sample] = []
        self.names = [f"scene{index}" for index in range(count)]

    @abstractmethod
    def _labeled(self, name: str, scene: SimulatedScene) -> Sample: ...

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Sample:
        position = range(len(self))[index]
        if self._kept:
            return self._kept[position]
        scene = simulate_scene(self.seed, position, self._config)
        return self._labeled(self.names[position], scene)

    def on_processes(self, processes: int | None = None) -> Iterator[Sample]:
        """Make all samples in order on several processes; see `in_order`."""
        return in_order(self.__getitem__, len(self), processes)

    def keep(self, shown: Callable[[Iterator[Sample]], Iterable[Sample]] = iter) -> None:
        """Make all samples and keep them in memory.

        Args:
            shown: shows progress; gets the samples as they are made and returns them.
        """
        self._kept = list(shown(self.on_processes()))


class SimulatedDetection(SimulatedDataset[DetectionSample]):
    """Simulated scenes with boxes and masks of the visible parts."""

    classes: tuple[str, ...] = CATEGORIES

    def _labeled(self, name: str, scene: SimulatedScene) -> DetectionSample:
        objects = scene.truth.objects
        labels = scene.truth.labels
        return DetectionSample(
            name,
            scene.frame,
            np.array([item.box2d for item in objects], np.float64).reshape(-1, 4),
            np.array([self.classes.index(item.class_name) for item in objects], np.int64),
            np.zeros(len(objects), bool),
            labels == np.array([item.label for item in objects], labels.dtype)[:, None, None],
        )


class SimulatedGrasps(SimulatedDataset[GraspSample]):
    """Simulated scenes with grasps labeled from the exact shapes.

    Scenes have several objects and share none, so a scene counts as one object in folds.

    Args:
        seed: not negative.
        count: number of scenes, not negative.
        config: what scenes are drawn from; None: the default.
        gripper: that grasps; None: the default.

    Raises:
        ValueError: if ``seed`` or ``count`` is negative.
    """

    def __init__(
        self,
        seed: int,
        count: int,
        config: SimulationConfig | None = None,
        gripper: ParallelGripper | None = None,
    ) -> None:
        super().__init__(seed, count, config)
        self._gripper = gripper
        self.object_ids = list(self.names)

    def _labeled(self, name: str, scene: SimulatedScene) -> GraspSample:
        labels = label_grasps(scene, self._gripper)
        return GraspSample(name, name, scene.frame, labels.good, labels.bad)


class SimulatedSegments(SimulatedDataset[SegmentationSample]):
    """Simulated scenes with the label of every pixel, also where the depth has no reading."""

    classes: tuple[str, ...] = CATEGORIES

    def _labeled(self, name: str, scene: SimulatedScene) -> SegmentationSample:
        numbers = {category: index for index, category in enumerate(self.classes)}
        classes = [numbers.get(item.category, -1) for item in scene.objects]
        return SegmentationSample(
            name, scene.frame, scene.truth.labels, np.array(classes, np.int64)
        )


_WORLD = SimulationConfig(domain="world")
#: The same for scenes of any thing anywhere; they take a seed and a number of scenes.
world_grasps = partial(SimulatedGrasps, config=_WORLD)
world_segments = partial(SimulatedSegments, config=_WORLD)
