"""The simulated tabletop: seeded scenes with colour, depth and the truth about them."""

from cvdl.simulation.config import SimulationConfig
from cvdl.simulation.generate import simulate_scenes
from cvdl.simulation.grasps import GraspLabels, ParallelGripper, label_grasps
from cvdl.simulation.scene import PlacedObject, SimulatedScene, simulate_scene
from cvdl.simulation.shapes import CATEGORIES
from cvdl.simulation.view import random_camera

__all__ = [
    "CATEGORIES",
    "GraspLabels",
    "ParallelGripper",
    "PlacedObject",
    "SimulatedScene",
    "SimulationConfig",
    "label_grasps",
    "random_camera",
    "simulate_scene",
    "simulate_scenes",
]
