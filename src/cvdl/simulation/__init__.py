"""Simulation: seeded scenes with color, depth and ground truth."""

from cvdl.simulation.config import SimulationConfig
from cvdl.simulation.generate import (
    PlacedObject,
    SimulatedScene,
    simulate_scene,
    simulate_scenes,
)
from cvdl.simulation.shapes import CATEGORIES

__all__ = [
    "CATEGORIES",
    "PlacedObject",
    "SimulatedScene",
    "SimulationConfig",
    "simulate_scene",
    "simulate_scenes",
]
