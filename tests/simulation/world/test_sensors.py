"""Depth cameras compared with the statistics that their models state."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from cvdl.core.camera import Camera
from cvdl.simulation.world.families import FAMILIES, Edges, Holes, Noise
from cvdl.simulation.world.sensors import DepthSensor, measure_depth, random_sensor

SHAPE = (240, 320)


def flat(z: float, shape: tuple[int, int] = SHAPE) -> np.ndarray:
    return np.full(shape, z, np.float32)


def rendering(depth: np.ndarray, albedo: float = 0.5, glare: float = 0.0) -> SimpleNamespace:
    shape = depth.shape
    return SimpleNamespace(
        color=np.random.default_rng(7).integers(0, 256, (*shape, 3), np.uint8),
        depth=depth.astype(np.float32),
        behind=depth.astype(np.float32),
        transparent=np.zeros(shape, bool),
        cosine=np.full(shape, 1, np.float32),
        albedo=np.full(shape, albedo, np.float32),
        glare=np.full(shape, glare, np.float32),
    )


def measure(scene: SimpleNamespace | np.ndarray, sensor: DepthSensor, seed: int = 0) -> np.ndarray:
    scene = rendering(scene) if isinstance(scene, np.ndarray) else scene
    height, width = scene.depth.shape
    camera = Camera(width, height, 300, 300, width / 2 - 0.5, height / 2 - 0.5)
    return measure_depth(scene, camera, sensor, np.random.default_rng(seed))


def box_on_wall(near: float = 0.7, far: float = 1.0) -> np.ndarray:
    depth = flat(far)
    depth[80:160, 120:200] = near
    return depth


def test_a_sensor_without_errors_reads_the_exact_depth() -> None:
    exact = 1 + np.linspace(0, 0.3, SHAPE[1], dtype=np.float32) * np.ones((SHAPE[0], 1), np.float32)
    np.testing.assert_allclose(measure(exact, DepthSensor("exact")), exact, rtol=1e-6)


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_measures(name: str) -> None:
    for seed in range(15):
        sensor = FAMILIES[name][1](np.random.default_rng(seed))
        depth = box_on_wall()
        measured = measure(depth, sensor, seed)
        assert measured.shape == SHAPE
        assert measured.dtype == np.float32
        readings = np.isfinite(measured)
        assert not np.isinf(measured).any()
        assert readings.mean() > 0.3, (seed, sensor)
        assert np.median(np.abs(measured - depth)[readings]) < 0.03, (seed, sensor)


@pytest.mark.parametrize("shape", [(240, 320), (320, 240), (360, 640), (961, 1283)])
def test_the_depth_image_has_the_size_of_the_color_image(shape: tuple[int, int]) -> None:
    for resolution in (1.0, 0.7, 0.35):
        measured = measure(flat(1, shape), DepthSensor("any", resolution=resolution))
        assert measured.shape == shape
        assert np.isfinite(measured).mean() > 0.98


def test_the_same_seed_gives_the_same_depth() -> None:
    def depth(seed: int) -> np.ndarray:
        rng = np.random.default_rng(seed)
        return measure(box_on_wall(), random_sensor(rng), seed)

    for seed in range(20):
        np.testing.assert_array_equal(depth(seed), depth(seed))
    assert not np.array_equal(depth(1), depth(2), equal_nan=True)


@pytest.mark.parametrize(
    ("noise", "waves"), [(Noise(inverse=0.002), 0.0), (Noise(), 0.002), (Noise(step=0.004), 0.001)]
)
def test_errors_of_triangulation_grow_with_the_square_of_depth(noise: Noise, waves: float) -> None:
    sensor = DepthSensor("stereo", noise=noise, waves=waves, wave_length=8)
    spread = [np.std(measure(flat(z), sensor) - z) for z in (1.0, 2.0)]
    assert spread[1] == pytest.approx(4 * spread[0], rel=0.2)
    assert spread[0] == pytest.approx(max(noise.inverse, waves), rel=0.4)


def test_noise_of_time_of_flight_grows_on_dark_surfaces() -> None:
    sensor = DepthSensor("time_of_flight", noise=Noise(light=0.001))
    bright, dark = (np.std(measure(rendering(flat(1), albedo), sensor)) for albedo in (0.8, 0.05))
    assert dark == pytest.approx(4 * bright, rel=0.05)


def test_waves_are_smooth() -> None:
    error = measure(flat(1), DepthSensor("stereo", waves=0.003, wave_length=30)) - 1
    assert np.std(error) > 0.001
    assert np.std(np.diff(error, axis=1)) < 0.15 * np.std(error)


@pytest.mark.parametrize("name", ["perfect", "kinect", "stereo", "coded_light", "scanner"])
def test_a_plane_is_unbiased(name: str) -> None:
    z = 0.8
    errors = []
    for seed in range(30):
        sensor = replace(FAMILIES[name][1](np.random.default_rng(seed)), unit=0.0)
        errors.append(np.nanmean(measure(flat(z), sensor, seed)) - z)
    assert abs(np.mean(errors)) < 0.001


def test_dark_and_shiny_surfaces_have_holes() -> None:
    sensor = DepthSensor("any", holes=Holes(dark=0.02, glare=0.5))

    def holes(**look: float) -> float:
        return float(np.isnan(measure(rendering(flat(1), **look), sensor)).mean())

    assert holes() == 0
    assert holes(albedo=0.004) > 0.9
    assert 0.05 < holes(albedo=0.02) < 0.5
    assert holes(glare=1.0) > 0.8


def test_plain_surfaces_have_holes_in_passive_stereo() -> None:
    sensor = DepthSensor("stereo", holes=Holes(plain=1.0))
    scene = rendering(flat(1))
    scene.color[:, 160:] = 90
    holes = np.isnan(measure(scene, sensor))
    assert holes[:, :150].mean() < 0.01
    assert holes[:, 170:].mean() > 0.9


def test_the_shadow_is_as_wide_as_the_disparity() -> None:
    for baseline, columns in ((0.1, slice(60, 120)), (-0.1, slice(200, 260))):
        sensor = DepthSensor("any", holes=Holes(shadow=1.0, baseline=baseline))
        holes = np.isnan(measure(box_on_wall(), sensor))
        assert holes[100:140, columns].sum(axis=1).mean() == pytest.approx(
            300 * 0.1 * (1 / 0.7 - 1), abs=1.5
        )
        assert holes.mean() == pytest.approx(holes[80:160, columns].sum() / holes.size)


def test_the_shadow_of_a_portrait_image_is_below_or_above() -> None:
    sensor = DepthSensor("any", holes=Holes(shadow=1.0, baseline=0.1))
    landscape = measure(box_on_wall(), sensor)
    portrait = measure(np.ascontiguousarray(box_on_wall().T), sensor)
    np.testing.assert_array_equal(portrait.T, landscape)


def test_objects_grow_over_the_background() -> None:
    depth = box_on_wall()
    sensor = DepthSensor("stereo", edges=Edges(fat=1.0), fattening=5)
    measured = measure(depth, sensor)
    grown = (measured < 0.85).sum() / (depth < 0.85).sum()
    assert grown == pytest.approx(90 * 90 / 80**2, rel=0.02)
    assert set(np.unique(measured)) <= set(np.unique(depth)) | {np.float32(1 / np.float32(1 / 0.7))}


def test_flying_pixels_lie_between_foreground_and_background() -> None:
    depth = box_on_wall()
    measured = measure(depth, DepthSensor("time_of_flight", edges=Edges(flying=1.0)))
    flying = (measured > 0.71) & (measured < 0.99)
    assert flying.sum() > 200
    rim = np.zeros(SHAPE, bool)
    rim[78:162, 118:202] = True
    rim[82:158, 122:198] = False
    assert not flying[~rim].any()
    assert measured.min() >= 0.699
    assert measured.max() <= 1.001


def test_smoothing_rounds_small_jumps_and_keeps_large_ones() -> None:
    sensor = DepthSensor("stereo", smoothing=5, smoothed_jump=0.02)
    small = measure(box_on_wall(0.99), sensor)[120, 110:130]
    large = measure(box_on_wall(0.5), sensor)[120, 110:130]
    assert np.abs(np.diff(small)).max() < 0.004
    assert np.abs(np.diff(large)).max() > 0.45


def test_concave_corners_bulge_away() -> None:
    # Two walls that meet in the middle column, at the far end of the view.
    corner = 1 - 0.001 * np.abs(np.arange(SHAPE[1]) - 160) * np.ones((SHAPE[0], 1))
    error = measure(corner, DepthSensor("time_of_flight", multipath=0.5)) - corner
    assert error[:, 150:170].mean() > 0.001
    assert abs(error[:, 40:80].mean()) < 0.0002
    assert (measure(flat(1), DepthSensor("time_of_flight", multipath=0.5)) == 1).all()


@pytest.mark.parametrize(
    ("holes", "expected"),
    [
        (Holes(clear_itself=1.0), 0.7),
        (Holes(clear_itself=0.0), 1.0),
        (Holes(clear_itself=0.0, clear_lost=1.1), np.nan),
    ],
)
def test_a_transparent_surface_reads_as_itself_as_what_is_behind_or_not(
    holes: Holes, expected: float
) -> None:
    scene = rendering(box_on_wall())
    scene.transparent = scene.depth < 0.85
    scene.behind = flat(1)
    measured = measure(scene, DepthSensor("any", holes=holes))
    np.testing.assert_allclose(measured[scene.transparent], expected, rtol=1e-5)
    np.testing.assert_allclose(measured[~scene.transparent], 1)


@pytest.mark.parametrize(
    ("filling", "low", "high"), [("smooth", 0.7, 1.0), ("left", 0.7, 1.0), ("background", 1, 1)]
)
def test_holes_are_filled_from_around_them(filling: str, low: float, high: float) -> None:
    sensor = DepthSensor("any", holes=Holes(shadow=1.0, baseline=0.1))
    assert np.isnan(measure(box_on_wall(), sensor)).any()
    measured = measure(box_on_wall(), replace(sensor, filling=filling, filled=30))
    assert np.isfinite(measured).all()
    hole = np.isnan(measure(box_on_wall(), sensor))
    assert measured[hole].min() >= low - 1e-3
    assert measured[hole].max() <= high + 1e-3


def test_only_narrow_holes_are_filled() -> None:
    sensor = DepthSensor("any", holes=Holes(shadow=1.0, baseline=0.1), filling="left", filled=2)
    assert np.isnan(measure(box_on_wall(), sensor)).any()


def test_depth_is_shifted_against_color() -> None:
    measured = measure(box_on_wall(), DepthSensor("any", shift=(3, -2)))
    rows, columns = np.nonzero(measured < 0.85)
    assert (rows.min(), columns.min()) == (82, 117)
    wide = measure(box_on_wall(), DepthSensor("any", scale=0.9))
    assert (wide < 0.85).sum() / 80**2 == pytest.approx(1 / 0.81, rel=0.03)


def test_an_enlarged_image_stays_in_place() -> None:
    for blended in (False, True):
        measured = measure(box_on_wall(), DepthSensor("any", resolution=0.65, blended=blended))
        rows, columns = np.nonzero(measured < 0.85)
        assert np.mean(rows) == pytest.approx(119.5, abs=0.8)
        assert np.mean(columns) == pytest.approx(159.5, abs=0.8)


def test_readings_are_whole_units() -> None:
    sensor = DepthSensor("any", noise=Noise(constant=0.01), unit=0.005)
    steps = measure(flat(1), sensor) / 0.005
    np.testing.assert_allclose(steps, np.rint(steps), atol=1e-3)


@pytest.mark.parametrize("z", [0.2, 6.0, np.inf])
def test_depth_out_of_range_is_a_hole(z: float) -> None:
    assert np.isnan(measure(flat(z), DepthSensor("any", nearest=0.3, farthest=5.0))).all()


def test_margins_have_no_readings() -> None:
    measured = measure(flat(1), DepthSensor("any", margins=(0.1, 0.0, 0.0, 0.2)))
    holes = np.isnan(measured)
    assert holes[:, :20].all()
    assert holes[-30:].all()
    assert not holes[:180, 60:].any()


def test_registered_images_have_gaps_in_a_grid() -> None:
    holes = np.isnan(measure(flat(1), DepthSensor("kinect", holes=Holes(period=10.0))))
    assert holes.all(axis=0).sum() == 32
    assert holes.all(axis=1).sum() == 24
    assert holes.mean() == pytest.approx(0.19)


def test_speckle_has_the_stated_share_and_grows() -> None:
    def holes(**options: int) -> float:
        sensor = DepthSensor("any", holes=Holes(speckle=0.002), **options)
        return float(np.isnan(measure(flat(1), sensor)).mean())

    assert holes() == pytest.approx(0.002, rel=0.3)
    assert holes(hole_growth=3) > 3 * holes()
