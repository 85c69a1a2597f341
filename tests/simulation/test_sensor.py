"""The depth sensor compared with the published models."""

import numpy as np
import pytest

from cvdl.simulation.render import Rendering
from cvdl.simulation.sensor import KINECT, REALSENSE, DepthSensor, axial_sigma, measure_depth

SHAPE = (240, 320)
FOCAL = 575.0


def measure(
    depth: np.ndarray,
    sensor: DepthSensor = KINECT,
    angle: float = 0.0,
    albedo: float = 0.5,
    glare: float = 0.0,
    focal: float = FOCAL,
) -> np.ndarray:
    def full(value: float) -> np.ndarray:
        return np.full(depth.shape, value, np.float32)

    rendering = Rendering(
        color=np.zeros((*depth.shape, 3), np.uint8),
        depth=depth.astype(np.float32),
        labels=np.zeros(depth.shape, np.uint16),
        cosine=full(np.cos(np.radians(angle))),
        albedo=full(albedo),
        glare=full(glare),
        transparent=np.zeros(depth.shape, bool),
        behind=depth.astype(np.float32),
    )
    return measure_depth(rendering, focal, sensor, np.random.default_rng(0))


@pytest.mark.parametrize("sensor", [KINECT, REALSENSE], ids=lambda sensor: sensor.name)
@pytest.mark.parametrize("z", [0.6, 1.0, 2.0, 3.0])
def test_noise_has_the_published_deviation(sensor: DepthSensor, z: float) -> None:
    # With a slight slope, the steps do not all have the same error.
    exact = z + np.linspace(-0.02, 0.02, SHAPE[1]) * np.ones(SHAPE)
    error = measure(exact, sensor) - exact
    expected = axial_sigma(z, 0.0, sensor.inverse_depth(sensor.disparity_sigma))
    assert np.nanstd(error) == pytest.approx(expected, rel=0.12)
    assert abs(np.nanmean(error)) < 0.15 * expected


def test_nguyens_formula_at_one_meter() -> None:
    assert axial_sigma(1.0, 0.0, 0.0) == pytest.approx(0.001884)
    steep = axial_sigma(1.0, np.radians(80), 0.0)
    assert steep == pytest.approx(0.001884 + 0.0001 * 64)


def test_realsense_noise_grows_with_the_square_of_depth() -> None:
    spread = REALSENSE.inverse_depth(REALSENSE.disparity_sigma)
    assert axial_sigma(1.0, 0.0, spread) == pytest.approx(0.08 / (665 * 0.055))
    assert axial_sigma(2.0, 0.0, spread) == pytest.approx(4 * axial_sigma(1.0, 0.0, spread))


@pytest.mark.parametrize("z", [1.0, 2.0, 4.0])
def test_kinect_steps_grow_with_the_square_of_depth(z: float) -> None:
    values = np.unique(measure(np.full(SHAPE, z)))
    steps = np.diff(values[np.isfinite(values)])
    assert np.median(steps) == pytest.approx(0.00287 * z * z, abs=0.001)


def test_readings_are_whole_millimeters() -> None:
    depth = measure(np.full(SHAPE, 1.2345))
    depth = depth[np.isfinite(depth)]
    millimeters = np.rint(depth * 1000)
    np.testing.assert_array_equal(depth, millimeters.astype(np.float32) / np.float32(1000))
    assert depth.dtype == np.float32


@pytest.mark.parametrize("z", [0.2, 20.0, np.inf])
def test_depth_out_of_range_is_a_hole(z: float) -> None:
    assert np.isnan(measure(np.full(SHAPE, z))).all()


@pytest.mark.parametrize(("sensor", "side"), [(KINECT, -1), (REALSENSE, 1)])
def test_the_shadow_of_an_object_is_as_wide_as_the_disparity(
    sensor: DepthSensor, side: int
) -> None:
    depth = np.full(SHAPE, 1.5)
    depth[60:180, 120:200] = 1.0
    holes = np.isnan(measure(depth, sensor))[80:160].mean(axis=0)
    width = FOCAL * abs(sensor.baseline) * (1 / 1.0 - 1 / 1.5)
    left, right = holes[60:120], holes[200:260]
    shadow, free = (left, right) if side < 0 else (right, left)
    assert shadow.sum() == pytest.approx(width, abs=2.5)
    assert free.sum() < 3


def test_edges_lose_some_readings_and_wobble() -> None:
    depth = np.full(SHAPE, 1.05)
    depth[60:180, 120:200] = 1.0
    measured = measure(depth)
    rim = np.zeros(SHAPE, bool)
    rim[57:64, 125:195] = True
    inside = np.zeros(SHAPE, bool)
    inside[100:140, 140:180] = True
    assert np.isnan(measured[rim]).mean() > 5 * np.isnan(measured[inside]).mean()
    upper_edge = np.nanargmax(measured[50:70, 130:190] < 1.025, axis=0)
    assert np.std(upper_edge) > 0.3


@pytest.mark.parametrize(
    ("angle", "low", "high"), [(0, 0, 0.005), (60, 0, 0.005), (86, 0.3, 1), (89.5, 0.9, 1)]
)
def test_grazing_views_drop_out(angle: float, low: float, high: float) -> None:
    holes = np.isnan(measure(np.full(SHAPE, 1.0), angle=angle)).mean()
    assert low <= holes <= high


def test_dark_and_specular_surfaces_drop_out() -> None:
    flat = np.full(SHAPE, 1.0)
    assert 0.05 < np.isnan(measure(flat, albedo=0.005)).mean() < 0.5
    assert 0.4 < np.isnan(measure(flat, glare=0.9)).mean() <= 1


def test_holes_are_blobs() -> None:
    holes = np.isnan(measure(np.full(SHAPE, 1.0), angle=82))
    share = holes.mean()
    beside = (holes[:, 1:] & holes[:, :-1]).mean() / share
    assert beside > share + 0.2
