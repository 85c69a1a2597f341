"""Simulation: seeded scenes with color, depth and ground truth. Needs the extra "sim"."""

# ruff: noqa: E402
from cvdl.core.extras import require

require("sim", "the simulation")  # before its modules import the libraries

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
