"""Turns a rendered image into a photograph: blur, exposure, colors, noise, compression.

Each effect is drawn on its own, most often mild. The order is that of a camera (R. Szeliski,
"Computer Vision: Algorithms and Applications", 2nd edition, 2022, section 2.3): lens, exposure,
sensor noise, white balance and tone curve, sharpening, compression.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.core.compiled import compiled
from cvdl.simulation.random_fields import normal_field

__all__ = ["photograph"]

Image = NDArray[np.uint8]
Rng = np.random.Generator

_LEVELS = (np.arange(256) / 255).astype(np.float32)
#: Weights of red, green and blue in the brightness (ITU-R BT.601).
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def photograph(color: Image, rng: Rng) -> Image:
    """Return an image (H, W, 3) uint8 RGB as a random camera would take it."""
    image = _blur(color, rng)
    if rng.uniform() < 0.8:
        image = _saturate(image, rng)
    image = np.asarray(cv2.LUT(image, _curves(rng)), np.uint8)
    image = _expose(image, rng)
    if rng.uniform() < 0.25:
        soft = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.7, 1.8))
        amount = rng.uniform(0.2, 1.5)
        image = np.asarray(cv2.addWeighted(image, 1 + amount, soft, -amount, 0), np.uint8)
    if rng.uniform() < 0.3:
        quality = int(rng.integers(30, 96))
        _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
        image = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    return image


def _blur(image: Image, rng: Rng) -> Image:
    """Blur by motion or defocus, in few images."""
    kind = rng.uniform()
    size = image.shape[1] / 640
    if kind < 0.1:
        length = size * math.exp(rng.uniform(math.log(2), math.log(12)))
        return np.asarray(cv2.filter2D(image, -1, _line(length, rng.uniform(0, math.pi))), np.uint8)
    if kind < 0.3:
        sigma = size * math.exp(rng.uniform(math.log(0.4), math.log(2)))
        return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.uint8)
    return image


def _line(length: float, angle: float) -> NDArray[np.float32]:
    """The kernel of a motion of ``length`` pixels."""
    reach = math.ceil(length / 2)
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1), np.float32)
    along = np.linspace(-length / 2, length / 2, 2 * reach + 1)
    rows = np.rint(reach + along * math.sin(angle)).astype(int)
    columns = np.rint(reach + along * math.cos(angle)).astype(int)
    np.add.at(kernel, (rows, columns), np.float32(1 / len(along)))
    return kernel


def _saturate(image: Image, rng: Rng) -> Image:
    """Change the saturation; few images are gray, like those of infrared cameras."""
    gray = np.tile(_LUMA, (3, 1))
    share = 0.0 if rng.uniform() < 0.06 else rng.uniform(0.5, 1.5)
    if share == 0:
        # Infrared light sees other contrasts than the eye.
        gray = np.tile(rng.dirichlet([1, 1, 1]), (3, 1))
    mix = share * np.eye(3) + (1 - share) * gray
    return np.asarray(cv2.transform(image, mix), np.uint8)


def _curves(rng: Rng) -> Image:
    """Tone curves (1, 256, 3) of red, green and blue: exposure, white balance, gamma, contrast."""
    gain = 2 ** rng.normal(0, 0.35)
    if rng.uniform() < 0.12:
        gain *= rng.choice([0.35, 0.5, 1.6, 2.2])
    warmth, tint = rng.normal(0, 0.07), rng.normal(0, 0.03)
    balance = np.exp([warmth, tint, -warmth])
    linear = _LEVELS[:, None] ** 2.2 * gain * balance
    # The shoulder of a tone curve: highlights are compressed before they clip.
    shoulder = rng.uniform(0, 0.4)
    toned = linear * (1 + shoulder * linear) / (1 + 2 * shoulder * linear)
    gamma, contrast = 2.2 * math.exp(rng.normal(0, 0.12)), math.exp(rng.normal(0, 0.12))
    curve = np.clip(toned, 0, 1) ** (1 / gamma)
    black = rng.uniform(0, 0.08) if rng.uniform() < 0.3 else 0.0
    curve = black + (1 - black) * (0.5 + contrast * (curve - 0.5))
    return np.clip(255 * curve + 0.5, 0, 255).astype(np.uint8)[None]


def _expose(image: Image, rng: Rng) -> Image:
    """Darken the corners and add the sensor's noise."""
    shape = image.shape[:2]
    corner = rng.uniform(0.05, 0.45) if rng.uniform() < 0.3 else 0.0
    strength = math.exp(rng.uniform(math.log(0.3), math.log(8)))
    # Noise is coarser after demosaicing and noise reduction.
    noise = normal_field(rng, shape, float(rng.choice([0, 0, 1])))
    exposed = np.empty_like(image)
    # Shot noise has the variance of the light; read noise is the same everywhere.
    shot, read = strength * rng.uniform(0, 1, 2)
    _add_light(image, noise, corner, shot, read, rng.uniform(0, 1), exposed)
    return exposed


@compiled()
def _add_light(  # type: ignore[no-untyped-def]
    image, noise, corner, shot, read, colored, exposed
):
    """Multiply by the vignette 1 - corner r^2 and add noise, into ``exposed`` (H, W, 3) uint8.

    ``noise`` (H, W) is standard normal; channels share it but for ``colored``.
    """
    height, width, channels = image.shape
    middle_y, middle_x = (height - 1) / 2, (width - 1) / 2
    scale = corner / (middle_x**2 + middle_y**2)
    shared, own = np.float32(math.sqrt(1 - colored)), np.float32(math.sqrt(colored))
    for y in range(height):
        across = noise[y]
        for x in range(width):
            vignette = np.float32(1 - scale * ((x - middle_x) ** 2 + (y - middle_y) ** 2))
            for k in range(channels):
                value = np.float32(image[y, x, k]) * vignette
                sigma = np.float32(read) + np.float32(shot) * math.sqrt(value / np.float32(255))
                grain = shared * across[x] + own * noise[(y + 131 * (k + 1)) % height, x]
                value += sigma * grain + np.float32(0.5)
                exposed[y, x, k] = min(max(value, np.float32(0)), np.float32(255))
