"""The compiled pixel loops of the renderer. Everything is in the world frame, z up, meters."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from cvdl.core.compiled import compiled

__all__ = ["Hits", "Lights", "Look", "View", "add_noise", "shade", "shadow_rays", "view_rays"]


class View(NamedTuple):
    """Origin (3,) float32 of the rays, and their directions: to_world (3, 3) times (u, v, 1)."""

    eye: Any
    to_world: Any


class Hits(NamedTuple):
    """Where the rays hit.

    Attributes:
        depth: (H, W) float32, in ray lengths; infinite for a miss.
        primitive: (H, W) uint32, index of the triangle.
        barycentric: (H, W, 2) float32, weights of the second and third corner.
    """

    depth: Any
    primitive: Any
    barycentric: Any


class Look(NamedTuple):
    """The look of the triangles.

    Attributes:
        normals: (T, 3, 3) float32, at the corners.
        uvs: (T, 3, 2) float32, at the corners.
        material: (T,) int32.
        gloss: (M,) float32.
        texels: (N, 3) uint8 sRGB, the square textures of all materials, one after the other.
        first: (M,) first texel of each texture.
        size: (M,) width of each texture.
    """

    normals: Any
    uvs: Any
    material: Any
    gloss: Any
    texels: Any
    first: Any
    size: Any


class Lights(NamedTuple):
    """A lamp that casts shadows, a sky (or ceiling) with soft shadows, and a fill light.

    Attributes:
        key_at: (3,) float32, position of the lamp.
        key_radius: of the lamp.
        key_color: (3,) float32, linear RGB.
        sky_color: likewise.
        fill_from: (3,) float32, direction of the fill light.
        fill_color: (3,) float32, linear RGB.
        exposure: mean brightness of the image, linear, 0 to 1.
        noise: standard deviation of the camera's noise, gray values.
        more_lamps: (L, 3) float32, positions of lamps that share the lamp's light and cast shadows.
    """

    key_at: Any
    key_radius: float
    key_color: Any
    sky_color: Any
    fill_from: Any
    fill_color: Any
    exposure: float
    noise: float
    more_lamps: Any


#: Beyond it there is no surface, meters. `np.isfinite` is not safe here: it is a difference that
#: reassociation simplifies.
_FAR = np.float32(1e6)

# NaN and infinity keep their meaning.
_compiled = compiled(fastmath={"contract", "arcp", "reassoc", "nsz"})


@_compiled
def _direction(to_world, u, v):  # type: ignore[no-untyped-def]
    x, y = np.float32(u), np.float32(v)
    return (
        to_world[0, 0] * x + to_world[0, 1] * y + to_world[0, 2],
        to_world[1, 0] * x + to_world[1, 1] * y + to_world[1, 2],
        to_world[2, 0] * x + to_world[2, 1] * y + to_world[2, 2],
    )


@_compiled
def view_rays(view, rays):  # type: ignore[no-untyped-def]
    """Write origin and direction of every pixel's ray to ``rays`` (H, W, 6)."""
    for y in range(rays.shape[0]):
        for x in range(rays.shape[1]):
            direction = _direction(view.to_world, x, y)
            for k in range(3):
                rays[y, x, k] = view.eye[k]
                rays[y, x, 3 + k] = direction[k]


@_compiled
def shadow_rays(view, depth, step, offset, target, radius, jitter, rays):  # type: ignore[no-untyped-def]
    """Write rays from visible points towards a light to ``rays``.

    ``offset`` is 1 for a light at the point ``target`` (3,), jittered within a ball of ``radius``,
    and 0 for a sky in the direction ``target``, jittered likewise. Every ``step``-th pixel of both
    axes is used: rays is (ceil(H / step), ceil(W / step), 6).
    """
    for i in range(rays.shape[0]):
        for j in range(rays.shape[1]):
            y, x = i * step, j * step
            # A thousandth in front of the surface, on the camera's side.
            z = depth[y, x] * np.float32(0.999)
            if z > _FAR:
                z = np.float32(0)
            direction = _direction(view.to_world, x, y)
            for k in range(3):
                origin = view.eye[k] + direction[k] * z
                rays[i, j, k] = origin
                rays[i, j, 3 + k] = target[k] + radius * jitter[y, x, k] - offset * origin


