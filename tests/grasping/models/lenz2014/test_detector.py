"""The search, the two stages and the file of weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from cvdl.core.errors import InputError
from cvdl.core.frame import RgbdFrame
from cvdl.grasping.models.lenz2014.candidates import ANGLES, SIZES, candidates
from cvdl.grasping.models.lenz2014.detector import LenzConfig, LenzDetector

MASK = np.zeros((120, 160), bool)
MASK[50:70, 48:112] = True


@pytest.fixture
def detector(networks):
    with torch.no_grad():
        for network in networks:
            network.last.weight *= 20  # so that no two scores are alike
    return LenzDetector(*networks, LenzConfig(candidates=600))


@pytest.mark.slow
def test_pruning_nothing_gives_what_the_large_network_alone_gives(detector, networks, bar_frame):
    config = {"candidates": 600, "survivors": 10_000}
    two = LenzDetector(*networks, LenzConfig(**config))(bar_frame, MASK, count=10_000)
    one = LenzDetector(*networks, LenzConfig(**config, stages=1))(bar_frame, MASK, count=10_000)
    assert len(one) == len(two) > 300
    np.testing.assert_allclose(two.score, one.score, atol=1e-6)
    np.testing.assert_allclose(detector.judge(bar_frame, two), two.score, atol=1e-6)
    assert (np.diff(two.score) <= 0).all()


def test_the_second_stage_ranks_the_best_of_the_first(detector, bar_frame):
    found = detector(bar_frame, MASK)
    assert len(found) == 100
    fewer = detector(bar_frame, MASK, count=7)
    np.testing.assert_array_equal(fewer.center, found.center[:7])
    np.testing.assert_array_equal(fewer.score, found.score[:7])


def test_more_than_the_survivors_can_be_asked_for(detector, bar_frame):
    assert len(detector(bar_frame, MASK, count=150)) == 150


def test_an_empty_mask_gives_no_rectangle(detector, bar_frame):
    assert len(detector(bar_frame, np.zeros_like(MASK))) == 0


@pytest.mark.parametrize("mask", [MASK, None])
def test_without_depth(detector, bar_frame, mask):
    frame = RgbdFrame(bar_frame.color, np.full_like(bar_frame.depth, np.nan), bar_frame.camera)
    found = detector(frame, mask, count=10)
    assert len(found) == 10
    assert np.isfinite(found.score).all()
    inside = found.center.astype(int)
    assert MASK[inside[:, 1], inside[:, 0]].all()  # the bar is found by its color


def test_candidates_fill_the_mask_with_all_angles_and_sizes():
    boxes = candidates(MASK, 12_000, 525.0)
    assert 0.7 * 12_000 < len(boxes) < 1.4 * 12_000
    column, row = boxes.center.astype(int).T
    assert MASK[row, column].all()
    assert len(np.unique(boxes.angle.round(6))) == ANGLES
    sizes = np.unique(np.stack([boxes.opening, boxes.plate], axis=1), axis=0)
    np.testing.assert_allclose(sizes, SIZES[np.lexsort(SIZES.T[::-1])])
    assert candidates(MASK, 12_000, 1050.0).opening.max() == 2 * boxes.opening.max()


def test_a_thin_part_has_candidates():
    wire = np.zeros((200, 200), bool)
    wire[100, 20:180] = True
    columns = candidates(wire, 4000, 525.0).center[:, 0]
    assert columns.min() < 35
    assert columns.max() > 165
    assert (np.diff(np.unique(columns)) < 20).all()


def test_saved_weights_come_back(detector, bar_frame, tmp_path):
    detector.save(tmp_path / "some.safetensors", {"seed": "3"})
    again = LenzDetector.load(tmp_path / "some.safetensors", config=detector.config)
    one, other = detector(bar_frame, MASK), again(bar_frame, MASK)
    np.testing.assert_allclose(again.judge(bar_frame, one), one.score, atol=2e-3)  # float16
    assert len(one) == len(other)


def test_weights_of_another_model(tmp_path):
    path = tmp_path / "other.safetensors"
    save_file({"x": torch.zeros(1)}, path, {"model": "cascade"})
    with pytest.raises(InputError, match=r"other\.safetensors.*cascade.*lenz2014"):
        LenzDetector.load(path)


def test_weights_of_another_shape(detector, tmp_path):
    path = tmp_path / "some.safetensors"
    detector.large = detector.small
    detector.save(path)
    with pytest.raises(InputError, match=r"some\.safetensors.*large\.first"):
        LenzDetector.load(path)


@pytest.mark.parametrize("content", [b"", b"no weights at all", None])
def test_damaged_weights(detector, tmp_path, content):
    path = tmp_path / "some.safetensors"
    detector.save(path)
    path.write_bytes(path.read_bytes()[:-1000] if content is None else content)
    with pytest.raises(InputError, match=r"some\.safetensors"):
        LenzDetector.load(path)


def test_missing_weights(tmp_path):
    with pytest.raises(InputError, match="none"):
        LenzDetector.load(tmp_path / "none.safetensors")
