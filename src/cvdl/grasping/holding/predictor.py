"""The chance that a gripper holds. Imports no torch."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cvdl.grasping.config import GraspConfig
from cvdl.grasping.hands import Hands, SceneCloud
from cvdl.grasping.holding.executed import GripperSizes
from cvdl.grasping.holding.views import draw_views
from cvdl.networks.onnx_files import MAIN
from cvdl.networks.sessions import Graph, open_parts

__all__ = ["WEIGHTS", "HoldingPredictor", "load_holding_predictor"]

#: The network of the package.
WEIGHTS = Path(__file__).with_name("holding.onnx")


class HoldingPredictor:
    """Predicts the chance that the object is held when a pose is executed.

    The network is so small that the CPU is always the fastest for it.

    Args:
        graph: takes ``maps`` and ``values``, see ``Views``; returns chances (N,).
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph

    @classmethod
    def load(cls, path: Path = WEIGHTS) -> HoldingPredictor:
        """Load a network.

        Raises:
            WeightsError: if the file is missing, damaged or holds another model.
        """
        return cls(open_parts(path, "HoldingNetwork", (MAIN,))[MAIN])

    def __call__(self, cloud: SceneCloud, hands: Hands, config: GraspConfig) -> NDArray[np.float64]:
        """Return the chance of each hand (N,), 0 to 1.

        Args:
            cloud: surfaces of the scene.
            hands: N poses, each for an object of the cloud.
            config: sizes of the gripper.
        """
        if not len(hands):
            return np.zeros(0)
        maps, values = draw_views(cloud, hands, GripperSizes.of(config))
        (chance,) = self._graph(maps=maps, values=values)
        return chance.astype(np.float64)


@cache
def load_holding_predictor(path: str = "") -> HoldingPredictor:
    """A trained predictor, which all stages of a process share.

    Args:
        path: a file of ``cvdl train holding``; empty: that of the package.

    Raises:
        InputError: if the file is missing, damaged or holds another model.
    """
    return HoldingPredictor.load(Path(path) if path else WEIGHTS)
