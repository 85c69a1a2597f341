"""Rectangles as tensors: patches cut upright, deltas there and back."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cvdl.grasping.models.cascade.frames import PATCH, STRIDE
from cvdl.grasping.models.cascade.geometry import (
    cut_patches,
    decode_dense,
    encode_refined,
    refine,
)
from cvdl.grasping.models.cascade.network import ANGLES
from cvdl.grasping.models.cascade.targets import dense_targets
from cvdl.networks.input import CHANNELS, NORMAL_XY

numbers = st.floats(-1, 1, width=32)
rectangles = st.tuples(
    st.floats(60, 100),
    st.floats(60, 100),
    st.floats(-1.5, 1.5),
    st.floats(16, 90),
    st.floats(12, 40),
)


def places(height=80, width=100):
    """An input whose first channels tell where in the full image each pixel is."""
    image = torch.zeros(1, CHANNELS, height, width)
    image[:, 0] = 2 * torch.arange(width) + 0.5
    image[:, 1] = (2 * torch.arange(height) + 0.5)[:, None]
    return image


@given(rectangles, rectangles)
def test_deltas_make_of_one_rectangle_the_other(a, b):
    a, b = torch.tensor([a, b], dtype=torch.float64)
    mended = refine(a, encode_refined(a, b).clamp(-5, 5))
    limit = math.exp(1.0)  # no look changes a size by more
    if b[3] / limit < a[3] < b[3] * limit and b[4] / limit < a[4] < b[4] * limit:
        torch.testing.assert_close(mended[[0, 1, 3, 4]], b[[0, 1, 3, 4]], rtol=1e-6, atol=1e-6)
    assert abs(math.remainder(float(mended[2] - b[2]), math.pi)) < 1e-6


@pytest.mark.parametrize("angle", [0.0, 0.4, -1.2, math.pi / 2])
def test_a_patch_is_the_image_turned_upright(angle):
    u, v, opening, plate = 90.0, 70.0, 40.0, 20.0
    patch = cut_patches(places(), torch.tensor([[[u, v, angle, opening, plate]]]))[0, 0]
    step = 2.0 * opening / PATCH  # a patch shows twice the longer side
    middle = (PATCH - 1) / 2
    for row, col in [(0, 0), (5, 20), (31, 31), (16, 3)]:
        x, y = (col - middle) * step, (row - middle) * step
        expected = u + math.cos(angle) * x - math.sin(angle) * y
        assert float(patch[0, row, col]) == pytest.approx(expected, abs=0.05)
        expected = v + math.sin(angle) * x + math.cos(angle) * y
        assert float(patch[1, row, col]) == pytest.approx(expected, abs=0.05)


def test_normals_turn_with_their_patch():
    image = torch.zeros(1, CHANNELS, 80, 100)
    image[:, NORMAL_XY.start] = 0.6  # towards +u
    angle = 0.5
    patch = cut_patches(image, torch.tensor([[[100.0, 80.0, angle, 30.0, 20.0]]]))[0, 0]
    x, y = patch[NORMAL_XY, 16, 16]
    assert float(x) == pytest.approx(0.6 * math.cos(angle), abs=1e-5)
    assert float(y) == pytest.approx(-0.6 * math.sin(angle), abs=1e-5)


def test_outside_of_the_image_there_is_nothing():
    patch = cut_patches(places() + 1, torch.tensor([[[0.0, 0.0, 0.0, 60.0, 20.0]]]))[0, 0]
    assert not patch[:2, :14, :14].any()
    assert (patch[:2, 18:, 18:] > 0).all()


@given(rectangles)
def test_the_best_cell_encodes_the_rectangle(rectangle):
    wanted = torch.tensor([rectangle], dtype=torch.float32)
    scores, deltas, weights = map(torch.from_numpy, dense_targets(wanted.numpy(), 40))
    angle, row, col = (
        index.item() for index in torch.unravel_index(weights.argmax(), weights.shape)
    )
    assert weights.max() > 0.5
    assert scores[angle, :, row, col].max() > 0.2
    assert abs(STRIDE * col + 0.5 - rectangle[0]) < 2 * STRIDE
    found = decode_dense(deltas[angle, :, row, col][None], *torch.tensor([[angle], [row], [col]]))
    torch.testing.assert_close(
        found[0, [0, 1, 3, 4]], wanted[0, [0, 1, 3, 4]], rtol=1e-4, atol=1e-3
    )
    assert abs(math.remainder(float(found[0, 2] - wanted[0, 2]), math.pi)) < 1e-4
    assert scores.shape[0] == ANGLES
