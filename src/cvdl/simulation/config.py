"""Settings of the simulation."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from cvdl.core.settings import Settings, setting

__all__ = ["SimulationConfig"]


class SimulationConfig(Settings):
    """What scenes are drawn from.

    The domain `world` draws image sizes, numbers of objects and elevations itself: the other
    settings are those of the domain `tabletop`.
    """

    domain: Literal["tabletop", "world"] = setting(
        "tabletop",
        "tabletop: household objects on a table; world: any thing anywhere, seen by any camera.",
    )
    width: int = setting(640, "Image width, pixels.", ge=64, le=1920)
    height: int = setting(480, "Image height, pixels.", ge=48, le=1200)
    min_objects: int = setting(
        2,
        "Smallest number of objects on the table; an object that finds no place is skipped.",
        ge=0,
        le=20,
    )
    max_objects: int = setting(8, "Largest number of objects on the table.", ge=1, le=20)
    min_elevation: float = setting(
        20.0, "Lowest elevation of the camera above the table, degrees.", ge=10, le=90
    )
    max_elevation: float = setting(
        90.0, "Highest elevation of the camera above the table, degrees.", ge=10, le=90
    )

    @model_validator(mode="after")
    def _ordered(self) -> SimulationConfig:
        if self.min_objects > self.max_objects or self.min_elevation > self.max_elevation:
            raise ValueError("a smallest value is above its largest value")
        return self
