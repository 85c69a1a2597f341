"""Quaternions against SciPy's."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from cvdl.core.rotations import quaternions_of, rotation_of

# By any angles, and by right angles, where components are 0 or equal.
RIGHT = np.stack(np.meshgrid(*[np.arange(-180, 181, 90)] * 3), axis=-1).reshape(-1, 3)
ROTATIONS = Rotation.concatenate(
    [
        Rotation.from_quat(np.random.default_rng(0).normal(size=(500, 4))),
        Rotation.from_euler("xyz", RIGHT, degrees=True),
    ]
)


def test_quaternions_are_those_of_scipy():
    matrices = ROTATIONS.as_matrix()
    np.testing.assert_allclose(
        quaternions_of(matrices), Rotation.from_matrix(matrices).as_quat(), atol=1e-12
    )
    np.testing.assert_array_equal(quaternions_of(matrices[3]), quaternions_of(matrices)[3])
    assert quaternions_of(matrices[:6].reshape(2, 3, 3, 3)).shape == (2, 3, 4)


@pytest.mark.parametrize("length", [1e-3, 1, -7])
def test_rotations_of_quaternions_of_any_length(length):
    for quaternion, matrix in zip(ROTATIONS.as_quat(), ROTATIONS.as_matrix(), strict=True):
        np.testing.assert_allclose(rotation_of(length * quaternion), matrix, atol=1e-12)


@pytest.mark.parametrize("values", [(0, 0, 0, 0), (np.nan, 0, 0, 1), (np.inf, 0, 0, 1)])
def test_quaternions_without_a_direction_are_refused(values):
    with pytest.raises(ValueError, match="length of the quaternion"):
        rotation_of(values)
