"""Simulated scenes as a data set of boxes and masks."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from cvdl.datasets.detection_sample import DetectionSample
from cvdl.simulation.config import SimulationConfig
from cvdl.simulation.generate import in_order
from cvdl.simulation.scene import simulate_scene
from cvdl.simulation.shapes import CATEGORIES

__all__ = ["SimulatedDetection"]


class SimulatedDetection:
    """Scenes 0 to ``count`` - 1 of a seed, with boxes and masks of what is visible.

    A scene is made when it is asked for, the same each time, and nothing is kept.

    Args:
        seed: not negative.
        count: of scenes, not negative.
        config: what scenes are drawn from; None: the default.

    Raises:
        ValueError: if ``seed`` or ``count`` is negative.
    """

    classes: tuple[str, ...] = tuple(CATEGORIES)

    def __init__(self, seed: int, count: int, config: SimulationConfig | None = None) -> None:
        if seed < 0 or count < 0:
            raise ValueError(f"seed and count must not be negative, got {seed} and {count}")
        self.seed, self._config = seed, config
        self.names = [f"scene{index}" for index in range(count)]

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[DetectionSample]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> DetectionSample:
        """One scene; negative indices count from the end.

        Raises:
            IndexError: past the end.
        """
        position = range(len(self))[index]
        scene = simulate_scene(self.seed, position, self._config)
        objects = scene.truth.objects
        labels = scene.truth.labels
        return DetectionSample(
            self.names[position],
            scene.frame,
            np.array([item.box2d for item in objects], np.float64).reshape(-1, 4),
            np.array([self.classes.index(item.class_name) for item in objects], np.int64),
            np.zeros(len(objects), bool),
            labels == np.array([item.label for item in objects], labels.dtype)[:, None, None],
        )

    def on_processes(self, processes: int | None = None) -> Iterator[DetectionSample]:
        """All samples in order, made on several processes; the same as from one.

        Args:
            processes: as of ``cvdl.simulation.generate.in_order``.
        """
        return in_order(self.__getitem__, len(self), processes)
