"""Surfaces without end: patterns, prints, metal, glass."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.simulation.textures import Material, ground, printed, tabletop, wall

__all__ = ["any_color", "any_look", "cloth_look", "glass", "ground_look", "matt", "metal"]

Image = NDArray[np.uint8]
Rng = np.random.Generator
Color = NDArray[np.float64]

_SIZE = 128  # of textures, pixels


def any_color(rng: Rng) -> Color:
    """Draw an sRGB color (3,), 0 to 255: often gray, white, black or brown, else of any hue."""
    kind = rng.uniform()
    if kind < 0.12:
        return np.full(3, rng.uniform(200, 250))
    if kind < 0.24:
        return np.full(3, rng.uniform(12, 60))
    if kind < 0.36:
        return np.full(3, rng.uniform(60, 200)) + rng.normal(0, 6, 3)
    if kind < 0.46:
        return np.clip(
            np.array([190, 145, 95]) * rng.uniform(0.5, 1.25) + rng.normal(0, 8, 3), 0, 255
        )
    hue, saturation, value = rng.uniform(0, 180), rng.uniform(30, 255), rng.uniform(50, 255)
    pixel = np.array([[[hue, saturation, value]]], np.uint8)
    return cv2.cvtColor(pixel, cv2.COLOR_HSV2RGB)[0, 0].astype(np.float64)


def matt(color: Color, gloss: float = 0.05) -> Material:
    """Make one even color."""
    return Material(np.full((2, 2, 3), np.clip(color, 0, 255), np.uint8), gloss)


def metal(rng: Rng) -> Material:
    """Draw steel, aluminum, brass or copper: brushed or polished."""
    tone = np.array(
        [[190, 192, 196], [120, 122, 128], [205, 175, 105], [190, 120, 85]][rng.integers(4)]
    ) * rng.uniform(0.7, 1.1)
    image = _ramp(_noise(int(rng.integers(8)), (2, 60)), tone * 0.88, tone * 1.06)
    mirror = rng.uniform(0.2, 0.9) if rng.uniform() < 0.4 else 0.0
    return Material(image, rng.uniform(0.5, 1.0), mirror=mirror)


def glass(rng: Rng) -> Material:
    """Draw glass or clear plastic, sometimes tinted or milky."""
    tone = any_color(rng) if rng.uniform() < 0.35 else np.full(3, rng.uniform(170, 235))
    return replace(matt(tone, rng.uniform(0.6, 1.0)), opacity=rng.uniform(0.04, 0.5), mirror=0.1)


def _gloss(rng: Rng) -> float:
    return float(rng.choice([0.0, 0.1, 0.3, 0.6, 0.95], p=[0.25, 0.3, 0.2, 0.15, 0.1]))


def any_look(rng: Rng) -> Material:
    """Draw the look of a thing."""
    kind = rng.uniform()
    if kind < 0.34:
        tone = any_color(rng)
        pattern = _noise(int(rng.integers(8)), (8, 8))
        return Material(_ramp(pattern, tone * rng.uniform(0.85, 1), tone), _gloss(rng))
    if kind < 0.42:
        return metal(rng)
    if kind < 0.56:
        return printed(rng, _gloss(rng))
    if kind < 0.70:
        cells = (int(rng.choice([2, 4, 8, 16])), int(rng.choice([2, 4, 8, 16, 64])))
        return Material(_colored(_noise(int(rng.integers(8)), cells), rng), _gloss(rng))
    return Material(_drawn(rng), _gloss(rng))


def cloth_look(rng: Rng) -> Material:
    """Draw woven or printed cloth."""
    pattern = _noise(int(rng.integers(8)), (32, 32))
    if rng.uniform() < 0.5:
        tone = any_color(rng)
        return Material(_ramp(pattern, tone * 0.7, tone), 0.0)
    image = _drawn(rng).astype(np.int16) + pattern[..., None] // 8 - 16
    return Material(np.clip(image, 0, 255).astype(np.uint8), 0.0)


def ground_look(rng: Rng) -> Material:
    """Draw the look of a table top, a floor or a wall: from plain to busy."""
    if rng.uniform() < 0.4:
        return (tabletop, ground, wall)[rng.integers(3)](rng)
    kind = rng.uniform()
    gloss = float(rng.choice([0.0, 0.1, 0.4, 0.8], p=[0.5, 0.25, 0.15, 0.1]))
    if kind < 0.55:
        tone = any_color(rng)
        return Material(_ramp(_noise(int(rng.integers(8)), (8, 8)), tone * 0.94, tone), gloss)
    if kind < 0.85:
        cells = [(2, 90), (4, 4), (16, 16), (64, 64), (8, 32)][rng.integers(5)]
        tone = any_color(rng)
        pattern = _noise(int(rng.integers(8)), cells)
        return Material(_ramp(pattern, tone * rng.uniform(0.4, 0.9), tone), gloss)
    if kind < 0.91:
        return Material(_colored(_noise(int(rng.integers(8)), (4, 4)), rng), gloss)
    return Material(_drawn(rng), gloss)


def _drawn(rng: Rng) -> Image:
    """Stripes, checks, dots, a gradient or patches in two to four colors."""
    image = np.empty((_SIZE, _SIZE, 3), np.uint8)
    image[:] = any_color(rng)
    other = any_color(rng)
    kind = rng.integers(5)
    period = int(rng.choice([8, 16, 32, 64]))
    width = max(1, int(period * rng.uniform(0.15, 0.6)))
    at = np.arange(_SIZE) % period < width
    if kind == 0:
        image[at] = other
        if rng.uniform() < 0.4:
            image[:, at] = any_color(rng)
    elif kind == 1:
        image[np.arange(_SIZE)[:, None] // period % 2 == np.arange(_SIZE) // period % 2] = other
    elif kind == 2:
        for y in range(period // 2, _SIZE, period):
            for x in range(period // 2, _SIZE, period):
                cv2.circle(image, (x, y), max(1, width // 2), other.tolist(), -1, cv2.LINE_AA)
    elif kind == 3:
        blend = np.linspace(0, 1, _SIZE)[:, None, None]
        image = (image * (1 - blend) + other * blend).astype(np.uint8)
    else:
        for _ in range(rng.integers(3, 9)):
            corners = rng.integers(0, _SIZE, (int(rng.integers(3, 6)), 2)).astype(np.int32)
            cv2.fillPoly(image, [corners], any_color(rng).tolist(), cv2.LINE_AA)
    if rng.uniform() < 0.3:
        _write(image, rng)
    return image


def _write(image: Image, rng: Rng) -> None:
    text = "".join(rng.choice(list("ABCDEFGHKLMNOPRSTUVXZ0123456789"), rng.integers(2, 7)))
    at = (int(rng.integers(0, 40)), int(rng.integers(30, _SIZE)))
    scale, weight = rng.uniform(0.5, 2), int(rng.integers(1, 5))
    cv2.putText(image, text, at, 0, scale, any_color(rng).tolist(), weight, cv2.LINE_AA)


def _ramp(pattern: Image, dark: Color, light: Color) -> Image:
    blend = np.linspace(0, 1, 256)[:, None]
    ramp = np.clip((1 - blend) * dark + blend * light, 0, 255).astype(np.uint8)
    return cv2.applyColorMap(pattern, ramp[:, None])


def _colored(pattern: Image, rng: Rng) -> Image:
    """A pattern in two to five colors, with sharp or soft borders."""
    count = int(rng.integers(2, 6))
    colors = np.array([any_color(rng) for _ in range(count)])
    at = np.linspace(60, 195, count)
    level = np.arange(256)
    if rng.uniform() < 0.5:
        ramp = colors[np.abs(level[:, None] - at).argmin(axis=1)]
    else:
        ramp = np.stack([np.interp(level, at, colors[:, k]) for k in range(3)], axis=1)
    return cv2.applyColorMap(pattern, ramp.astype(np.uint8)[:, None])


@cache
def _noise(number: int, cells: tuple[int, int]) -> Image:
    """A gray pattern that repeats without a seam, the same in every run."""
    rng = np.random.default_rng([number, *cells])
    total = np.zeros((_SIZE, _SIZE))
    for octave in range(4):
        rows, columns = (min(n << octave, _SIZE) for n in cells)
        padded = np.pad(rng.uniform(size=(rows, columns)), 2, mode="wrap")
        x = (np.arange(_SIZE, dtype=np.float32) + 0.5) * columns / _SIZE + 1.5
        y = (np.arange(_SIZE, dtype=np.float32) + 0.5) * rows / _SIZE + 1.5
        map_x, map_y = np.meshgrid(x, y)
        total += cv2.remap(padded, map_x, map_y, cv2.INTER_CUBIC) * 0.6**octave
    low, high = np.percentile(total, [1, 99])
    return (255 * np.clip((total - low) / (high - low), 0, 1)).astype(np.uint8)
