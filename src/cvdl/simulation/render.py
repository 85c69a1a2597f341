"""Ray casting: renders surfaces as a color image with its exact geometry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.core.camera import Camera
from cvdl.simulation.mesh import Mesh, merge
from cvdl.simulation.optics import blend, mirror, mirror_rays
from cvdl.simulation.random_fields import normal_field
from cvdl.simulation.room import Surface
from cvdl.simulation.shading import (
    Hits,
    Lights,
    Look,
    View,
    add_noise,
    shade,
    shadow_rays,
    view_rays,
)
from cvdl.simulation.solid import ray_scene

__all__ = ["Rendering", "Stage", "random_lights"]

Array = NDArray[np.float64]
Floats = NDArray[np.float32]

_UP = np.array([0, 0, 1], np.float32)
_TO_LINEAR = ((np.arange(256) / 255) ** 2.2).astype(np.float32)
_TO_SRGB = (255 * np.linspace(0, 1, 4096) ** (1 / 2.2)).astype(np.float32)


@dataclass(frozen=True)
class Rendering:
    """What a noiseless sensor sees.

    Attributes:
        color: (H, W, 3) uint8, RGB.
        depth: (H, W) float32, meters along z; infinite where no surface is.
        labels: (H, W) uint16, labels of the surfaces.
        cosine: (H, W) float32, of the angle between the ray and the surface normal.
        albedo: (H, W) float32, share of white light that the surface reflects, 0 to 1.
        glare: (H, W) float32, specular reflection of the lamp, 0 to 1.
        transparent: (H, W) bool, whether the surface lets light through.
        behind: (H, W) float32, meters, of the first surface that is not transparent.
    """

    color: NDArray[np.uint8]
    depth: Floats
    labels: NDArray[np.uint16]
    cosine: Floats
    albedo: Floats
    glare: Floats
    transparent: NDArray[np.bool_]
    behind: Floats


def random_lights(rng: np.random.Generator) -> Lights:
    """Draw the lamps and windows of a room."""
    azimuth, height = rng.uniform(0, 2 * np.pi), np.radians(rng.uniform(35, 85))
    away = rng.uniform(1.2, 2.6)
    level = np.array([np.cos(azimuth), np.sin(azimuth)]) * np.cos(height)
    warmth = rng.uniform(-0.18, 0.25)
    tint = np.array([1 + warmth, 1, 1 - warmth])
    fill_azimuth = rng.uniform(0, 2 * np.pi)
    share = rng.uniform(0.35, 0.75)
    fill_from = np.array([np.cos(fill_azimuth) * 0.8, np.sin(fill_azimuth) * 0.8, 0.6])
    return Lights(
        key_at=(away * np.append(level, np.sin(height))).astype(np.float32),
        key_radius=rng.uniform(0.04, 0.35),
        key_color=(tint * share * away**2).astype(np.float32),
        sky_color=((tint + 1) / 2 * (1 - share)).astype(np.float32),
        fill_from=fill_from.astype(np.float32),
        fill_color=np.full(3, rng.uniform(0, 0.2), np.float32),
        exposure=rng.uniform(0.16, 0.34),
        noise=rng.uniform(0.5, 3.0),
        more_lamps=np.empty((0, 3), np.float32),
    )


class Stage:
    """Surfaces in the world, ready for ray casting."""

    def __init__(self, surfaces: Sequence[Surface]) -> None:
        self._surfaces = surfaces
        self._mesh = merge(*(surface.mesh for surface in surfaces))
        # In the world's axes the bounding boxes of floor, walls and table are thin: casting turned
        # rays into this scene takes half the time of turning the scene.
        self._scene = ray_scene(self._mesh)
        labels = np.array([surface.label for surface in surfaces], np.uint16)
        counts = [len(surface.mesh.triangles) for surface in surfaces]
        # The last entry is for rays that hit nothing.
        self._label_of = np.append(np.repeat(labels, counts), np.uint16(0))
        self._opacity = _of_triangles(surfaces, "opacity", 1.0)
        self._mirror = _of_triangles(surfaces, "mirror", 0.0)
        # The opaque triangles alone cast shadows, and are seen through the others.
        self._opaque, self._opaque_scene = None, self._scene
        if self._opacity is not None:
            self._opaque = np.flatnonzero(self._opacity == 1)
            triangles = self._mesh.triangles[self._opaque]
            self._opaque_scene = ray_scene(replace(self._mesh, triangles=triangles))

    def labels(self, camera: Camera, pose: Array) -> NDArray[np.uint16]:
        """Render the labels (H, W) from ``pose`` (4, 4), optical frame to world."""
        return self._labels(self._cast(camera, _view(camera, pose)))

    def render(
        self, camera: Camera, pose: Array, lights: Lights, rng: np.random.Generator
    ) -> Rendering:
        """Render everything from ``pose`` (4, 4), optical frame to world."""
        view = _view(camera, pose)
        hits = self._cast(camera, view)
        layer = self._layer(view, hits, lights, _look(self._surfaces, self._mesh))
        # Scale the mean brightness to the exposure; then blur like lens and demosaicing.
        gain = lights.exposure / max(layer.shade(8, 1.0), 1e-6)
        layer.shade(1, gain)
        self._add_mirror_images(layer, gain)
        clear, behind = self._look_through(camera, pose, layer, gain)
        image = cv2.GaussianBlur(layer.image, (0, 0), 0.6)
        add_noise(image, normal_field(rng, hits.depth.shape), np.float32(lights.noise))
        return Rendering(
            image, hits.depth, self._labels(hits),
            layer.cosine, layer.albedo, layer.glare, clear, behind,
        )  # fmt: skip

    def _layer(self, view: View, hits: Hits, lights: Lights, look: Look) -> _Layer:
        lit = self._visible(view, hits, 3, 1.0, lights.key_at, lights.key_radius, 1.0)
        for lamp in lights.more_lamps:
            lit = lit + self._visible(view, hits, 3, 1.0, lamp, lights.key_radius, 1.0)
        if len(lights.more_lamps):
            lit /= np.float32(1 + len(lights.more_lamps))
        sky = self._visible(view, hits, 4, 0.0, _UP, 0.9, 0.6)
        return _Layer(view, hits, look, lights, lit, sky)

    def _add_mirror_images(self, layer: _Layer, gain: float) -> None:
        """Add what mirror-like surfaces mirror: one reflection, without shadows."""
        if self._mirror is None:
            return
        share = self._mirror[np.minimum(layer.hits.primitive, len(self._mirror) - 1)]
        rows, columns = np.nonzero((share > 0) & np.isfinite(layer.hits.depth))
        rays = np.empty((len(rows), 6), np.float32)
        mirror_rays(layer.view, layer.hits, layer.look, rows, columns, rays)
        mirrored = _hits(self._scene.cast_rays(rays, nthreads=1))
        mirror(
            layer.image, mirrored, layer.look, layer.lights, np.float32(gain),
            share[rows, columns], rows, columns, rays, _TO_LINEAR, _TO_SRGB,
        )  # fmt: skip

    def _look_through(
        self, camera: Camera, pose: Array, layer: _Layer, gain: float
    ) -> tuple[NDArray[np.bool_], Floats]:
        """Add what is behind transparent surfaces; return where they are, and the depth there."""
        depth, primitive = layer.hits.depth, layer.hits.primitive
        clear = np.zeros(depth.shape, bool)
        if self._opacity is None or self._opaque is None:
            return clear, depth
        opacity = self._opacity[np.minimum(primitive, len(self._opacity) - 1)]
        clear = (opacity < 1) & np.isfinite(depth)
        if not clear.any():
            return clear, depth
        x, y, width, height = cv2.boundingRect(clear.view(np.uint8))
        part = np.s_[y : y + height, x : x + width]
        window = camera.cropped(*part)
        view = _view(window, pose)
        seen = _hits(self._opaque_scene.cast_rays(_rays(window, view), nthreads=1))
        index = np.minimum(seen.primitive, len(self._opaque) - 1)
        seen = seen._replace(primitive=self._opaque[index].astype(np.uint32))
        inside = self._layer(view, seen, layer.lights, layer.look)
        inside.shade(1, gain)
        blend(
            layer.image[part], inside.image, opacity[part],
            layer.cosine[part], layer.glare[part], clear[part],
        )  # fmt: skip
        behind = depth.copy()
        behind[part] = np.where(clear[part], seen.depth, depth[part])
        return clear, behind

    def _cast(self, camera: Camera, view: View) -> Hits:
        return _hits(self._scene.cast_rays(_rays(camera, view), nthreads=1))

    def _labels(self, hits: Hits) -> NDArray[np.uint16]:
        # A miss is the largest uint32.
        return self._label_of[np.minimum(hits.primitive, len(self._label_of) - 1)]

    def _visible(
        self,
        view: View,
        hits: Hits,
        step: int,
        offset: float,
        target: Floats,
        radius: float,
        reach: float,
    ) -> Floats:
        """The share (H, W) of a light that reaches each pixel, 0 to 1.

        Every ``step``-th pixel casts one ray to a random point of the light, which is blocked or
        free for ``reach`` ray lengths; a blur turns that into soft shadows. The other arguments
        are those of ``shadow_rays``.
        """
        height, width = hits.depth.shape
        rays = np.empty((-(-height // step), -(-width // step), 6), np.float32)
        jitter = _jitter(height, width)
        shadow_rays(view, hits.depth, step, offset, target, np.float32(radius), jitter, rays)
        hidden = self._opaque_scene.test_occlusions(rays, 0.0, reach, nthreads=1).numpy()
        return cv2.resize(cv2.blur(1 - hidden.astype(np.float32), (5, 5)), (width, height))


class _Layer:
    """The pixels of an image while they are shaded; see `shade` for the arrays."""

    def __init__(
        self, view: View, hits: Hits, look: Look, lights: Lights, lit: Floats, sky: Floats
    ) -> None:
        self.view, self.hits, self.look, self.lights = view, hits, look, lights
        self._lit, self._sky = lit, sky
        shape = hits.depth.shape
        self.image = np.empty((*shape, 3), np.uint8)
        self.cosine, self.albedo, self.glare = (np.empty(shape, np.float32) for _ in range(3))

    def shade(self, step: int, gain: float) -> float:
        """Shade every ``step``-th pixel; return the mean linear radiance before the gain."""
        return shade(
            self.view, self.hits, self.look, self.lights, self._lit, self._sky, step,
            np.float32(gain), _TO_LINEAR, _TO_SRGB,
            self.image, self.cosine, self.albedo, self.glare,
        )  # fmt: skip


def _rays(camera: Camera, view: View) -> Floats:
    rays = np.empty((camera.height, camera.width, 6), np.float32)
    view_rays(view, rays)
    return rays


def _hits(hit: dict[str, Any]) -> Hits:
    # The rays of a view have length 1 along the optical axis, so hit distances are depths.
    return Hits(*(hit[name].numpy() for name in ("t_hit", "primitive_ids", "primitive_uvs")))


def _of_triangles(surfaces: Sequence[Surface], name: str, usual: float) -> Floats | None:
    """A property (T,) of the materials of all triangles; None if it is as usual everywhere."""
    values = [[getattr(look, name) for look in surface.materials] for surface in surfaces]
    if all(value == usual for row in values for value in row):
        return None
    pairs = zip(surfaces, values, strict=True)
    return np.concatenate(
        [np.array(row, np.float32)[surface.mesh.material] for surface, row in pairs]
    )


def _look(surfaces: Sequence[Surface], mesh: Mesh) -> Look:
    """The look of the triangles of surfaces merged to ``mesh``."""
    textures: list[NDArray[np.uint8]] = []
    gloss: list[float] = []
    material = []
    for surface in surfaces:
        material.append(surface.mesh.material + len(textures))
        textures += [look.texture for look in surface.materials]
        gloss += [look.gloss for look in surface.materials]
    widths = np.array([len(texture) for texture in textures])
    return Look(
        mesh.normals[mesh.triangles].astype(np.float32),
        mesh.uv[mesh.triangles].astype(np.float32),
        np.concatenate(material),
        np.array(gloss, np.float32),
        np.concatenate([texture.reshape(-1, 3) for texture in textures]),
        np.cumsum(widths**2) - widths**2,
        widths,
    )


def _view(camera: Camera, pose: Array) -> View:
    # Pixel to direction: the inverse of the camera matrix, then the pose's rotation.
    to_world = pose[:3, :3] @ np.linalg.inv(camera.matrix)
    return View(pose[:3, 3].astype(np.float32), to_world.astype(np.float32))


@lru_cache(maxsize=4)
def _jitter(height: int, width: int) -> Floats:
    """Points (H, W, 3) in the unit ball, the same for every frame; blurring averages them."""
    rng = np.random.default_rng(0)
    points = rng.standard_normal((height, width, 3), np.float32)
    points /= np.linalg.norm(points, axis=2, keepdims=True)
    return points * rng.uniform(size=(height, width, 1)).astype(np.float32) ** (1 / 3)
