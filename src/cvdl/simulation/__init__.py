"""The simulated tabletop: seeded scenes with colour, depth and the truth about them."""

from cvdl.simulation.config import SimulationConfig
from cvdl.simulation.generate import simulate_scenes
from cvdl.simulation.scene import PlacedObject, SimulatedScene, simulate_scene
from cvdl.simulation.shapes import CATEGORIES

__all__ = [
    "CATEGORIES",
    "PlacedObject",
    "SimulatedScene",
    "SimulationConfig",
    "simulate_scene",
    "simulate_scenes",
]
