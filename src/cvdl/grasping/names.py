"""The names of the grasp detectors, for the settings and for what loads and trains them."""

from __future__ import annotations

from typing import Literal, get_args

__all__ = ["DETECTORS", "DetectorName"]

DetectorName = Literal["cascade", "lenz2014"]

DETECTORS: tuple[str, ...] = get_args(DetectorName)
