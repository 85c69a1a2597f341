"""The compiled pixel loops for surfaces that let light through or mirror what is around them."""

from __future__ import annotations

import numpy as np

from cvdl.core.compiled import compiled

__all__ = ["blend", "mirror", "mirror_rays"]


@compiled()
def blend(image, behind, opacity, cosine, glare, clear):  # type: ignore[no-untyped-def]
    """Mix what is behind transparent surfaces into an image, in place.

    A surface reflects more, and shows less of what is behind, towards grazing angles (as in
    C. Schlick, "An Inexpensive BRDF Model for Physically-based Rendering", Eurographics 1994) and
    in highlights.

    Args:
        image: (H, W, 3) uint8.
        behind: (H, W, 3) uint8, without the transparent surfaces.
        opacity: (H, W) float32, at a right angle.
        cosine, glare: (H, W) float32; see ``Rendering``.
        clear: (H, W) bool, which pixels to mix.
    """
    height, width = opacity.shape
    for y in range(height):
        for x in range(width):
            if clear[y, x]:
                grazing = (1 - cosine[y, x]) ** 4
                share = opacity[y, x] + (1 - opacity[y, x]) * max(0.8 * grazing, glare[y, x])
                share = min(share, 1.0)
                for k in range(3):
                    mixed = share * image[y, x, k] + (1 - share) * behind[y, x, k]
                    image[y, x, k] = np.uint8(min(mixed, 255.0))


@compiled()
def mirror_rays(view, hits, look, rows, columns, rays):  # type: ignore[no-untyped-def]
    """Write the rays that N pixels mirror to ``rays`` (N, 6)."""
    normal = np.empty(3)
    way = np.empty(3)
    for i in range(rows.size):
        y, x = rows[i], columns[i]
        b, c = hits.barycentric[y, x, 0], hits.barycentric[y, x, 1]
        corners = look.normals[hits.primitive[y, x]]
        for k in range(3):
            normal[k] = (1 - b - c) * corners[0, k] + b * corners[1, k] + c * corners[2, k]
            way[k] = view.to_world[k, 0] * x + view.to_world[k, 1] * y + view.to_world[k, 2]
        normal /= np.sqrt((normal * normal).sum()) + 1e-12
        along = (way * normal).sum()
        for k in range(3):
            # A thousandth in front of the surface.
            rays[i, k] = view.eye[k] + way[k] * hits.depth[y, x] * 0.999
            rays[i, 3 + k] = way[k] - 2 * along * normal[k]


@compiled()
def mirror(  # type: ignore[no-untyped-def]
    image, hits, look, lights, gain, share, rows, columns, rays, to_linear, to_srgb
):
    """Mix what N pixels mirror into an image, in place.

    What is mirrored is lit evenly; rays that hit nothing see a ceiling that is brighter upwards.

    Args:
        image: (H, W, 3) uint8 sRGB.
        hits: of ``rays``, with arrays of N.
        look, lights: see there.
        gain: of the camera.
        share: (N,) of the mirror image, 0 to 1.
        rows, columns: (N,) the pixels.
        rays: (N, 6).
        to_linear, to_srgb: see ``shade``.
    """
    top = to_srgb.size - 1
    for i in range(rows.size):
        t = hits.primitive[i]
        is_hit = np.isfinite(hits.depth[i])
        texel = 0
        if is_hit:
            m = look.material[t]
            n = look.size[m]
            b, c = hits.barycentric[i, 0], hits.barycentric[i, 1]
            u = (1 - b - c) * look.uvs[t, 0, 0] + b * look.uvs[t, 1, 0] + c * look.uvs[t, 2, 0]
            v = (1 - b - c) * look.uvs[t, 0, 1] + b * look.uvs[t, 1, 1] + c * look.uvs[t, 2, 1]
            column = min(int((u - np.floor(u)) * n), n - 1)
            row = n - 1 - min(int((v - np.floor(v)) * n), n - 1)
            texel = look.first[m] + row * n + column
        length = np.sqrt(rays[i, 3] ** 2 + rays[i, 4] ** 2 + rays[i, 5] ** 2) + 1e-12
        up = 0.5 + 0.5 * rays[i, 5] / length
        for k in range(3):
            radiance = 0.8 * (lights.sky_color[k] + 0.3) * up * up
            if is_hit:
                radiance = 0.7 * to_linear[look.texels[texel, k]] * (lights.sky_color[k] + 0.25)
            seen = to_srgb[int(min(radiance * gain, 1.0) * top)]
            y, x = rows[i], columns[i]
            image[y, x, k] = np.uint8((1 - share[i]) * image[y, x, k] + share[i] * seen)
