"""Turns exact depth into the depth image of an RGB-D camera: noise, steps and holes.

Models and sources:

- Axial noise: C. V. Nguyen, S. Izadi, D. Lovell, "Modeling Kinect Sensor Noise for Improved 3D
  Reconstruction and Tracking", 3DIMPVT 2012: sigma_z = 0.0012 + 0.0019 (z - 0.4)^2 meters, plus
  0.0001 / sqrt(z) * theta^2 / (pi/2 - theta)^2 beyond 60 degrees of incidence theta.
- Lateral noise at edges, same source: sigma_L = 0.8 + 0.035 theta / (pi/2 - theta) pixels.
- Steps: disparity has a resolution of a fixed fraction of a pixel, so a step in depth is
  proportional to z^2: 2.85 mm at 1 m for the Kinect (K. Khoshelham, S. O. Elberink, "Accuracy and
  Resolution of Kinect Depth Data for Indoor Mapping Applications", Sensors 12(2), 2012).
- RealSense D415: sigma_z = z^2 * s / (f * b), with s = 0.08 pixel the noise of the disparity, f the
  focal length in pixels and b the baseline (A. Grunnet-Jepsen, J. N. Sweetser, J. Woodfill, "Tuning
  depth cameras for best performance", Intel); disparity in 1/32 pixel.
- Shadow holes: points that the second eye (projector or imager, one baseline aside) does not see
  have no reading; geometry, not statistics.
- Dropout at grazing incidence, on dark and on specular surfaces, and in a band along depth edges:
  shares chosen by eye against real Kinect and RealSense frames.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.core.compiled import compiled
from cvdl.simulation.random_fields import normal_field, uniform_field
from cvdl.simulation.render import Rendering

__all__ = ["KINECT", "REALSENSE", "DepthSensor", "axial_sigma", "hide", "measure_depth"]

Floats = NDArray[np.float32]

#: Spatial blur of the field that makes holes: blobs of about four pixels.
_HOLE_GRAIN = 1.5
#: Angles of incidence where readings begin to drop out and where all are lost, radians.
_GRAZING, _LOST = math.radians(75), math.radians(89)


@dataclass(frozen=True)
class DepthSensor:
    """A triangulating depth camera.

    Attributes:
        name: to display.
        focal: of the depth imager, pixels.
        baseline: between the two eyes, meters; positive: the second eye is on the right.
        disparity_step: resolution of the disparity, pixels.
        disparity_sigma: noise of the disparity, pixels; 0: use Nguyen's axial noise.
        grain: standard deviation of the spatial blur of the noise, pixels.
        nearest, farthest: range, meters.
    """

    name: str
    focal: float
    baseline: float
    disparity_step: float
    disparity_sigma: float
    grain: float
    nearest: float
    farthest: float

    def inverse_depth(self, disparity: float) -> float:
        """Convert a difference in disparity (pixels) to one in 1 / depth (1 / meters)."""
        return disparity / (self.focal * abs(self.baseline))


KINECT = DepthSensor("kinect", 580.0, 0.075, 1 / 8, 0.0, 0.8, 0.4, 8.0)
REALSENSE = DepthSensor("realsense", 665.0, -0.055, 1 / 32, 0.08, 1.5, 0.3, 10.0)


def measure_depth(
    rendering: Rendering, focal: float, sensor: DepthSensor, rng: np.random.Generator
) -> Floats:
    """Return a noisy depth image in meters, NaN where there is no reading.

    Args:
        rendering: the noiseless image.
        focal: of the image, pixels; scales the parallax of the second eye.
        sensor: the camera.
        rng: source of the noise.

    Returns:
        (H, W) float32, whole millimeters.
    """
    shape = rendering.labels.shape
    finite = np.minimum(rendering.depth, np.float32(100))
    kernel = np.ones((3, 3), np.uint8)
    low, high = cv2.erode(finite, kernel), cv2.dilate(finite, kernel)
    edge = high - low > 0.02 + 0.02 * low
    wobble_x, wobble_y = normal_field(rng, shape), normal_field(rng, shape)
    noise = normal_field(rng, shape, sensor.grain)
    blobs = uniform_field(rng, shape, _HOLE_GRAIN)
    step = sensor.inverse_depth(sensor.disparity_step)
    spread = sensor.inverse_depth(sensor.disparity_sigma)
    measured = np.empty(shape, np.float32)
    _measure(
        rendering.depth, rendering.cosine, rendering.albedo, rendering.glare, edge,
        wobble_x, wobble_y, noise, blobs,
        focal * sensor.baseline, step, spread, sensor.nearest, sensor.farthest, measured,
    )  # fmt: skip
    return measured


@compiled()
def axial_sigma(z, theta, spread):  # type: ignore[no-untyped-def]
    """Return the standard deviation of depth, meters.

    Args:
        z: depth, meters.
        theta: angle of incidence, radians.
        spread: standard deviation of the noise in inverse depth; 0: use Nguyen's formula.
    """
    if spread > 0:
        return spread * z * z
    sigma = 0.0012 + 0.0019 * (z - 0.4) ** 2
    if theta > math.pi / 3:
        sigma += 0.0001 / math.sqrt(z) * (theta / max(math.pi / 2 - theta, 0.05)) ** 2
    return sigma


@compiled()
def _measure(  # type: ignore[no-untyped-def]
    depth, cosine, albedo, glare, edge, wobble_x, wobble_y, noise, blobs,
    parallax, step, spread, nearest, farthest, measured,
):  # fmt: skip
    """Apply the model to each pixel; see the module and ``measure_depth``.

    ``edge`` marks pixels next to a jump in depth; ``wobble_x``, ``wobble_y`` and ``noise`` are
    standard normal, ``blobs`` is uniform in [0, 1]; ``parallax`` is focal length times signed
    baseline; ``step`` and ``spread`` are the sensor's step and noise in inverse depth.
    """
    height, width = depth.shape
    hidden = np.empty(width, np.bool_)
    for y in range(height):
        hide(depth[y], parallax, hidden)
        for x in range(width):
            measured[y, x] = np.nan
            if hidden[x]:
                continue

            # The angle matters only at edges and beyond 60 degrees; skipping it saves time.
            theta = 0.0
            if edge[y, x] or cosine[y, x] < 0.5:
                theta = math.acos(min(cosine[y, x], 1.0))

            # Holes come in blobs: compare a smooth random field with the chance of a hole.
            chance = 0.25 if edge[y, x] else 0.0005
            if theta > _GRAZING:
                chance = max(chance, ((theta - _GRAZING) / (_LOST - _GRAZING)) ** 2)
            chance = max(chance, 0.25 - 8 * albedo[y, x], min(1.6 * glare[y, x] - 0.25, 0.8))
            if blobs[y, x] < chance:
                continue

            # Edges wobble: near them a pixel takes the reading of a neighbor.
            z = depth[y, x]
            if edge[y, x]:
                sigma = min(0.8 + 0.035 * theta / max(math.pi / 2 - theta, 0.05), 2.0)
                row = math.floor(y + sigma * wobble_y[y, x] + 0.5)
                column = math.floor(x + sigma * wobble_x[y, x] + 0.5)
                z = depth[min(max(row, 0), height - 1), min(max(column, 0), width - 1)]
            if not nearest < z < farthest:
                continue

            # Add noise before the steps, so that both together have the published deviation.
            total, quantum = axial_sigma(z, theta, spread), step * z * z
            extra = math.sqrt(max(total * total - quantum * quantum / 12, 0.0))
            noisy = max(z + extra * noise[y, x], 0.05)
            steps = max(math.floor(1 / (noisy * step) + 0.5), 1.0)
            millimeters = np.float32(math.floor(1000 / (steps * step) + 0.5))
            measured[y, x] = millimeters / np.float32(1000)


@compiled()
def hide(depth, parallax, hidden):  # type: ignore[no-untyped-def]
    """Mark the pixels of a row of depths (W,) that the second eye does not see.

    ``parallax`` is the focal length (pixels) times the signed baseline (meters). A pixel at column
    u appears in column u - parallax / z of the second eye. A nearer point moves further to one side
    and hides its neighbors on that side.
    """
    width = depth.size
    if parallax > 0:
        first, last, way = width - 1, -1, -1
    else:
        first, last, way = 0, width, 1
    furthest = -np.inf
    for x in range(first, last, way):
        column = way * (x - parallax / depth[x])
        hidden[x] = column < furthest - 0.5
        furthest = max(furthest, column)
