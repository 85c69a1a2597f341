"""Random views to learn from: turned, mirrored, zoomed, shifted, in other colours, noisier."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.grasping.rectangles import GraspRectangles
from cvdl.networks.input import COLOR, GEOMETRY, HAS_COLOR, HAS_DEPTH, NORMAL_XY

__all__ = ["TABLETOP", "Augmentation", "augmented_view", "disturb", "warped"]


@dataclass(frozen=True)
class Augmentation:
    """How far views may differ from what was recorded.

    Attributes:
        zoom: largest factor on the size, either way.
        at_a_grasp: share of views round a good grasp; the others are from anywhere.
        color_gain, color_shift: ranges about 1 and 0, in units of the networks' input.
        no_color, no_depth: shares of the views with both from which one is taken away.
        relief_noise: deviation of noise on relief and normals, in units of the input.
    """

    zoom: float = 1.3
    at_a_grasp: float = 0.85
    color_gain: float = 0.35
    color_shift: float = 0.4
    no_color: float = 0.12
    no_depth: float = 0.25
    relief_noise: float = 0.05


#: Of whole scenes, for what learns to name things.
TABLETOP = Augmentation(zoom=1.35, no_color=0.05, no_depth=0.1, color_gain=0.25, color_shift=0.25)


def augmented_view(
    image: NDArray[np.float32],
    good: GraspRectangles,
    size: int,
    rng: np.random.Generator,
    how: Augmentation,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """A random square view.

    Args:
        image: (9, h, w) float32, the networks' input.
        good: rectangles, in pixels of the full image.
        size: of the view, each side, pixels of half resolution.
        rng: the randomness.
        how: its extent.

    Returns:
        The view (9, size, size), and the rectangles (N, 5) float32 in it: u, v, angle, opening,
        plate, in pixels of full resolution.
    """
    height, width = image.shape[1:]
    if len(good) and rng.random() < how.at_a_grasp:
        middle = (good.center[rng.integers(len(good))] - 0.5) / 2
        middle = middle + rng.uniform(-0.35, 0.35, 2) * size
    else:
        middle = rng.uniform(0, (width, height))
    turn = rng.uniform(0, 2 * np.pi)
    zoom = how.zoom ** rng.uniform(-1, 1)
    linear = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    if rng.random() < 0.5:
        linear = linear @ np.diag([-1.0, 1.0])
    view = warped(image, zoom * linear, middle, size)
    view[NORMAL_XY] = np.tensordot(linear, view[NORMAL_XY], axes=1)
    disturb(view, rng, how)

    center = ((good.center - 0.5) / 2 - middle) @ (zoom * linear).T + (size - 1) / 2
    direction = np.stack([np.cos(good.angle), np.sin(good.angle)], axis=1) @ linear.T
    rectangles = np.column_stack(
        [
            center * 2 + 0.5,
            np.arctan2(direction[:, 1], direction[:, 0]),
            good.opening * zoom,
            good.plate * zoom,
        ]
    )
    inside = ((center > 0) & (center < size - 1)).all(axis=1)
    return view, rectangles[inside].astype(np.float32)


def warped(
    image: NDArray[np.float32],
    linear: NDArray[np.float64],
    middle: NDArray[np.float64],
    size: int,
) -> NDArray[np.float32]:
    """A part of an image, turned and stretched; 0 where the image ends.

    Args:
        image: (C, h, w).
        linear: (2, 2), from the image's to the view's directions.
        middle: (2,) u, v of the image: what is in the middle of the view.
        size: of the view, each side.

    Returns:
        (C, size, size).
    """
    shift = (size - 1) / 2 - linear @ middle
    matrix = np.column_stack([linear, shift])
    return np.stack([cv2.warpAffine(channel, matrix, (size, size)) for channel in image])


def disturb(view: NDArray[np.float32], rng: np.random.Generator, how: Augmentation) -> None:
    """Other colours and noise, in place; now and then no colour at all, or no depth.

    Args:
        view: (9, h, w) float32, the networks' input.
        rng: the randomness.
        how: its extent.
    """
    both = view[HAS_COLOR].any() and view[HAS_DEPTH].any()
    lot = rng.random()
    if both and lot < how.no_color:
        view[COLOR] = 0
        view[HAS_COLOR] = 0
    elif both and lot < how.no_color + how.no_depth:
        view[GEOMETRY] = 0
        view[HAS_DEPTH] = 0
    gain = 1 + rng.uniform(-how.color_gain, how.color_gain) + rng.uniform(-0.1, 0.1, 3)
    shift = rng.uniform(-how.color_shift, how.color_shift) + rng.uniform(-0.2, 0.2, 3)
    color = view[COLOR] * gain[:, None, None] + shift[:, None, None]
    if rng.random() < 0.2:  # grey
        color = np.repeat(color.mean(axis=0, keepdims=True), 3, axis=0)
    color += 0.05 * rng.standard_normal(color.shape, np.float32)
    view[COLOR] = color * view[HAS_COLOR]
    noise = how.relief_noise * rng.standard_normal(view[GEOMETRY].shape, np.float32)
    view[GEOMETRY] += noise * view[HAS_DEPTH]
