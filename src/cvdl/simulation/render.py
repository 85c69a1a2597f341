"""Ray casting: surfaces in, a picture and its exact geometry out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import open3d as o3d
from numpy.typing import NDArray

from cvdl.camera import Camera
from cvdl.simulation.mesh import Mesh, merge
from cvdl.simulation.noise import random_field
from cvdl.simulation.room import Surface
from cvdl.simulation.shading import develop, shade, shadow_rays

__all__ = ["Lights", "Rendering", "label_image", "random_lights", "render"]

Array = NDArray[np.float64]
Floats = NDArray[np.float32]

_UP = np.array([0, 0, 1], np.float32)
_TO_LINEAR = ((np.arange(256) / 255) ** 2.2).astype(np.float32)
_TO_SRGB = (255 * np.linspace(0, 1, 4096) ** (1 / 2.2)).astype(np.float32)


@dataclass(frozen=True)
class Lights:
    """A lamp that casts shadows, a sky (or ceiling) that does so softly, and a fill light.

    Positions and directions are in the world; colours are linear RGB.
    """

    key_at: Array
    key_radius: float
    key_color: Array
    sky_color: Array
    fill_from: Array
    fill_color: Array
    exposure: float
    noise: float


@dataclass(frozen=True)
class Rendering:
    """What a noiseless sensor would see.

    Attributes:
        color: (H, W, 3) uint8, RGB.
        depth: (H, W) float32, metres along z; infinite where nothing is.
        labels: (H, W) uint16, the surfaces' labels.
        cosine: (H, W) float32, of the angle between the view and the surface's normal.
        albedo: (H, W) float32, share of white light that the surface reflects, 0 to 1.
        glare: (H, W) float32, mirror-like reflection of the lamp, 0 to 1.
    """

    color: NDArray[np.uint8]
    depth: Floats
    labels: NDArray[np.uint16]
    cosine: Floats
    albedo: Floats
    glare: Floats


def random_lights(rng: np.random.Generator) -> Lights:
    """Lamps and windows of a room."""
    azimuth, height = rng.uniform(0, 2 * np.pi), np.radians(rng.uniform(35, 85))
    away = rng.uniform(1.2, 2.6)
    level = np.array([np.cos(azimuth), np.sin(azimuth)]) * np.cos(height)
    warmth = rng.uniform(-0.18, 0.25)
    tint = np.array([1 + warmth, 1, 1 - warmth])
    fill_azimuth = rng.uniform(0, 2 * np.pi)
    share = rng.uniform(0.35, 0.75)
    return Lights(
        key_at=away * np.append(level, np.sin(height)),
        key_radius=rng.uniform(0.04, 0.35),
        key_color=tint * share * away**2,
        sky_color=(tint + 1) / 2 * (1 - share),
        fill_from=np.array([np.cos(fill_azimuth) * 0.8, np.sin(fill_azimuth) * 0.8, 0.6]),
        fill_color=np.full(3, rng.uniform(0, 0.2)),
        exposure=rng.uniform(0.16, 0.34),
        noise=rng.uniform(0.5, 3.0),
    )


def render(
    surfaces: Sequence[Surface],
    camera: Camera,
    pose: Array,
    lights: Lights,
    rng: np.random.Generator,
) -> Rendering:
    """Renders surfaces given in the world from ``pose`` (4, 4), optical frame to world."""
    mesh = merge(*(surface.mesh for surface in surfaces))
    scene = _caster(mesh)
    rays = _rays(camera, pose)
    hit = scene.cast_rays(rays, nthreads=1)
    depth = hit["t_hit"].numpy()  # the rays are 1 long along the optical axis
    primitive = hit["primitive_ids"].numpy()

    key_at = lights.key_at.astype(np.float32)
    lit = _visible(scene, rays, depth, 2, 1.0, key_at, lights.key_radius, 1.0)
    sky = _visible(scene, rays, depth, 4, 0.0, _UP, 0.9, 0.6)
    size = (camera.width, camera.height)
    lit, sky = cv2.resize(cv2.blur(lit, (5, 5)), size), cv2.resize(cv2.blur(sky, (5, 5)), size)

    textures, material, gloss = _materials(surfaces)
    widths = np.array([len(texture) for texture in textures])
    radiance = np.empty((camera.height, camera.width, 3), np.float32)
    cosine, albedo, glare = (np.empty_like(depth) for _ in range(3))
    shade(
        rays, depth, primitive, hit["primitive_uvs"].numpy(), lit, sky,
        mesh.normals[mesh.triangles].astype(np.float32),
        mesh.uv[mesh.triangles].astype(np.float32),
        material, gloss,
        np.concatenate([texture.reshape(-1, 3) for texture in textures]),
        np.cumsum(widths**2) - widths**2, widths,
        key_at, lights.key_color.astype(np.float32), lights.sky_color.astype(np.float32),
        lights.fill_from.astype(np.float32), lights.fill_color.astype(np.float32),
        _TO_LINEAR, radiance, cosine, albedo, glare,
    )  # fmt: skip

    # The lens and the demosaicing blur; then the exposure fits the picture's middle brightness.
    radiance = cv2.GaussianBlur(radiance, (0, 0), 0.6)
    gain = lights.exposure / max(float(radiance[::8, ::8].mean()), 1e-6)
    color = np.empty(radiance.shape, np.uint8)
    noise = random_field(rng, (camera.height, camera.width))
    develop(radiance, np.float32(gain), noise, np.float32(lights.noise), _TO_SRGB, color)
    return Rendering(color, depth, _labels(surfaces, primitive), cosine, albedo, glare)


def label_image(surfaces: Sequence[Surface], camera: Camera, pose: Array) -> NDArray[np.uint16]:
    """Only the labels (H, W) of what the camera would see."""
    hit = _caster(merge(*(surface.mesh for surface in surfaces))).cast_rays(
        _rays(camera, pose), nthreads=1
    )
    return _labels(surfaces, hit["primitive_ids"].numpy())


def _caster(mesh: Mesh) -> o3d.t.geometry.RaycastingScene:
    # In the world's axes, where the boxes round floor, walls and table are thin: rays rotated into
    # a scene take half the time of a scene rotated to the rays.
    scene = o3d.t.geometry.RaycastingScene()
    scene.add_triangles(mesh.vertices.astype(np.float32), mesh.triangles.astype(np.uint32))
    return scene


def _labels(surfaces: Sequence[Surface], primitive: NDArray[np.uint32]) -> NDArray[np.uint16]:
    counts = [len(surface.mesh.triangles) for surface in surfaces]
    of_triangle = np.repeat(np.array([surface.label for surface in surfaces], np.uint16), counts)
    # A miss is the largest uint32: it takes the extra entry.
    return np.append(of_triangle, np.uint16(0))[np.minimum(primitive, len(of_triangle))]


def _visible(
    scene: o3d.t.geometry.RaycastingScene,
    rays: Floats,
    depth: Floats,
    step: int,
    offset: float,
    target: Floats,
    radius: float,
    reach: float,
) -> Floats:
    """1 where every ``step``-th pixel's ray to a light is free for ``reach`` ray lengths, else 0.

    Args are those of ``shadow_rays``; the result is (ceil(H / step), ceil(W / step)).
    """
    height, width = depth.shape
    shadow = np.empty((-(-height // step), -(-width // step), 6), np.float32)
    jitter = _jitter(height, width)
    shadow_rays(rays, depth, step, offset, target, np.float32(radius), jitter, shadow)
    return 1 - scene.test_occlusions(shadow, 0.0, reach, nthreads=1).numpy().astype(np.float32)


def _materials(
    surfaces: Sequence[Surface],
) -> tuple[list[NDArray[np.uint8]], NDArray[np.int32], Floats]:
    """All textures, each triangle's index into them (T,), and each one's gloss (M,)."""
    textures: list[NDArray[np.uint8]] = []
    gloss: list[float] = []
    material = []
    for surface in surfaces:
        material.append(surface.mesh.material + len(textures))
        textures += [look.texture for look in surface.materials]
        gloss += [look.gloss for look in surface.materials]
    return textures, np.concatenate(material), np.array(gloss, np.float32)


def _rays(camera: Camera, pose: Array) -> Floats:
    """(H, W, 6): origin and direction of every pixel's ray in the world, 1 long along the axis."""
    rays = np.empty((camera.height, camera.width, 6), np.float32)
    rays[..., :3] = pose[:3, 3]
    x = (np.arange(camera.width, dtype=np.float32) - camera.cx) / camera.fx
    y = ((np.arange(camera.height, dtype=np.float32) - camera.cy) / camera.fy)[:, None]
    for axis, (along_x, along_y, along_z) in enumerate(pose[:3, :3].tolist()):
        rays[..., 3 + axis] = along_x * x + (along_y * y + along_z)
    return rays


@lru_cache(maxsize=4)
def _jitter(height: int, width: int) -> Floats:
    """(H, W, 3): points in the unit ball, the same for every frame; blurring averages them."""
    rng = np.random.default_rng(0)
    points = rng.standard_normal((height, width, 3), np.float32)
    points /= np.linalg.norm(points, axis=2, keepdims=True)
    return points * rng.uniform(size=(height, width, 1)).astype(np.float32) ** (1 / 3)
