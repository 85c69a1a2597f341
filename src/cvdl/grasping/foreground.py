"""A foreground mask for frames without a segmentation.

It contains what is above the support plane and what differs in color from the table around it:
glass and thin wire are missing in the depth, white objects on a white table in the color.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.core.camera import Camera
from cvdl.core.frame import RgbdFrame
from cvdl.core.scene import Plane
from cvdl.depth.noise import depth_noise
from cvdl.segmentation.plane import SupportPlane, find_support_plane

__all__ = ["foreground"]

_COLUMNS = 320  # least width of the downsampled image; the factor is an integer
_COARSE = 2  # further factor for the color of the table
_MIN_PLANE_AREA = 0.04  # visible, square meters
_MIN_HEIGHT, _MAX_HEIGHT = 0.008, 0.4  # above the plane, meters
_HEIGHT_SIGMAS = 5.0
_WALL = 0.03  # meters; points this close to a wall or a cupboard are part of it
_RIM = 5  # blocks, side of the square that erodes the footprint of the plane
_NEIGHBORHOOD = 0.25  # of the image width: scale of changes in the color of the table
_ROUNDS = 3  # of removing outliers and computing the mean again
_LIGHTNESS = 0.35  # weight of lightness relative to hue: reduces shadows
_LEAST_DIFFERENCE = 9.0  # gray levels
_DIFFERENCE_SIGMAS = 6.0
_SPECK = 2e-4  # of the image: smaller components are noise


def foreground(frame: RgbdFrame) -> NDArray[np.bool_]:
    """Return the pixels that may belong to an object.

    Without a support plane or depth, it is what differs in color from its surroundings, in the
    whole image.

    Args:
        frame: color and depth; the depth may be NaN everywhere.

    Returns:
        (H, W) bool, without walls and what is beside the table, as far as the depth shows them.
    """
    camera = frame.camera
    support = find_support_plane(frame.depth, camera, _MIN_PLANE_AREA)
    step = max(1, camera.width // _COLUMNS)
    depth = frame.depth[::step, ::step]
    height, width = depth.shape
    color = cv2.resize(frame.color, (width, height), interpolation=cv2.INTER_AREA)
    if support is None:
        everywhere = np.ones(depth.shape, bool)
        mask = _differs(color, everywhere, everywhere)
    else:
        # The footprint is a little larger than the table.
        inner = cv2.erode(support.footprint.astype(np.uint8), np.ones((_RIM, _RIM), np.uint8)) > 0
        support = replace(support, footprint=inner)
        raised, table, inside = _by_height(depth, step, camera, support)
        mask = raised | _within(_differs(color, table, inside), inside)
    size = camera.width, camera.height
    whole = _without_specks(mask).astype(np.uint8)
    return cv2.resize(whole, size, interpolation=cv2.INTER_NEAREST) > 0


def _by_height(
    depth: NDArray[np.float32], step: int, camera: Camera, support: SupportPlane
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
    """Masks of what stands on the table, of the table, and of the region that it covers.

    ``depth`` (h, w) is every ``step``-th pixel of the camera's image.
    """
    height, width = depth.shape
    coarse = support.footprint.astype(np.uint8)
    inside = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_NEAREST) > 0
    rays_x, rays_y = (rays.ravel()[::step] for rays in camera.rays())

    def distance(plane: Plane) -> NDArray[np.float32]:
        normal = plane.normal
        along = normal[0] * rays_x[None] + normal[1] * rays_y[:, None] + normal[2]
        return depth * along.astype(np.float32) + np.float32(plane.offset)

    above = distance(support.plane)
    tolerance = _HEIGHT_SIGMAS * depth_noise(depth)
    table = inside & (np.abs(above) < tolerance)
    raised = (above > np.maximum(_MIN_HEIGHT, tolerance)) & (above < _MAX_HEIGHT)
    for wall in support.furniture:
        near = np.abs(distance(wall)) < _WALL
        raised &= ~near
        inside &= ~near
    row, column = np.nonzero(raised)
    z = depth[row, column]
    points = np.stack([rays_x[column] * z, rays_y[row] * z, z], axis=1)
    raised[row, column] = support.carries(points, camera)
    return raised, table, inside


def _differs(
    color: NDArray[np.uint8], table: NDArray[np.bool_], where: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Pixels of ``where`` (H, W) that differ in color from the table around them."""
    lab = cv2.cvtColor(color, cv2.COLOR_RGB2LAB)
    small = np.ascontiguousarray(
        cv2.resize(lab, None, fx=1 / _COARSE, fy=1 / _COARSE, interpolation=cv2.INTER_AREA)
    ).astype(np.float32)
    small[..., 0] *= _LIGHTNESS
    shape = small.shape[1], small.shape[0]
    usual = cv2.resize(table.astype(np.uint8), shape, interpolation=cv2.INTER_NEAREST) > 0
    size = (2 * (round(_NEIGHBORHOOD * shape[0]) // 2) + 1,) * 2
    limit = _LEAST_DIFFERENCE
    background = small
    for _ in range(_ROUNDS):
        weight = usual.astype(np.float32)
        total = cv2.boxFilter(small * weight[..., None], cv2.CV_32F, size, normalize=False)
        count = cv2.boxFilter(weight, cv2.CV_32F, size, normalize=False)
        overall = small[usual].mean(axis=0) if usual.any() else small.mean(axis=(0, 1))
        background = (total + overall) / (count + 1)[..., None]
        distance = np.linalg.norm(small - background, axis=2)
        if usual.any():
            spread = 1.4826 * float(np.median(distance[usual]))
            limit = max(_LEAST_DIFFERENCE, _DIFFERENCE_SIGMAS * spread)
        usual &= distance < limit
    fine = lab.astype(np.float32)
    fine[..., 0] *= _LIGHTNESS
    size = color.shape[1], color.shape[0]
    fine -= cv2.resize(background, size, interpolation=cv2.INTER_LINEAR)
    return where & (np.einsum("ijk,ijk->ij", fine, fine) > limit**2)


def _within(mask: NDArray[np.bool_], inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Components of the mask that do not touch the outside, as the edge of the table does."""
    _, parts = cv2.connectedComponents(mask.astype(np.uint8))
    outside = cv2.dilate((~inside).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    keep = np.ones(parts.max() + 1, bool)
    keep[parts[outside]] = False
    keep[0] = False
    return keep[parts]


def _without_specks(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Close small gaps and remove components that are too small for an object."""
    closed = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    _, parts, stats, _ = cv2.connectedComponentsWithStats(closed)
    keep = stats[:, cv2.CC_STAT_AREA] >= _SPECK * mask.size
    keep[0] = False
    return keep[parts]
