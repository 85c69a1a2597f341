"""From exact depth to what an RGB-D camera delivers: noise, steps and holes.

Models and sources:

- Axial noise: C. V. Nguyen, S. Izadi, D. Lovell, "Modeling Kinect Sensor Noise for Improved 3D
  Reconstruction and Tracking", 3DIMPVT 2012: sigma_z = 0.0012 + 0.0019 (z - 0.4)^2 metres, plus
  0.0001 / sqrt(z) * theta^2 / (pi/2 - theta)^2 beyond 60 degrees of incidence theta.
- Lateral noise at edges, same source: sigma_L = 0.8 + 0.035 theta / (pi/2 - theta) pixels.
- Steps: depth comes from disparity in fixed fractions of a pixel, so a step is proportional to
  z^2: 2.85 mm at 1 m for the Kinect (K. Khoshelham, S. O. Elberink, "Accuracy and Resolution of
  Kinect Depth Data for Indoor Mapping Applications", Sensors 12(2), 2012).
- RealSense D415: sigma_z = z^2 * s / (f * b), with s = 0.08 pixel the noise of the disparity, f the
  focal length in pixels and b the baseline (A. Grunnet-Jepsen, J. N. Sweetser, J. Woodfill, "Tuning
  depth cameras for best performance", Intel); disparity in 1/32 pixel.
- Shadow holes: what the second eye (projector or imager, one baseline aside) does not see has no
  reading; geometry, not statistics.
- Dropout at grazing incidence, on dark and on mirror-like surfaces, and in a band along depth
  edges: shares chosen by eye against real Kinect and RealSense frames.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.simulation.noise import random_field

__all__ = ["KINECT", "REALSENSE", "DepthSensor", "axial_sigma", "measure_depth"]

Floats = NDArray[np.float32]

#: Angles of incidence where readings begin to drop out and where none is left, radians.
_GRAZING, _LOST = math.radians(75), math.radians(89)


@dataclass(frozen=True)
class DepthSensor:
    """A triangulating depth camera.

    Attributes:
        name: for people.
        focal: of the depth imager, pixels.
        baseline: between its two eyes, metres; positive: the second eye sits to the right.
        disparity_step: smallest difference of disparity it tells apart, pixels.
        disparity_sigma: noise of the disparity, pixels; 0: Nguyen's axial noise instead.
        grain: standard deviation of the noise's spatial blur, pixels.
        nearest, farthest: range, metres.
    """

    name: str
    focal: float
    baseline: float
    disparity_step: float
    disparity_sigma: float
    grain: float
    nearest: float
    farthest: float


# 1 / (focal * |baseline|) / 8 = 2.87 mm at 1 m.
KINECT = DepthSensor("kinect", 580.0, 0.075, 1 / 8, 0.0, 0.8, 0.4, 8.0)
REALSENSE = DepthSensor("realsense", 665.0, -0.055, 1 / 32, 0.08, 1.5, 0.3, 10.0)


def axial_sigma(sensor: DepthSensor, z: Floats, theta: Floats) -> Floats:
    """Standard deviation of depth (metres) at depth z (metres) and incidence theta (radians)."""
    if sensor.disparity_sigma:
        scale = sensor.disparity_sigma / (sensor.focal * abs(sensor.baseline))
        return np.float32(scale) * z * z
    sigma = 0.0012 + 0.0019 * (z - 0.4) ** 2
    ratio = theta / np.maximum(np.pi / 2 - theta, 0.05)
    return sigma + np.where(theta > np.pi / 3, 0.0001 / np.sqrt(z) * ratio * ratio, 0)


def measure_depth(
    depth: Floats,
    cosine: Floats,
    albedo: Floats,
    glare: Floats,
    focal: float,
    sensor: DepthSensor,
    rng: np.random.Generator,
) -> Floats:
    """A noisy depth image in metres, NaN where there is no reading.

    Args:
        depth: (H, W) float32 metres, exact; infinite where nothing is.
        cosine: (H, W) of the angle of incidence.
        albedo, glare: (H, W) 0 to 1, see ``Rendering``.
        focal: of the image, pixels; scales the second eye's parallax.
        sensor: which camera.
        rng: source of the noise.

    Returns:
        (H, W) float32, whole millimetres.
    """
    shape = (depth.shape[0], depth.shape[1])
    theta = np.arccos(np.clip(cosine, 0, 1))
    shadowed = _second_eye_shadow(depth, focal * sensor.baseline)
    edge = _near_edge(depth)

    # Edges wobble: near them a pixel takes its reading from a neighbour.
    sigma = 0.8 + 0.035 * theta / np.maximum(np.pi / 2 - theta, 0.1)
    y, x = np.nonzero(edge)
    shift = rng.standard_normal((2, len(y)), np.float32) * np.minimum(sigma[y, x], 2)
    from_y = np.clip(np.rint(y + shift[0]).astype(int), 0, shape[0] - 1)
    from_x = np.clip(np.rint(x + shift[1]).astype(int), 0, shape[1] - 1)
    z = depth.copy()
    z[y, x] = depth[from_y, from_x]

    # Noise before the steps, so that both together have the published deviation.
    step = sensor.disparity_step / (sensor.focal * abs(sensor.baseline))
    with np.errstate(invalid="ignore", over="ignore"):
        total = axial_sigma(sensor, z, theta)
        extra = np.sqrt(np.maximum(total**2 - (step * z * z) ** 2 / 12, 0))
        noisy = z + extra * random_field(rng, shape, sensor.grain)
        steps = np.rint(1 / (np.maximum(noisy, 0.05) * step))
        measured = 1 / (np.maximum(steps, 1) * step)

    # Holes come in blobs: one smooth random field against the chance of a hole.
    chance = np.clip((theta - _GRAZING) / (_LOST - _GRAZING), 0, 1) ** 2
    np.maximum(chance, np.clip(0.25 - 8 * albedo, 0, 1), out=chance)
    np.maximum(chance, np.clip(1.6 * glare - 0.25, 0, 0.8), out=chance)
    np.maximum(chance, np.where(edge, np.float32(0.25), np.float32(0.0005)), out=chance)
    lost = shadowed | (_uniform_blobs(rng, shape) < chance)
    lost |= ~((z > sensor.nearest) & (z < sensor.farthest))
    millimetres = np.rint(1000 * measured)
    millimetres[lost | ~(millimetres > 0)] = np.nan
    return np.asarray(millimetres / np.float32(1000), np.float32)


def _second_eye_shadow(depth: Floats, parallax: float) -> NDArray[np.bool_]:
    """Pixels hidden from a second eye; ``parallax``: focal length times signed baseline.

    Along a row, a pixel at column u lands in the second eye's column u - parallax / z. Seen from
    the second eye's side, a point is hidden if one before it landed at or beyond its place.
    """
    width = depth.shape[1]
    column = np.arange(width, dtype=np.float32) - np.float32(parallax) / depth
    if parallax < 0:
        column = -column[:, ::-1]
    # A nearer point lands more to the left, on what lies left of it in the first eye's image.
    furthest = np.minimum.accumulate(column[:, ::-1], axis=1)[:, ::-1]
    hidden = np.zeros(depth.shape, bool)
    hidden[:, :-1] = column[:, :-1] > furthest[:, 1:] + 0.5
    return hidden if parallax >= 0 else hidden[:, ::-1]


def _near_edge(depth: Floats) -> NDArray[np.bool_]:
    """Pixels within one pixel or two of a jump in depth."""
    finite = np.where(np.isfinite(depth), depth, np.float32(100))
    kernel = np.ones((3, 3), np.uint8)
    low, high = cv2.erode(finite, kernel), cv2.dilate(finite, kernel)
    return high - low > 0.02 + 0.02 * low


def _uniform_blobs(rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
    """A field with nearly uniform marginals in [0, 1] and blobs of about four pixels."""
    # The logistic function is close to the normal distribution's.
    return 1 / (1 + np.exp(np.float32(-1.702) * random_field(rng, shape, 1.5)))
