"""Many small gaps in the depth are filled, other gaps stay."""

import numpy as np
import pytest

from cvdl.core.camera import Camera
from cvdl.depth.gaps import bridge_gaps

CAMERA = Camera(640, 480, 525.0, 525.0, 319.5, 239.5)
MAX_RANGE = 3.0


def tilted() -> np.ndarray:
    """A plane, (480, 640): nearer at the bottom."""
    v = np.arange(480)[:, None] - 239.5
    return np.broadcast_to(1 / (1.0 + 0.0008 * v), (480, 640)).astype(np.float32).copy()


def grid(depth, step):
    kept = np.full_like(depth, np.nan)
    kept[::step, ::step] = depth[::step, ::step]
    return kept


def random(depth, share):
    kept = depth.copy()
    kept[np.random.default_rng(0).random(depth.shape) < share] = np.nan
    return kept


@pytest.mark.parametrize(
    "gappy",
    [
        lambda depth: grid(depth, 2),
        lambda depth: grid(depth, 4),
        lambda depth: random(depth, 0.3),
        lambda depth: random(depth, 0.7),
        lambda depth: np.where(np.arange(480)[:, None] % 2, depth, np.nan),
        lambda depth: np.where(np.arange(640) % 3, depth, np.nan),
    ],
)
def test_gaps_on_a_plane_get_the_depth_of_the_plane(gappy):
    depth = tilted()
    inner = np.s_[8:-8, 8:-8]
    given = gappy(depth).astype(np.float32)
    bridged, share = bridge_gaps(given, CAMERA, MAX_RANGE)
    missing = np.isnan(given).mean()
    assert share == pytest.approx(missing, abs=0.03)
    assert np.isfinite(bridged[inner]).mean() > 0.99
    np.testing.assert_allclose(
        bridged[inner], np.where(np.isnan(bridged), np.nan, depth)[inner], atol=1e-3
    )
    np.testing.assert_array_equal(bridged[np.isfinite(given)], given[np.isfinite(given)])


def test_a_gap_over_a_step_gets_the_depth_of_the_nearer_end():
    depth = np.full((480, 640), 1.0, np.float32)
    depth[:, :320] = 0.7
    given = grid(depth, 4)
    bridged, _ = bridge_gaps(given, CAMERA, MAX_RANGE)
    assert set(np.unique(bridged[:470, :630].round(3))) == {np.float32(0.7), np.float32(1.0)}
    assert np.abs((bridged[:470] == np.float32(0.7)).sum(axis=1) - 320).max() <= 2


def test_wide_gaps_stay():
    depth = random(tilted(), 0.3)
    depth[100:150, 200:260] = np.nan
    bridged, _ = bridge_gaps(depth, CAMERA, MAX_RANGE)
    assert np.isnan(bridged[108:142, 208:252]).all()


def test_few_gaps_between_objects_stay():
    """They separate objects that touch: a gap of two pixels between two boxes."""
    depth = tilted()
    depth[100:300, 320:322] = np.nan
    bridged, share = bridge_gaps(depth, CAMERA, MAX_RANGE)
    assert bridged is depth
    assert 0 < share < 0.01


def test_a_few_lost_lines_are_filled():
    depth = tilted()
    depth[200:202] = np.nan
    depth[:, 77] = np.nan
    bridged, _ = bridge_gaps(depth, CAMERA, MAX_RANGE)
    np.testing.assert_allclose(bridged, tilted(), atol=1e-3)


def test_noise_beyond_the_range_is_not_filled():
    depth = np.full((480, 640), np.nan, np.float32)
    depth[::3, ::3] = 200.0
    bridged, share = bridge_gaps(depth, CAMERA, MAX_RANGE)
    np.testing.assert_array_equal(bridged, depth)
    assert share == 0


def test_readings_beyond_the_range_are_not_gaps():
    """For example between the slats of a chair."""
    depth = tilted()
    depth[:, 1::2] = 8.0
    depth[0, 0] = np.nan
    bridged, share = bridge_gaps(depth, CAMERA, MAX_RANGE)
    assert bridged is depth
    assert share < 0.01


def test_complete_and_empty_depth_are_unchanged():
    whole, empty = tilted(), np.full((480, 640), np.nan, np.float32)
    assert bridge_gaps(whole, CAMERA, MAX_RANGE)[0] is whole
    assert np.isnan(bridge_gaps(empty, CAMERA, MAX_RANGE)[0]).all()


@pytest.mark.parametrize("value", [np.nan, 20.0])
def test_no_small_gaps_without_readings_in_range(value):
    depth = np.full((48, 64), value, np.float32)
    depth[10] = np.nan
    _, share = bridge_gaps(depth, Camera(64, 48, 60.0, 60.0, 31.5, 23.5), MAX_RANGE)
    assert share == 0


@pytest.mark.parametrize("turn", [lambda depth: depth, np.transpose])
def test_a_block_of_lost_lines_is_filled_and_a_shadow_of_that_width_is_not(turn):
    camera = Camera(640, 640, 600.0, 600.0, 319.5, 319.5)
    plane = np.tile(1 / np.linspace(0.8, 1.2, 640, dtype=np.float32)[:, None], (1, 640))
    depth = turn(plane).copy()
    depth[300:310, :200] = np.nan
    whole, _ = bridge_gaps(depth, camera, 3.0)
    assert whole is depth
    depth[300:310] = np.nan
    bridged, _ = bridge_gaps(depth, camera, 3.0)
    np.testing.assert_allclose(bridged, turn(plane), rtol=1e-3)
    depth[300:330] = np.nan
    assert np.isnan(bridge_gaps(depth, camera, 3.0)[0][300:330]).all()
