"""Rendering of scenes with known depth."""

import numpy as np
import pytest

from cvdl.core.camera import Camera
from cvdl.simulation.mesh import box, circle, revolve
from cvdl.simulation.render import Rendering, Stage
from cvdl.simulation.room import Surface
from cvdl.simulation.shading import Lights
from cvdl.simulation.textures import Material

CAMERA = Camera(160, 120, 150.0, 150.0, 79.5, 59.5)
GRAY = Material(np.full((4, 4, 3), 128, np.uint8), 0.0)
RED = Material(np.tile(np.array([200, 20, 20], np.uint8), (4, 4, 1)), 0.0)
LAMP = Lights(
    key_at=np.array([1.0, 0.0, 2.0], np.float32),
    key_radius=0.01,
    key_color=np.full(3, 4.0, np.float32),
    sky_color=np.full(3, 0.1, np.float32),
    fill_from=np.array([0.0, 0.0, 1.0], np.float32),
    fill_color=np.zeros(3, np.float32),
    exposure=0.25,
    noise=0.0,
    more_lamps=np.empty((0, 3), np.float32),
)


def from_above(height: float) -> np.ndarray:
    pose = np.diag([1.0, -1.0, -1.0, 1.0])
    pose[2, 3] = height
    return pose


@pytest.fixture(scope="module")
def cube_on_a_floor() -> Rendering:
    floor = Surface(box(4, 4, 0.1).shifted(z=-0.1), (GRAY,), 1)
    cube = Surface(box(0.2, 0.2, 0.2), (RED,), 2)
    return Stage([floor, cube]).render(CAMERA, from_above(1.0), LAMP, np.random.default_rng(0))


def test_depth_is_along_the_optical_axis(cube_on_a_floor: Rendering) -> None:
    depth, labels = cube_on_a_floor.depth, cube_on_a_floor.labels
    np.testing.assert_allclose(depth[labels == 1], 1.0, atol=1e-5)
    np.testing.assert_allclose(depth[labels == 2], 0.8, atol=1e-5)


def test_labels_follow_the_pinhole_projection(cube_on_a_floor: Rendering) -> None:
    rows, columns = np.nonzero(cube_on_a_floor.labels == 2)
    half = 150 * 0.1 / 0.8
    assert columns.min() == np.ceil(79.5 - half)
    assert columns.max() == np.floor(79.5 + half)
    assert rows.min() == np.ceil(59.5 - half)
    assert rows.max() == np.floor(59.5 + half)


def test_cosine_of_the_viewing_angle(cube_on_a_floor: Rendering) -> None:
    points = CAMERA.deproject(cube_on_a_floor.depth)
    expected = points[..., 2] / np.linalg.norm(points, axis=-1)
    np.testing.assert_allclose(cube_on_a_floor.cosine, expected, atol=1e-4)


def test_colors_are_rgb_and_the_lamp_casts_a_shadow(cube_on_a_floor: Rendering) -> None:
    color = cube_on_a_floor.color.astype(int)
    red = color[55:65, 75:85]
    assert (red[..., 0] > red[..., 2] + 60).all()
    # The lamp is at x > 0, so the shadow is on the left; image x is world x.
    shadow, lit = color[59, 79 - 24, 1], color[59, 79 + 24, 1]
    assert shadow < 0.7 * lit


def test_depth_is_infinite_where_no_surface_is() -> None:
    cube = Surface(box(0.2, 0.2, 0.2), (RED,), 2)
    rendering = Stage([cube]).render(CAMERA, from_above(1.0), LAMP, np.random.default_rng(0))
    assert np.isinf(rendering.depth[0, 0])
    assert rendering.labels[0, 0] == 0


@pytest.mark.slow
def test_sphere_from_the_side() -> None:
    radius, away = 0.1, 0.7
    angle = np.linspace(-np.pi / 2, np.pi / 2, 129)
    profile = radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    profile[0, 0] = profile[-1, 0] = 0
    sphere = Surface(revolve([(profile, 0)], circle(256)), (GRAY,), 2)
    pose = np.eye(4)
    pose[:3, :3] = [[0, 0, -1], [1, 0, 0], [0, -1, 0]]  # looks along -x
    pose[0, 3] = away
    rendering = Stage([sphere]).render(CAMERA, pose, LAMP, np.random.default_rng(0))
    points = CAMERA.deproject(rendering.depth)[rendering.labels == 2]
    np.testing.assert_allclose(np.linalg.norm(points - [0, 0, away], axis=1), radius, atol=2e-4)


def test_glass_shows_what_is_behind() -> None:
    glass = Material(np.full((2, 2, 3), 255, np.uint8), 0.0, opacity=0.2)
    floor = Surface(box(4, 4, 0.1).shifted(z=-0.1), (RED,), 1)
    pane = Surface(box(0.2, 0.2, 0.01).shifted(z=0.2), (glass,), 2)
    rendering = Stage([floor, pane]).render(CAMERA, from_above(1.0), LAMP, np.random.default_rng(0))
    np.testing.assert_array_equal(rendering.transparent, rendering.labels == 2)
    np.testing.assert_allclose(rendering.depth[rendering.transparent], 0.79, atol=1e-5)
    np.testing.assert_allclose(rendering.behind, 1.0, atol=1e-5)
    red, green, _ = rendering.color[55:65, 75:85].reshape(-1, 3).mean(axis=0)
    assert red > 1.3 * green


def test_without_glass_nothing_is_behind(cube_on_a_floor: Rendering) -> None:
    assert not cube_on_a_floor.transparent.any()
    np.testing.assert_array_equal(cube_on_a_floor.behind, cube_on_a_floor.depth)


def test_a_mirror_shows_what_is_around() -> None:
    mirror = Material(np.full((2, 2, 3), 128, np.uint8), 0.0, mirror=1.0)
    floor = Surface(box(4, 4, 0.1).shifted(z=-0.1), (mirror,), 1)
    lid = Surface(box(0.5, 0.5, 0.01).shifted(z=1.2), (RED,), 2)  # behind the camera
    rendering = Stage([floor, lid]).render(CAMERA, from_above(1.0), LAMP, np.random.default_rng(0))
    red, _, blue = rendering.color[55:65, 75:85].reshape(-1, 3).astype(int).mean(axis=0)
    assert red > blue + 30


def test_more_lamps_cast_more_shadows() -> None:
    floor = Surface(box(4, 4, 0.1).shifted(z=-0.1), (GRAY,), 1)
    cube = Surface(box(0.2, 0.2, 0.2), (RED,), 2)
    lights = LAMP._replace(more_lamps=np.array([[-1.0, 0, 2]], np.float32))
    rendering = Stage([floor, cube]).render(
        CAMERA, from_above(1.0), lights, np.random.default_rng(0)
    )
    left, right, free = (int(rendering.color[59, 79 + x, 1]) for x in (-24, 24, 60))
    assert left < 0.9 * free
    assert right < 0.9 * free
