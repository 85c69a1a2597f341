"""Light of any place: dim or strong, warm or cold, near or far."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cvdl.simulation.shading import Lights

__all__ = ["any_lights"]


def any_lights(rng: np.random.Generator, eye: NDArray[np.float64]) -> Lights:
    """Draw the lamps of a place; some are at the camera ``eye`` (3,)."""
    azimuth, height = rng.uniform(0, 2 * np.pi), np.radians(rng.uniform(15, 88))
    away = rng.uniform(0.7, 4.0)
    level = np.array([np.cos(azimuth), np.sin(azimuth)]) * np.cos(height)
    at = away * np.append(level, np.sin(height))
    if rng.uniform() < 0.1:  # a lamp at the camera
        at = eye + rng.normal(0, 0.08, 3)
        away = max(float(np.linalg.norm(at)), 0.3)
    warmth = rng.normal(0, 0.15)
    tint = np.clip([1 + warmth, 1, 1 - warmth], 0.4, 1.6)
    if rng.uniform() < 0.1:
        tint = rng.uniform(0.4, 1.3, 3)
    share = rng.uniform(0.05, 0.92)
    lamps = int(rng.choice([0, 1, 2, 3], p=[0.6, 0.2, 0.1, 0.1]))
    more = rng.uniform([-2, -2, 1], [2, 2, 3], (lamps, 3))
    fill = rng.uniform(0, 2 * np.pi)
    return Lights(
        key_at=at.astype(np.float32),
        key_radius=float(rng.choice([0.01, 0.08, 0.3, 0.7])),
        key_color=(tint * share * away**2).astype(np.float32),
        sky_color=((tint + 1) / 2 * (1 - share)).astype(np.float32),
        fill_from=np.array([np.cos(fill) * 0.8, np.sin(fill) * 0.8, 0.6], np.float32),
        fill_color=np.full(3, rng.uniform(0, 0.3), np.float32),
        exposure=rng.uniform(0.12, 0.4),
        noise=rng.uniform(0.0, 2.0),
        more_lamps=more.astype(np.float32),
    )
