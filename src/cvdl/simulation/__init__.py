"""The simulated tabletop: seeded scenes with colour, depth and the truth about them."""

from cvdl.simulation.scene import (
    SimulatedScene,
    SimulationConfig,
    random_camera,
    simulate_scene,
)
from cvdl.simulation.shapes import CATEGORIES

__all__ = [
    "CATEGORIES",
    "SimulatedScene",
    "SimulationConfig",
    "random_camera",
    "simulate_scene",
]
