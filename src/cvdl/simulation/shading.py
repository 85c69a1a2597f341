"""The pixel loops of the renderer, compiled."""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["develop", "shade", "shadow_rays", "view_rays"]


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract", "arcp", "reassoc", "nsz"})
def view_rays(eye, to_world, rays):  # type: ignore[no-untyped-def]
    """Rays (H, W, 6) from ``eye`` (3,) in the directions ``to_world`` (3, 3) times (u, v, 1)."""
    for y in range(rays.shape[0]):
        for x in range(rays.shape[1]):
            for k in range(3):
                rays[y, x, k] = eye[k]
                rays[y, x, 3 + k] = to_world[k, 0] * x + to_world[k, 1] * y + to_world[k, 2]


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract", "arcp", "reassoc", "nsz"})
def shadow_rays(rays, depth, step, offset, target, radius, jitter, rays_out):  # type: ignore[no-untyped-def]
    """Rays from visible points towards a light; all in the world, z up.

    ``offset`` is 1 for a light at the point ``target`` (3,), jittered within a ball of ``radius``,
    and 0 for a sky: the direction ``target`` jittered likewise. Every ``step``-th pixel of both
    directions is taken: rays_out is (ceil(H / step), ceil(W / step), 6).
    """
    for i in range(rays_out.shape[0]):
        for j in range(rays_out.shape[1]):
            y, x = i * step, j * step
            z = depth[y, x]
            if not np.isfinite(z):
                z = np.float32(0)
            for k in range(3):
                # A thousandth short of the surface: on the camera's side, so outside.
                origin = rays[y, x, k] + rays[y, x, 3 + k] * z * np.float32(0.999)
                rays_out[i, j, k] = origin
                rays_out[i, j, 3 + k] = target[k] + radius * jitter[y, x, k] - offset * origin


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract", "arcp", "reassoc", "nsz"})
def shade(  # type: ignore[no-untyped-def]
    rays,
    depth,
    primitive,
    barycentric,
    lit,
    sky,
    normals,
    uvs,
    material,
    gloss,
    texels,
    first,
    size,
    key_at,
    key_color,
    sky_color,
    fill_from,
    fill_color,
    to_linear,
    radiance,
    cosine,
    albedo,
    glare,
):
    """Colour of every pixel under a key light, a sky and a fill light; all in the world, z up.

    Args:
        rays: (H, W, 6), origin and direction.
        depth: (H, W), in ray lengths; infinite where nothing was hit.
        primitive: (H, W) uint32, index of the triangle hit.
        barycentric: (H, W, 2), weights of its second and third corner.
        lit, sky: (H, W), visible share of the key light and of the sky.
        normals: (T, 3, 3) at the triangles' corners.
        uvs: (T, 3, 2).
        material: (T,).
        gloss: (M,).
        texels: (N, 3) uint8, all materials' square textures, one after the other.
        first: (M,) first texel of each.
        size: (M,) width of each.
        key_at: (3,) position.
        fill_from: (3,) unit direction.
        key_color, sky_color, fill_color: (3,) linear.
        to_linear: (256,) sRGB to linear.
        radiance: (H, W, 3) out, linear.
        cosine: (H, W) out, of the angle of incidence of the view.
        albedo: (H, W) out, what the surface reflects of white light, linear.
        glare: (H, W) out, mirror-like reflection towards the camera.
    """
    height, width = depth.shape
    normal = np.empty(3, np.float32)
    color = np.empty(3, np.float32)
    for y in range(height):
        for x in range(width):
            z = depth[y, x]
            if not np.isfinite(z):
                radiance[y, x] = sky_color
                cosine[y, x] = 1
                albedo[y, x] = 1
                glare[y, x] = 0
                continue
            t = primitive[y, x]
            b = barycentric[y, x, 0]
            c = barycentric[y, x, 1]
            a = np.float32(1) - b - c
            for k in range(3):
                normal[k] = a * normals[t, 0, k] + b * normals[t, 1, k] + c * normals[t, 2, k]
            n0, n1, n2 = normal[0], normal[1], normal[2]
            r0, r1, r2 = rays[y, x, 3], rays[y, x, 4], rays[y, x, 5]
            ray_length = np.sqrt(r0 * r0 + r1 * r1 + r2 * r2)
            v0, v1, v2 = -r0 / ray_length, -r1 / ray_length, -r2 / ray_length
            scale = np.float32(1) / np.sqrt(n0 * n0 + n1 * n1 + n2 * n2 + np.float32(1e-20))
            facing = (n0 * v0 + n1 * v1 + n2 * v2) * scale
            if facing < 0:
                scale = -scale
                facing = -facing
            n0, n1, n2 = n0 * scale, n1 * scale, n2 * scale
            cosine[y, x] = facing

            m = material[t]
            n = size[m]
            u = a * uvs[t, 0, 0] + b * uvs[t, 1, 0] + c * uvs[t, 2, 0]
            v = a * uvs[t, 0, 1] + b * uvs[t, 1, 1] + c * uvs[t, 2, 1]
            column = min(int((u - np.floor(u)) * np.float32(n)), n - 1)
            row = n - 1 - min(int((v - np.floor(v)) * np.float32(n)), n - 1)
            texel = first[m] + row * n + column
            for k in range(3):
                color[k] = to_linear[texels[texel, k]]
            albedo[y, x] = (color[0] + color[1] + color[2]) / np.float32(3)
            l0 = key_at[0] - rays[y, x, 0] - r0 * z
            l1 = key_at[1] - rays[y, x, 1] - r1 * z
            l2 = key_at[2] - rays[y, x, 2] - r2 * z
            near = np.float32(1) / np.sqrt(l0 * l0 + l1 * l1 + l2 * l2)
            l0, l1, l2 = l0 * near, l1 * near, l2 * near
            key = max(n0 * l0 + n1 * l1 + n2 * l2, np.float32(0)) * lit[y, x] * near * near
            shine = np.float32(0)
            g = gloss[m]
            if g > np.float32(0.15):
                h0, h1, h2 = l0 + v0, l1 + v1, l2 + v2
                half = (n0 * h0 + n1 * h1 + n2 * h2) / np.sqrt(h0 * h0 + h1 * h1 + h2 * h2)
                if half > np.float32(0.85):
                    shine = g * g * half ** (np.float32(8) + np.float32(150) * g)
            glare[y, x] = shine
            ambient = (np.float32(0.6) + np.float32(0.4) * n2) * sky[y, x]
            fill = max(n0 * fill_from[0] + n1 * fill_from[1] + n2 * fill_from[2], np.float32(0))
            for k in range(3):
                light = key * key_color[k] + ambient * sky_color[k] + fill * fill_color[k]
                radiance[y, x, k] = color[k] * light + shine * key * key_color[k]


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract", "arcp", "reassoc", "nsz"})
def develop(radiance, gain, noise, strength, to_srgb, image):  # type: ignore[no-untyped-def]
    """Linear radiance (H, W, 3) to an 8-bit sRGB image, with the camera's own noise.

    ``noise`` (H, W) is standard normal; the channels take it from different rows. ``to_srgb`` maps
    linear values in [0, 1] at its evenly spaced entries.
    """
    height, width, channels = radiance.shape
    top = np.float32(to_srgb.size - 1)
    for y in range(height):
        for x in range(width):
            for k in range(channels):
                linear = min(max(radiance[y, x, k] * gain, np.float32(0)), np.float32(1))
                value = to_srgb[int(linear * top + np.float32(0.5))]
                value += strength * noise[(y + 131 * k) % height, x]
                image[y, x, k] = min(max(value + np.float32(0.5), np.float32(0)), np.float32(255))
