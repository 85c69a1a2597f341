"""Settings of the simulated tabletop."""

from __future__ import annotations

from pydantic import Field, model_validator

from cvdl.core.settings import Settings

__all__ = ["SimulationConfig"]


class SimulationConfig(Settings):
    """What scenes are drawn from."""

    width: int = Field(640, ge=64, le=1920, description="Image width, pixels.")
    height: int = Field(480, ge=48, le=1200, description="Image height, pixels.")
    min_objects: int = Field(
        2,
        ge=0,
        le=20,
        description="Smallest number of objects on the table; an object that finds no place is "
        "skipped.",
    )
    max_objects: int = Field(8, ge=1, le=20, description="Largest number of objects on the table.")
    min_elevation: float = Field(
        20.0, ge=10, le=90, description="Lowest elevation of the camera above the table, degrees."
    )
    max_elevation: float = Field(
        90.0, ge=10, le=90, description="Highest elevation of the camera above the table, degrees."
    )

    @model_validator(mode="after")
    def _ordered(self) -> SimulationConfig:
        if self.min_objects > self.max_objects or self.min_elevation > self.max_elevation:
            raise ValueError("a smallest value is above its largest value")
        return self
