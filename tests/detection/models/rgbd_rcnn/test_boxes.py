"""Boxes that cells tell, and boxes that are mended."""

import pytest
import torch

from cvdl.detection.models.rgbd_rcnn.boxes import decode_cells, mend, mending


def test_a_cell_without_deltas_tells_the_anchor_about_its_middle():
    boxes = decode_cells(torch.zeros(1, 2, 4, 3, 5), stride=8, sizes=(10.0, 30.0))
    assert boxes.shape == (1, 2, 3, 5, 4)
    assert boxes[0, 0, 2, 4].tolist() == [31, 15, 41, 25]  # middle of the cell: 36, 20
    assert boxes[0, 1, 0, 0].tolist() == [-11, -11, 19, 19]


def test_deltas_shift_by_the_anchor_and_stretch_by_their_exponential():
    deltas = torch.zeros(1, 1, 4, 2, 2)
    deltas[0, 0, :, 1, 0] = torch.tensor([0.5, -0.25, 0.6931472, -0.6931472])
    x_min, y_min, x_max, y_max = decode_cells(deltas, 8, (20.0,))[0, 0, 1, 0].tolist()
    assert ((x_min + x_max) / 2, (y_min + y_max) / 2) == pytest.approx((4 + 10, 12 - 5))
    assert (x_max - x_min, y_max - y_min) == pytest.approx((40, 10))


def test_mend_is_the_inverse_of_mending():
    torch.manual_seed(0)
    corner, size = torch.rand(50, 2) * 100, torch.rand(50, 2) * 80 + 5
    boxes = torch.cat([corner, corner + size], dim=1)
    wanted = boxes.flip(0)
    torch.testing.assert_close(mend(boxes, mending(boxes, wanted)), wanted, atol=1e-3, rtol=1e-4)


def test_absurd_deltas_keep_boxes_finite():
    boxes = mend(torch.tensor([[0.0, 0, 10, 10]]), torch.full((1, 4), 1e4))
    assert torch.isfinite(boxes).all()
