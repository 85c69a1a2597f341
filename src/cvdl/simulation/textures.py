"""Procedural surfaces: wood, cloth, stone, plaster, plain colors and printed packaging."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass
from functools import cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["Material", "ground", "plain", "printed", "random_color", "ripe", "tabletop", "wall"]

Image = NDArray[np.uint8]
Color = tuple[float, float, float]

_SIZE = 256  # of patterns and prints, pixels


@dataclass(frozen=True)
class Material:
    """The look of a surface.

    Attributes:
        texture: (N, N, 3) uint8 sRGB; texture coordinate (0, 0) is its first pixel.
        gloss: 0 (matt) to 1 (specular highlights).
        opacity: 1, or less for a transparent surface, seen at a right angle.
        mirror: share of the mirror image of what is around, 0 to 1.
    """

    texture: Image
    gloss: float = 0.1
    opacity: float = 1.0
    mirror: float = 0.0


def random_color(rng: np.random.Generator, saturation: tuple[float, float] = (0.0, 1.0)) -> Color:
    """Draw an sRGB color (0 to 255), dark to light, of most hues but rarely purple or pink."""
    hue, value = rng.uniform(-0.12, 0.76), rng.uniform(0.15, 0.95)
    return _from_hsv(hue, rng.uniform(*saturation), value)


def plain(rng: np.random.Generator, color: Color, gloss: float | None = None) -> Material:
    """Make a plain color with faint unevenness."""
    gloss = float(rng.choice([0.05, 0.2, 0.5, 0.9])) if gloss is None else gloss
    pattern = _pattern("plaster")[::4, ::4]
    return Material(_ramp(pattern, _shade(color, 0.96), _shade(color, 1.04)), gloss)


def ripe(color: Color, tip: Color) -> Material:
    """Make a color that changes to another one towards both ends of v, as on a banana."""
    blend = np.clip(np.abs(np.linspace(-1, 1, 64)) * 8 - 7, 0, 1)[:, None, None]
    texture = (1 - blend) * np.array(color) + blend * np.array(tip)
    return Material(np.tile(texture, (1, 64, 1)).astype(np.uint8), 0.15)


def tabletop(rng: np.random.Generator) -> Material:
    """Draw wood, stone, cloth or paint."""
    kind = rng.choice(["wood", "planks", "marble", "cloth", "checks", "plaster"])
    if kind in ("wood", "planks"):
        hue, value = rng.uniform(0.05, 0.11), rng.uniform(0.3, 0.9)
        light = _from_hsv(hue, rng.uniform(0.2, 0.6), value)
        return Material(_ramp(_pattern(str(kind)), _shade(light, 0.72), light), rng.uniform(0, 0.5))
    light = random_color(rng, (0, 0.35))
    dark = _shade(light, rng.uniform(0.7, 0.92)) if kind != "plaster" else _shade(light, 0.97)
    return Material(_ramp(_pattern(str(kind)), dark, light), rng.uniform(0, 0.4))


def ground(rng: np.random.Generator) -> Material:
    """Draw parquet, tiles, carpet or stone."""
    kind = str(rng.choice(["planks", "tiles", "carpet", "marble"]))
    hue = rng.uniform(0.04, 0.12) if kind == "planks" else rng.uniform(-0.12, 0.76)
    light = _from_hsv(hue, rng.uniform(0.03, 0.3), rng.uniform(0.25, 0.8))
    return Material(_ramp(_pattern(kind), _shade(light, rng.uniform(0.65, 0.9)), light), 0.05)


def wall(rng: np.random.Generator) -> Material:
    """Draw painted plaster or faint cloth, mostly light."""
    kind = str(rng.choice(["plaster", "cloth", "tiles"], p=[0.7, 0.15, 0.15]))
    light = _from_hsv(rng.uniform(-0.12, 0.76), rng.uniform(0, 0.2), rng.uniform(0.5, 0.95))
    return Material(_ramp(_pattern(kind), _shade(light, 0.93), light), 0.0)


def printed(rng: np.random.Generator, gloss: float = 0.15) -> Material:
    """Draw packaging: bands, patches, ellipses, words, lines of text and a bar code."""
    hue = rng.uniform(-0.12, 0.76)
    base = _from_hsv(hue, rng.uniform(0.2, 1), rng.uniform(0.35, 1))
    image = np.empty((_SIZE, _SIZE, 3), np.uint8)
    image[:] = np.array(base)
    for _ in range(rng.integers(1, 4)):
        start, width = rng.integers(0, _SIZE, 2)
        band = slice(start, start + width // 2 + 8)
        color = _from_hsv(hue + rng.normal(0, 0.2), rng.uniform(0, 1), rng.uniform(0.3, 1))
        if rng.uniform() < 0.5:
            image[band] = np.array(color)
        else:
            image[:, band] = np.array(color)
    for _ in range(rng.integers(0, 3)):
        center = tuple(int(i) for i in rng.integers(30, _SIZE - 30, 2))
        axes = tuple(int(i) for i in rng.integers(15, 80, 2))
        angle = rng.uniform(0, 180)
        color = random_color(rng, (0.3, 1))
        cv2.ellipse(image, center, axes, angle, 0, 360, color, -1, cv2.LINE_AA)
    for _ in range(rng.integers(1, 4)):
        _write(image, rng)
    if rng.uniform() < 0.5:
        x, y = rng.integers(0, _SIZE - 60, 2)
        image[y : y + 36, x : x + 60] = 250
        bars = rng.uniform(size=50) < 0.5
        image[y + 4 : y + 32, x + 5 : x + 55][:, bars] = 20
    return Material(image, gloss)


def _write(image: Image, rng: np.random.Generator) -> None:
    """A word, or a paragraph of gray lines that are too small to read."""
    size = len(image)
    x, y = (int(i) for i in rng.integers(5, size - 80, 2))
    dark = rng.uniform() < 0.5
    color = (25.0, 25.0, 30.0) if dark else (245.0, 245.0, 240.0)
    if rng.uniform() < 0.6:
        word = "".join(rng.choice(list("AEIORSTLNCMK"), rng.integers(3, 8)))
        scale = rng.uniform(0.7, 2.0)
        weight = int(rng.integers(2, 6))
        font = cv2.FONT_HERSHEY_SIMPLEX
        cv2.putText(image, word, (x, y + 40), font, scale, color, weight, cv2.LINE_AA)
        return
    for row in range(int(rng.integers(3, 9))):
        end = x + int(rng.integers(40, 120))
        cv2.line(image, (x, y + 9 * row), (min(end, size - 5), y + 9 * row), color, 2)


def _from_hsv(hue: float, saturation: float, value: float) -> Color:
    r, g, b = colorsys.hsv_to_rgb(hue % 1, saturation, value)
    return 255 * r, 255 * g, 255 * b


def _shade(color: Color, factor: float) -> Color:
    r, g, b = (min(255.0, channel * factor) for channel in color)
    return r, g, b


def _ramp(pattern: Image, dark: Color, light: Color) -> Image:
    """Color a gray pattern (N, N) from ``dark`` at 0 to ``light`` at 255: (N, N, 3)."""
    blend = np.linspace(0, 1, 256)[:, None]
    ramp = ((1 - blend) * np.array(dark) + blend * np.array(light)).astype(np.uint8)
    return cv2.applyColorMap(np.ascontiguousarray(pattern), ramp[:, None])


@cache
def _pattern(kind: str) -> Image:
    """A pattern (N, N) uint8 that repeats without a seam, the same in every run."""
    rng = np.random.default_rng(sum(map(ord, kind)))
    v, u = np.mgrid[:_SIZE, :_SIZE] / _SIZE
    if kind == "plaster":
        field = _noise(rng, (8, 8), octaves=5)
    elif kind == "marble":
        field = np.abs(np.sin(2 * np.pi * (2 * u + v + 1.5 * _noise(rng, (3, 3), octaves=5))))
    elif kind == "carpet":
        field = 0.5 * _noise(rng, (16, 16), octaves=2) + 0.5 * rng.uniform(size=u.shape)
    elif kind == "cloth":
        field = 0.5 + 0.25 * np.sin(2 * np.pi * 40 * u) + 0.25 * np.sin(2 * np.pi * 40 * v)
        field = 0.7 * field + 0.3 * _noise(rng, (8, 8), octaves=3)
    elif kind == "checks":
        field = 0.5 * (np.floor(u * 8) % 2) + 0.4 * (np.floor(v * 8) % 2)
        field += 0.1 * _noise(rng, (32, 32), octaves=2)
    elif kind == "tiles":
        joint = (np.minimum(u * 4 % 1, v * 4 % 1) < 0.03).astype(float)
        shade = rng.uniform(0.7, 1, (4, 4)).repeat(_SIZE // 4, 0).repeat(_SIZE // 4, 1)
        field = shade * (1 - joint) + 0.1 * _noise(rng, (16, 16), octaves=3)
    elif kind == "wood":
        field = _grain(rng, u)
    elif kind == "planks":
        shade = rng.uniform(0.55, 1, 8).repeat(_SIZE // 8)[None, :]
        field = shade * (0.4 + 0.6 * _grain(rng, u)) * (1 - (u * 8 % 1 < 0.03))
    else:
        raise ValueError(f"unknown pattern {kind!r}")
    field = (field - field.min()) / np.ptp(field)
    return (255 * field).astype(np.uint8)


def _grain(rng: np.random.Generator, u: NDArray[Any]) -> NDArray[np.float64]:
    """Grain across u: rings cut lengthwise, with fine fibers."""
    rings = 0.5 + 0.5 * np.sin(2 * np.pi * (6 * u + 2.5 * _noise(rng, (2, 4), octaves=3)))
    return 0.55 * rings + 0.45 * _noise(rng, (3, 90), octaves=2)


def _noise(rng: np.random.Generator, cells: tuple[int, int], octaves: int) -> NDArray[np.float64]:
    """Value noise in [0, 1] that repeats, ``cells`` (rows, columns) in its coarsest octave."""
    total = np.zeros((_SIZE, _SIZE))
    for octave in range(octaves):
        rows, columns = (min(n << octave, _SIZE) for n in cells)
        grid = rng.uniform(size=(rows, columns))
        padded = np.pad(grid, 2, mode="wrap")
        x = (np.arange(_SIZE, dtype=np.float32) + 0.5) * columns / _SIZE + 1.5
        y = (np.arange(_SIZE, dtype=np.float32) + 0.5) * rows / _SIZE + 1.5
        map_x, map_y = np.meshgrid(x, y)
        total += cv2.remap(padded, map_x, map_y, cv2.INTER_CUBIC) * 0.5**octave
    return (total - total.min()) / np.ptp(total)
