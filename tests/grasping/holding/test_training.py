"""The training, on hands that hold by a rule that is made up: with their middle over the cube's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cvdl.core.errors import InputError
from cvdl.grasping.hands import Hands
from cvdl.grasping.holding.augment import disturbed
from cvdl.grasping.holding.executed import HELD, ExecutedHands, read_executed, write_executed
from cvdl.grasping.holding.samples import HandSamples
from cvdl.grasping.holding.training import HoldingTraining, platt, score_holding, trainer
from cvdl.grasping.holding.views import CHANNELS, SIDE, VALUES
from cvdl.training.checkpoint import Run

from .conftest import CUBE, SIZES

pytestmark = pytest.mark.usefixtures("one_thread")


def executed(cloud, count, seed):
    """Hands around the cube, of which those nearer than 15 mm along x hold."""
    rng = np.random.default_rng(seed)
    position = rng.uniform(-0.03, 0.03, (count, 3)) * [1, 1, 0.5] + [0, 0, 0.6]
    hands = Hands(
        position, np.tile(np.eye(3), (count, 1, 1)), np.full(count, 0.06), np.full(count, CUBE)
    )
    result = np.where(np.abs(position[:, 0]) < 0.015, HELD, "approach")
    return ExecutedHands(
        cloud, hands, SIZES, result, np.full(count, "cube"), np.arange(count) % 2 == 1
    )


@pytest.mark.slow
def test_training_learns_a_rule(cloud, tmp_path):
    train = [[executed(cloud, 50, seed)] for seed in range(4)]
    validation = [[executed(cloud, 50, 10)]]
    settings = HoldingTraining.model_validate({"training": {"epochs": 12, "batch_size": 32}})
    network = trainer().train(train, validation, settings, Run(tmp_path / "run"))
    scores = score_holding(network, [[executed(cloud, 100, seed)] for seed in (20, 21)], None)
    figures = scores.figures()
    assert figures["roc_auc"] > 0.95
    assert figures["calibration"] < 0.15
    assert figures["top1"] == figures["any"] == 1
    assert len(scores.best().held) == 2  # one object in each of two pictures
    network.save(tmp_path / "start.safetensors", {})
    short = {"training": {"epochs": 1, "batch_size": 32}, "start": tmp_path / "start.safetensors"}
    settings = HoldingTraining.model_validate(short)
    network = trainer().train(train, validation, settings, Run(tmp_path / "further"))
    assert score_holding(network, train, None).figures()["roc_auc"] > 0.95


def test_nothing_executed_is_an_error(cloud, tmp_path):
    with pytest.raises(InputError, match="nothing to train on"):
        trainer().train([[]], [], HoldingTraining(), Run(tmp_path / "run"))


def test_executed_hands_are_read_as_they_were_written(cloud, tmp_path):
    one, other = executed(cloud, 3, 0), executed(cloud, 2, 1)
    write_executed(tmp_path / "scene.npz", [one, other])
    read = read_executed(tmp_path / "scene.npz")
    assert [len(each.hands) for each in read] == [3, 2]
    np.testing.assert_array_equal(read[0].cloud.points, one.cloud.points)
    np.testing.assert_array_equal(read[0].cloud.label, one.cloud.label)
    np.testing.assert_array_equal(read[1].hands.rotation, other.hands.rotation)
    np.testing.assert_array_equal(read[1].held, other.held)
    np.testing.assert_array_equal(read[1].moved, other.moved)
    assert (read[0].sizes, read[0].category.tolist()) == (SIZES, ["cube"] * 3)
    assert read[0].cloud.plane.offset == cloud.plane.offset
    np.testing.assert_allclose(read[0].cloud.depth, cloud.depth, rtol=1e-3)
    assert read[0].cloud.camera == cloud.camera
    (tmp_path / "scene.npz").write_bytes(b"PK")
    with pytest.raises(InputError, match=r"scene\.npz"):
        read_executed(tmp_path / "scene.npz")


def test_objects_in_different_pictures_are_different_groups(cloud):
    picture = executed(cloud, 4, 0)
    label = np.array([CUBE, CUBE, 3, 3])
    picture = replace(picture, hands=replace(picture.hands, label=label))
    samples = HandSamples.of([[picture, picture], [picture]])
    assert samples.group.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]


def test_disturbed_hands_are_nearly_the_same(cloud):
    picture = executed(cloud, 50, 0)
    other = disturbed(picture, np.random.default_rng(1))
    assert 0.7 * 0.95 * len(cloud.points) < len(other.cloud.points) < len(cloud.points)
    assert len(other.cloud.points) == len(other.cloud.label) == len(other.cloud.seen)
    moved = np.linalg.norm(other.hands.position - picture.hands.position, axis=1)
    assert 0 < moved.min() < moved.max() < 0.006
    product = other.hands.rotation.swapaxes(1, 2) @ other.hands.rotation
    np.testing.assert_allclose(product, np.tile(np.eye(3), (50, 1, 1)), atol=0.005)
    assert np.abs(other.hands.rotation - picture.hands.rotation).max() > 0.005
    np.testing.assert_array_equal(other.held, picture.held)


def test_platt_finds_scale_and_shift():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, 20_000)
    truth = rng.random(20_000) < 1 / (1 + np.exp(-(0.5 * logits - 1)))
    np.testing.assert_allclose(platt(logits, truth), (0.5, -1), atol=0.05)


def test_platt_stays_finite_for_perfect_logits():
    scale, shift = platt(np.array([-1.0, -2.0, 1.0, 2.0]), np.array([False, False, True, True]))
    assert 0 < scale < 100
    assert abs(shift) < 1


def test_the_likeliest_poses_of_each_object():
    count = 7
    samples = HandSamples(
        np.zeros((count, CHANNELS, SIDE, SIDE), np.float16), np.zeros((count, VALUES), np.float32),
        np.zeros(count, bool), np.array([4, 4, 4, 9, 9, 9, 9]),
        np.array([False, False, False, False, True, False, False]),
    )  # fmt: skip
    logits = np.array([0.1, 0.3, 0.2, -1, 5, -3, -2])
    assert samples.likeliest(logits, 2).tolist() == [1, 2, 3, 6]
