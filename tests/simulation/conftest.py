"""Small scenes for all tests."""

import pytest

from cvdl.simulation import SimulatedScene, SimulationConfig, simulate_scene


@pytest.fixture(scope="session")
def small() -> SimulationConfig:
    return SimulationConfig(width=320, height=240)


@pytest.fixture(scope="session")
def scenes(small: SimulationConfig) -> list[SimulatedScene]:
    """The first scenes of seed 3."""
    return [simulate_scene(3, index, small) for index in range(12)]