@_compiled
def shade(  # type: ignore[no-untyped-def]
    view, hits, look, lights, lit, sky, step, gain, to_linear, to_srgb,
    image, cosine, albedo, glare,
):  # fmt: skip
    """Shade every ``step``-th pixel of both axes; the other pixels stay unchanged.

    Args:
        view, hits, look, lights: see there.
        lit, sky: (H, W), visible share of the lamp and of the sky.
        step: 1 for all pixels.
        gain: of the camera.
        to_linear: (256,) float32, sRGB to linear.
        to_srgb: float32, linear to sRGB (0 to 255) at values evenly spaced in [0, 1].
        image: (H, W, 3) uint8 output, sRGB.
        cosine: (H, W) output, of the angle of incidence of the view.
        albedo: (H, W) output, reflected share of white light, linear.
        glare: (H, W) output, specular reflection towards the camera.

    Returns:
        The mean linear radiance before the gain.
    """
    height, width = hits.depth.shape
    zero, one = np.float32(0), np.float32(1)
    key_at, fill_from = lights.key_at, lights.fill_from
    top = np.float32(to_srgb.size - 1)
    normal = np.empty(3, np.float32)
    color = np.empty(3, np.float32)
    total = 0.0
    for y in range(0, height, step):
        for x in range(0, width, step):
            z = hits.depth[y, x]
            if z > _FAR:
                image[y, x] = 128
                cosine[y, x], albedo[y, x], glare[y, x] = one, one, zero
                continue
            r0, r1, r2 = _direction(view.to_world, x, y)
            t = hits.primitive[y, x]
            b, c = hits.barycentric[y, x, 0], hits.barycentric[y, x, 1]
            a = one - b - c
            corners = look.normals[t]
            for k in range(3):
                normal[k] = a * corners[0, k] + b * corners[1, k] + c * corners[2, k]
            n0, n1, n2 = normal[0], normal[1], normal[2]
            short = one / np.sqrt(r0 * r0 + r1 * r1 + r2 * r2)
            v0, v1, v2 = -r0 * short, -r1 * short, -r2 * short
            scale = one / np.sqrt(n0 * n0 + n1 * n1 + n2 * n2 + np.float32(1e-20))
            facing = (n0 * v0 + n1 * v1 + n2 * v2) * scale
            if facing < 0:
                scale, facing = -scale, -facing
            n0, n1, n2 = n0 * scale, n1 * scale, n2 * scale
            cosine[y, x] = facing

            m = look.material[t]
            n = look.size[m]
            u = a * look.uvs[t, 0, 0] + b * look.uvs[t, 1, 0] + c * look.uvs[t, 2, 0]
            v = a * look.uvs[t, 0, 1] + b * look.uvs[t, 1, 1] + c * look.uvs[t, 2, 1]
            column = min(int((u - np.floor(u)) * np.float32(n)), n - 1)
            row = n - 1 - min(int((v - np.floor(v)) * np.float32(n)), n - 1)
            texel = look.first[m] + row * n + column
            for k in range(3):
                color[k] = to_linear[look.texels[texel, k]]
            albedo[y, x] = (color[0] + color[1] + color[2]) / np.float32(3)

            l0 = key_at[0] - view.eye[0] - r0 * z
            l1 = key_at[1] - view.eye[1] - r1 * z
            l2 = key_at[2] - view.eye[2] - r2 * z
            near = one / np.sqrt(l0 * l0 + l1 * l1 + l2 * l2)
            l0, l1, l2 = l0 * near, l1 * near, l2 * near
            key = max(n0 * l0 + n1 * l1 + n2 * l2, zero) * lit[y, x] * near * near
            shine = zero
            gloss = look.gloss[m]
            if gloss > np.float32(0.15):
                h0, h1, h2 = l0 + v0, l1 + v1, l2 + v2
                half = (n0 * h0 + n1 * h1 + n2 * h2) / np.sqrt(h0 * h0 + h1 * h1 + h2 * h2)
                if half > np.float32(0.85):
                    shine = gloss * gloss * half ** (np.float32(8) + np.float32(150) * gloss)
            glare[y, x] = shine
            ambient = (np.float32(0.6) + np.float32(0.4) * n2) * sky[y, x]
            fill = max(n0 * fill_from[0] + n1 * fill_from[1] + n2 * fill_from[2], zero)
            for k in range(3):
                light = key * lights.key_color[k] + ambient * lights.sky_color[k]
                light += fill * lights.fill_color[k]
                radiance = color[k] * light + shine * key * lights.key_color[k]
                total += radiance
                image[y, x, k] = to_srgb[int(min(radiance * gain, one) * top)]
    return total * step * step / (3 * height * width)


@_compiled
def add_noise(image, noise, strength):  # type: ignore[no-untyped-def]
    """Add the camera's noise to an image (H, W, 3) uint8, in place.

    ``noise`` (H, W) is standard normal; the channels use different rows of it.
    """
    height, width, channels = image.shape
    for y in range(height):
        for k in range(channels):
            row = noise[(y + 131 * k) % height]
            for x in range(width):
                value = np.float32(image[y, x, k]) + strength * row[x] + np.float32(0.5)
                image[y, x, k] = min(max(value, np.float32(0)), np.float32(255))
