"""Turns exact depth into the depth image of any depth camera.

One model has all effects; the parameters of a `DepthSensor` tell how strong each is. Sources:

- Structured light: the axial noise of Nguyen, the steps of Khoshelham and the shadows are those of
  `cvdl.simulation.sensor`.
- Stereo: noise z^2 s / (f b), with s the noise of the disparity (A. Grunnet-Jepsen, J. N. Sweetser,
  J. Woodfill, "Tuning depth cameras for best performance", Intel). Its spatially correlated part
  makes the waves on planes: M. S. Ahn et al., "Analysis and Noise Modeling of the Intel RealSense
  D435 for Mobile Robots", Ubiquitous Robots 2019, section III.
- Edge fattening and the need for texture: D. Scharstein, R. Szeliski, "A Taxonomy and Evaluation of
  Dense Two-Frame Stereo Correspondence Algorithms", IJCV 47, 2002, sections 3.2 and 5.
- Smoothing that keeps jumps: K. He, J. Sun, X. Tang, "Guided Image Filtering", PAMI 35(6), 2013,
  section 3.2, with the image as its own guide.
- Time of flight: noise that grows with 1 / sqrt(received light), flying pixels, the error that
  repeats with depth, and multipath in concave corners: S. Foix, G. Alenya, C. Torras, "Lock-in
  Time-of-Flight (ToF) Cameras: A Survey", IEEE Sensors Journal 11(9), 2011, section III.
- Transparent surfaces that read as what is behind, as nonsense or not at all: S. Sajjan et al.,
  "ClearGrasp: 3D Shape Estimation of Transparent Objects for Manipulation", ICRA 2020, section I.
- Depth images bent and scaled by calibration: A. Teichman, S. Miller, S. Thrun, "Unsupervised
  Intrinsic Calibration of Depth Sensors via SLAM", RSS 2013: the longest waves.
- Filled holes: by a pyramid (S. J. Gortler et al., "The Lumigraph", SIGGRAPH 1996, section 3.4), or
  along rows from the left or from the farther side (Intel RealSense SDK, "Post-processing
  filters": hole filling).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.core.camera import Camera
from cvdl.core.compiled import compiled
from cvdl.simulation.random_fields import normal_field, uniform_field
from cvdl.simulation.render import Rendering
from cvdl.simulation.sensor import axial_sigma, hide
from cvdl.simulation.world.families import DepthSensor, random_sensor

__all__ = ["DepthSensor", "measure_depth", "random_sensor"]

Floats = NDArray[np.float32]
Mask = NDArray[np.uint8]
Rng = np.random.Generator

#: Depth of pixels where nothing is, meters.
_FAR = np.float32(60)
#: Depth cameras have no more and no fewer pixels along the longer side.
_MOST_PIXELS, _FEWEST_PIXELS = 1280, 200


class _View(NamedTuple):
    """What the depth camera looks at, in its pixels: fields of `Rendering`, and the texture.

    Its rows are along the baseline.
    """

    depth: Floats
    behind: Floats
    transparent: Mask
    cosine: Floats
    albedo: Floats
    glare: Floats
    texture: Floats


def measure_depth(rendering: Rendering, camera: Camera, sensor: DepthSensor, rng: Rng) -> Floats:
    """Return a depth image in meters, NaN where there is no reading.

    Args:
        rendering: the noiseless image.
        camera: of the image.
        sensor: the depth camera; its baseline is along the longer side of the image.
        rng: source of the noise.

    Returns:
        (H, W) float32.
    """
    turned = camera.height > camera.width
    view, scale = _seen(rendering, sensor, turned)
    shape = view.depth.shape
    parallax = camera.fx * scale * np.array([sensor.holes.baseline, sensor.holes.other])
    lost = np.zeros(shape, np.uint8)

    surface = np.empty(shape, np.float32)
    _pick_surface(
        view, sensor.holes, _uniform(rng, shape, rng.uniform(2, 20)),
        _normal(rng, shape, rng.uniform(2, 12)), surface, lost,
    )  # fmt: skip
    outlined = _outline(surface, sensor, rng, lost)
    inverse = _smooth(np.float32(1) / outlined, sensor)
    if sensor.multipath:
        inverse = _bulge(inverse, sensor)

    margins = np.array([margin or -1.0 for margin in sensor.margins])  # -1: not even ragged

    measured = np.empty(shape, np.float32)
    _read(
        view, surface, inverse, sensor.noise, sensor.holes,
        _normal(rng, shape, sensor.grain), sensor.waves * _waves(rng, shape, sensor),
        _uniform(rng, shape, sensor.hole_grain), _normal(rng, shape, 6), _uniform(rng, shape, 4),
        parallax, margins, sensor.nearest, sensor.farthest, measured, lost,
    )  # fmt: skip
    size = 2 * sensor.hole_growth + 1
    count = rng.poisson(sensor.holes.speckle * lost.size / size)
    lost.ravel()[rng.integers(0, lost.size, count)] = 1
    if size > 1:
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
        lost = np.asarray(cv2.dilate(lost, disc), np.uint8)
    _drop(measured, lost, sensor.holes.period)

    if sensor.filling:
        _fill(measured, sensor)
    if turned:
        measured = np.ascontiguousarray(measured.T)
    measured = _register(measured, camera, sensor)
    if sensor.unit:
        unit = np.float32(sensor.unit)
        np.divide(measured, unit, out=measured)
        np.multiply(np.rint(measured, out=measured), unit, out=measured)
    return measured


def _seen(rendering: Rendering, sensor: DepthSensor, turned: bool) -> tuple[_View, float]:
    """Return the view of the depth camera and its pixels per pixel of the rendering."""
    height, width = rendering.depth.shape
    longer = max(height, width)
    scale = min(max(sensor.resolution, _FEWEST_PIXELS / longer), 1.0, _MOST_PIXELS / longer)
    size = (round(width * scale), round(height * scale))

    def reduced(image: NDArray[Any]) -> NDArray[Any]:
        if scale != 1:
            image = cv2.resize(image, size, interpolation=cv2.INTER_NEAREST_EXACT)
        return np.ascontiguousarray(image.T if turned else image)

    depth = reduced(rendering.depth)
    texture = np.zeros((1, 1), np.float32)
    if sensor.holes.plain:
        gray = reduced(cv2.cvtColor(rendering.color, cv2.COLOR_RGB2GRAY))
        detail = cv2.absdiff(gray, cv2.blur(gray, (5, 5)))
        texture = cv2.blur(detail.astype(np.float32), (11, 11))
    return _View(
        np.minimum(depth, _FAR), np.minimum(reduced(rendering.behind), _FAR),
        reduced(rendering.transparent.view(np.uint8)), reduced(rendering.cosine),
        reduced(rendering.albedo), reduced(rendering.glare), texture,
    ), scale  # fmt: skip


def _normal(rng: Rng, shape: tuple[int, int], grain: float) -> Floats:
    """A field (H, W) of standard normal values; ``grain``: see `normal_field`."""
    if grain < 0.5:
        return normal_field(rng, shape)
    return _stretched(normal_field(rng, _shrunk(shape, grain, grain), 1.0), shape)


def _uniform(rng: Rng, shape: tuple[int, int], grain: float) -> Floats:
    """A field (H, W) of nearly uniform values between 0 and 1."""
    return _stretched(uniform_field(rng, _shrunk(shape, grain, grain), 1.0), shape)


def _waves(rng: Rng, shape: tuple[int, int], sensor: DepthSensor) -> Floats:
    """A smooth field (H, W) of standard normal values."""
    if not sensor.waves:
        return np.zeros((1, 1), np.float32)
    # The correlation of white noise with a Gaussian blur of 1 falls to 1/e at a distance of 2.
    rows = max(sensor.wave_length / 2, 1)
    small = normal_field(rng, _shrunk(shape, rows, rows * sensor.wave_stretch), 1.0)
    return np.asarray(_stretched(small, shape, cv2.INTER_CUBIC), np.float32)


def _shrunk(shape: tuple[int, int], rows: float, columns: float) -> tuple[int, int]:
    return math.ceil(shape[0] / max(rows, 1)) + 2, math.ceil(shape[1] / max(columns, 1)) + 2


def _stretched(field: Floats, shape: tuple[int, int], how: int = cv2.INTER_LINEAR) -> Floats:
    return np.asarray(cv2.resize(field, shape[::-1], interpolation=how), np.float32)


@compiled()
def _pick_surface(view, holes, patches, bumps, surface, lost):  # type: ignore[no-untyped-def]
    """Choose which surface each pixel reads, into ``surface`` (H, W) and ``lost`` (H, W)."""
    height, width = view.depth.shape
    for y in range(height):
        for x in range(width):
            z = view.depth[y, x]
            patch = patches[y, x]
            if view.transparent[y, x]:
                patch -= np.float32(holes.clear_itself)
                if patch > 0:
                    back = view.behind[y, x]
                    patch -= np.float32(holes.clear_lost)
                    if patch < 0:
                        lost[y, x] = 1
                    elif patch < holes.clear_odd:
                        z += (back - z) * np.float32(0.5) + z * np.float32(0.06) * bumps[y, x]
                    else:
                        z = back
            elif view.glare[y, x] > holes.glare and patch < holes.mirror_odd:
                # The camera sees the pattern's mirror image, which is farther.
                z *= np.float32(1) + np.float32(0.15) * abs(bumps[y, x])
            surface[y, x] = min(max(z, np.float32(0.02)), _FAR)


def _outline(surface: Floats, sensor: DepthSensor, rng: Rng, lost: Mask) -> Floats:
    """Return the depth (H, W) with the errors beside jumps, and mark lost pixels there."""
    edges = sensor.edges
    if not (edges.fat or edges.wobble or edges.flying or edges.lost):
        return surface
    size = 2 * max(sensor.fattening, 1) + 1
    near = cv2.erode(surface, np.ones((size, size), np.uint8))
    low = near if size == 3 else cv2.erode(surface, np.ones((3, 3), np.uint8))
    high = cv2.dilate(surface, np.ones((3, 3), np.uint8))
    shape = surface.shape
    grain = rng.uniform(0.5, 1 + sensor.fattening)
    outlined = np.empty_like(surface)
    _walk_outline(
        surface, near, low, high, edges, _normal(rng, shape, grain), _normal(rng, shape, grain),
        _uniform(rng, shape, grain), _uniform(rng, shape, 1.0), _uniform(rng, shape, grain),
        outlined, lost,
    )  # fmt: skip
    return outlined


@compiled()
def _walk_outline(  # type: ignore[no-untyped-def]
    surface, near, low, high, edges, wobble_x, wobble_y, fat, fly, drop, outlined, lost
):
    """Apply fattening, wobbling, flying pixels and lost readings beside jumps.

    ``near`` is the nearest depth within reach of the fattening, ``low`` and ``high`` the nearest
    and farthest around each pixel; ``wobble_x`` and ``wobble_y`` are standard normal, ``fat``,
    ``fly`` and ``drop`` uniform in [0, 1].
    """
    height, width = surface.shape
    for y in range(height):
        for x in range(width):
            z = surface[y, x]
            jump = edges.jump * z
            beside = high[y, x] - low[y, x] > jump
            if not beside and z - near[y, x] <= jump:
                outlined[y, x] = z
                continue
            row = math.floor(y + edges.wobble * wobble_y[y, x] + 0.5)
            column = math.floor(x + edges.wobble * wobble_x[y, x] + 0.5)
            row, column = min(max(row, 0), height - 1), min(max(column, 0), width - 1)
            source = surface[row, column]
            if fat[y, x] < edges.fat and source - near[row, column] > jump:
                source = near[row, column]
            if beside and fly[y, x] < edges.flying:
                share = fly[y, x] / np.float32(edges.flying)
                source = low[y, x] + share * (min(high[y, x], 2 * low[y, x]) - low[y, x])
            outlined[y, x] = source
            if drop[y, x] < edges.lost:
                lost[y, x] = 1


def _smooth(inverse: Floats, sensor: DepthSensor) -> Floats:
    """Smooth inverse depth (H, W), which keeps planes plane, but keep large jumps."""
    if not sensor.smoothing:
        return inverse
    size = (2 * sensor.smoothing + 1,) * 2
    mean = cv2.blur(inverse, size)
    variance = np.maximum(cv2.blur(inverse * inverse, size) - mean * mean, 0)
    kept = variance / (variance + np.square(np.float32(sensor.smoothed_jump) * mean))
    return np.asarray(cv2.blur(kept, size) * inverse + cv2.blur(mean - kept * mean, size))


def _bulge(inverse: Floats, sensor: DepthSensor) -> Floats:
    """Round concave corners: light that bounces between their sides travels farther."""
    small = cv2.resize(inverse, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    around = cv2.resize(cv2.GaussianBlur(small, (0, 0), 3), inverse.shape[::-1])
    # Where the surroundings are nearer. Jumps count little more than corners.
    nearer = np.maximum(around - inverse, 0)
    nearer /= 1 + nearer / (0.02 * inverse)
    return np.asarray(inverse - np.float32(sensor.multipath) * nearer)


@compiled()
def _read(  # type: ignore[no-untyped-def]
    view, surface, inverse, errors, holes, noise, waves, blobs, ragged, wrong,
    parallax, margins, nearest, farthest, measured, lost,
):  # fmt: skip
    """Add errors to inverse depth, into ``measured`` (H, W), and mark what is lost.

    ``noise`` and ``ragged`` are standard normal, ``blobs`` and ``wrong`` uniform in [0, 1];
    ``waves`` is in inverse depth, or of size 1 where there are none; ``parallax`` (2,) is focal
    length times baseline of the other eyes.
    """
    height, width = surface.shape
    has_waves, has_texture = waves.size > 1, view.texture.size > 1
    left, right = margins[0] * width, width - margins[1] * width
    top, bottom = margins[2] * height, height - margins[3] * height
    cropped = margins.max() > 0
    hidden, also = np.zeros(width, np.bool_), np.zeros(width, np.bool_)
    for y in range(height):
        if parallax[0]:
            hide(surface[y], parallax[0], hidden)
        if parallax[1]:
            hide(surface[y], parallax[1], also)
        for x in range(width):
            q = inverse[y, x]
            z = np.float32(1) / max(q, np.float32(0.01))
            light = view.albedo[y, x] * view.cosine[y, x]

            sigma = z * z * errors.inverse
            if errors.nguyen:
                theta = math.acos(min(view.cosine[y, x], 1.0)) if view.cosine[y, x] < 0.5 else 0.0
                sigma += errors.nguyen * axial_sigma(z, min(theta, 1.4), 0.0)
            if errors.light:
                sigma += errors.light * z * z / math.sqrt(max(light, 0.02))
            error = (errors.constant + sigma) * noise[y, x]
            if errors.wiggle:
                error += errors.wiggle * math.sin(2 * math.pi * z / errors.period)
            change = error * q * q
            if has_waves:
                change += waves[y, x]
            q = max(q - change, np.float32(0.01))
            if errors.step:
                q = max(math.floor(q / errors.step + 0.5), 1.0) * errors.step
            reading = 1 / q

            chance = 0.0
            if hidden[x] or also[x]:
                chance = holes.shadow
            if holes.dark:
                chance = max(chance, 1.2 - light / (z * z * holes.dark))
            if view.cosine[y, x] < holes.grazing:
                chance = max(chance, 1.1 - view.cosine[y, x] / holes.grazing)
            if has_texture:
                chance = max(chance, 1.1 - view.texture[y, x] / holes.plain)
            chance = max(chance, min(3 * (view.glare[y, x] - holes.glare), 0.95))
            gone = blobs[y, x] < chance
            if gone and wrong[y, x] < holes.odd:
                # Wrong matches come in patches that leave the surface.
                gone = False
                reading *= 0.85 + 0.3 * wrong[y, x] / holes.odd
            gone = gone or not nearest < reading < farthest
            measured[y, x] = reading
            if cropped:
                u, v = x + 2 * ragged[y, x], y + 2 * ragged[y, x]
                gone = gone or u < left or u > right or v < top or v > bottom
            if gone:
                lost[y, x] = 1


@compiled()
def _drop(depth, lost, period):  # type: ignore[no-untyped-def]
    """Remove lost readings and, where ``period`` is not 0, those on lines that far apart."""
    height, width = depth.shape
    for y in range(height):
        for x in range(width):
            if lost[y, x]:
                depth[y, x] = np.nan
            elif period:
                # Enlarging to the color image leaves gaps, which move with the parallax.
                q = 1 / depth[y, x]
                if (x + 40 * q) % period < 1 or (y + 7 * q) % period < 1:
                    depth[y, x] = np.nan


def _fill(depth: Floats, sensor: DepthSensor) -> None:
    """Fill the holes of an image (H, W), in place, up to a distance from readings."""
    if sensor.filling == "smooth":
        empty = np.isnan(depth).view(np.uint8)
        if 0 < empty.mean() < 1:
            close = cv2.distanceTransform(empty, cv2.DIST_L1, 3) <= sensor.filled
            np.copyto(depth, _pyramid(depth), where=close & (empty > 0))
    else:
        _fill_rows(depth, sensor.filling == "background", 2 * sensor.filled)


def _pyramid(depth: Floats) -> Floats:
    """Fill all holes of an image (H, W) by averages over ever larger squares."""
    weight = np.isfinite(depth).astype(np.float32)
    value = np.nan_to_num(depth)
    if min(depth.shape) > 1:
        size = tuple((extent + 1) // 2 for extent in depth.shape[::-1])
        shares = cv2.resize(weight, size, interpolation=cv2.INTER_AREA)
        means = cv2.resize(value, size, interpolation=cv2.INTER_AREA)
        coarse = _pyramid(np.where(shares > 0.01, means / np.maximum(shares, 0.01), np.nan))
        value += (1 - weight) * cv2.resize(coarse, depth.shape[::-1])
    return value


@compiled()
def _fill_rows(depth, farther, reach):  # type: ignore[no-untyped-def]
    """Fill holes up to ``reach`` pixels wide from the left or, if ``farther``, the farther side."""
    height, width = depth.shape
    for y in range(height):
        last = -1
        for x in range(width):
            if np.isnan(depth[y, x]):
                continue
            if last >= 0 and 1 < x - last <= reach:
                value = depth[y, last]
                if farther:
                    value = max(value, depth[y, x])
                depth[y, last + 1 : x] = value
            last = x


def _register(depth: Floats, camera: Camera, sensor: DepthSensor) -> Floats:
    """Bring depth (h, w) to the size of the color image, with the error of the registration."""
    rows, columns = depth.shape[0] / camera.height, depth.shape[1] / camera.width
    if rows == columns == sensor.scale == 1 and sensor.shift == (0.0, 0.0):
        return depth
    x, y = sensor.shift
    # From pixels of the color image to those of the depth camera, about the image's middle.
    to_depth = np.array(
        [
            [columns * sensor.scale, 0, columns * (x + camera.width * (1 - sensor.scale) / 2)],
            [0, rows * sensor.scale, rows * (y + camera.height * (1 - sensor.scale) / 2)],
        ]
    )
    to_depth[:, 2] += (to_depth[:, :2].sum(axis=1) - 1) / 2  # pixels are counted at their centers
    how = cv2.INTER_LINEAR if sensor.blended else cv2.INTER_NEAREST
    return np.asarray(
        cv2.warpAffine(
            depth, to_depth, (camera.width, camera.height), flags=how | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_CONSTANT, borderValue=math.nan,
        ),
        np.float32,
    )  # fmt: skip
