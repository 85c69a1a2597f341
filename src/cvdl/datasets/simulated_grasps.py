"""Simulated scenes as a data set of grasps."""

from __future__ import annotations

from cvdl.datasets.grasp_sample import GraspSample
from cvdl.datasets.simulated_views import SimulatedViews
from cvdl.simulation.config import SimulationConfig
from cvdl.simulation.generate import SimulatedScene
from cvdl.simulation.grasps import ParallelGripper, label_grasps

__all__ = ["SimulatedGrasps"]


class SimulatedGrasps(SimulatedViews[GraspSample]):
    """Scenes of a seed, with grasps labelled from geometry; see ``SimulatedViews``.

    Each holds several things; no two scenes share one, so a scene stands for an object in
    object-wise folds.

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
        super().__init__(seed, count, config)
        self._gripper = gripper
        self.object_ids = list(self.names)

    def _labelled(self, name: str, scene: SimulatedScene) -> GraspSample:
        labels = label_grasps(scene, self._gripper)
        return GraspSample(name, name, scene.frame, labels.good, labels.bad)
