"""Random fields."""

import numpy as np
import pytest

from cvdl.simulation.random_fields import normal_field, uniform_field


@pytest.mark.parametrize("grain", [0.0, 0.8, 1.5])
def test_normal_fields_are_standard_normal_with_the_given_grain(grain: float) -> None:
    field = normal_field(np.random.default_rng(0), (480, 640), grain)
    assert field.shape == (480, 640)
    assert field.dtype == np.float32
    assert field.mean() == pytest.approx(0, abs=0.03)
    assert field.std() == pytest.approx(1, abs=0.03)
    beside = (field[:, 1:] * field[:, :-1]).mean()
    expected = np.exp(-1 / (4 * grain**2)) if grain else 0
    assert beside == pytest.approx(expected, abs=0.05)


def test_uniform_fields_are_nearly_uniform() -> None:
    field = uniform_field(np.random.default_rng(0), (480, 640), 1.5)
    for share in (0.1, 0.5, 0.9):
        assert (field < share).mean() == pytest.approx(share, abs=0.03)


def test_fields_depend_only_on_the_generator() -> None:
    first, again, other = (normal_field(np.random.default_rng(s), (60, 80)) for s in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
