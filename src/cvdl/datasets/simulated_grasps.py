"""Simulated scenes as a data set of grasps."""

from __future__ import annotations

from collections.abc import Iterator

from cvdl.datasets.grasp_sample import GraspSample
from cvdl.simulation.config import SimulationConfig
from cvdl.simulation.generate import in_order
from cvdl.simulation.grasps import ParallelGripper, label_grasps
from cvdl.simulation.scene import simulate_scene

__all__ = ["SimulatedGrasps"]


class SimulatedGrasps:
    """Scenes 0 to ``count`` - 1 of a seed, with grasps labelled from geometry.

    A scene is made when it is asked for, the same each time and nothing is kept. Each holds
    several things; no two scenes share one, so a scene stands for an object in object-wise folds.

    Args:
        seed: not negative.
        count: of scenes, not negative.
        config: what scenes are drawn from; None: the default.
        gripper: whose grasps they are; None: the default.

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
        if seed < 0 or count < 0:
            raise ValueError(f"seed and count must not be negative, got {seed} and {count}")
        self.seed, self._config, self._gripper = seed, config, gripper
        self.names = [f"scene{index}" for index in range(count)]
        self.object_ids = list(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[GraspSample]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> GraspSample:
        """One scene; negative indices count from the end.

        Raises:
            IndexError: past the end.
        """
        position = range(len(self))[index]
        scene = simulate_scene(self.seed, position, self._config)
        labels = label_grasps(scene, self._gripper)
        name = self.names[position]
        return GraspSample(name, name, scene.frame, labels.good, labels.bad)

    def on_processes(self, processes: int | None = None) -> Iterator[GraspSample]:
        """All samples in order, made on several processes; the same as from one.

        Args:
            processes: as of ``cvdl.simulation.generate.in_order``.
        """
        return in_order(self.__getitem__, len(self), processes)
