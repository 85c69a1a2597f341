"""Training of lenz2014 on a few synthetic views."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
import torch

from cvdl.core.camera import Camera
from cvdl.core.errors import InputError
from cvdl.core.frame import RgbdFrame
from cvdl.datasets.grasp_sample import GraspSample
from cvdl.grasping.models.lenz2014.patches import channel_image, extract
from cvdl.grasping.models.lenz2014.training import (
    LearningSet,
    LenzTraining,
    learning_set,
    train_lenz,
    train_network,
)
from cvdl.grasping.rectangles import GraspRectangles, angle_difference, jaccard
from cvdl.training.checkpoint import Run

CONFIG = LenzTraining(drawn=500, good=30, bad=40, jittered=3, epochs=12, rate=3e-3)


def changed(config: LenzTraining, **values: object) -> LenzTraining:
    return config.model_copy(update=values)


def bar_view(index: int) -> GraspSample:
    """A turned bar on a table: grasps across it are good, grasps along it are bad."""
    rng = np.random.default_rng(index)
    camera = Camera(160, 120, 525.0, 525.0, 79.5, 59.5)
    turn = rng.uniform(-np.pi / 2, np.pi / 2)
    rows, cols = np.mgrid[:120, :160]
    u, v = cols - 80.0, rows - 60.0
    along, across = np.cos(turn) * u + np.sin(turn) * v, np.cos(turn) * v - np.sin(turn) * u
    bar = (np.abs(along) < 32) & (np.abs(across) < 7)
    color = np.full((120, 160, 3), 180, np.uint8)
    color[bar] = (60, 40, 90)
    depth = np.where(bar, 0.77, 0.8) + rng.normal(0, 0.0005, bar.shape)
    place = np.array([[-16.0], [0], [16]]) * [np.cos(turn), np.sin(turn)] + [80, 60]
    three = np.ones(3)
    good = GraspRectangles(place, (turn + np.pi / 2) * three, 30 * three, 20 * three)
    bad = GraspRectangles(place, turn * three, 30 * three, 20 * three)
    frame = RgbdFrame(color, depth.astype(np.float32), camera)
    return GraspSample(f"view{index}", f"bar{index // 2}", frame, good, bad)


@pytest.fixture(scope="module")
def views():
    return [bar_view(index) for index in range(8)]


@pytest.fixture(scope="module")
def sets(views):
    return [learning_set(view, CONFIG) for view in views]


def test_the_patches_of_a_view(views, sets):
    data = sets[0]
    assert (data.good & data.labeled).sum() == (~data.good & data.labeled).sum() == 3 * 4
    assert (data.good & ~data.labeled).sum() > 5
    assert (~data.good & ~data.labeled).sum() == 40
    again = learning_set(views[0], CONFIG)
    torch.testing.assert_close(again.patches.values, data.patches.values, atol=0, rtol=0)
    torch.testing.assert_close(again.good, data.good)


@pytest.mark.slow
def test_a_short_training_learns_good_and_bad_grasps(views, tmp_path):
    detector = train_lenz(views[:6], views[6:7], CONFIG, Run(tmp_path))
    view = views[7]
    assert (detector.judge(view.frame, view.good) > 0.5).all()
    assert (detector.judge(view.frame, view.bad) < 0.5).all()
    assert (detector.small(extract(channel_image(view.frame), view.good)) > 0).all()
    best = detector(view.frame, count=1)
    fits = jaccard(best, view.good)[0] > 0.25
    assert (fits & (angle_difference(best.angle, view.good.angle) < np.pi / 6)).any()
    for network in ("small", "large"):
        losses = json.loads((tmp_path / f"{network}.json").read_text())
        assert list(losses) == ["first layer", "second layer", "output layer", "all layers"]
        assert len(losses["all layers"]) == CONFIG.epochs
        assert losses["all layers"][-1] < losses["all layers"][0]
        assert cv2.imread(str(tmp_path / f"{network}.png")) is not None
    assert any((tmp_path / "tensorboard").iterdir())


@pytest.mark.slow
def test_a_resumed_training_equals_an_uninterrupted_one(views, tmp_path):
    config = changed(CONFIG, epochs=1)
    whole = train_lenz(views[:2], [], config, Run(tmp_path / "whole"))
    killed = tmp_path / "killed"
    train_lenz(views[:2], [], config, Run(killed))
    (killed / "large.safetensors").unlink()
    resumed = train_lenz(views[:2], [], config, Run(killed, resume=True))
    for mine, other in ((resumed.small, whole.small), (resumed.large, whole.large)):
        for key, value in other.state_dict().items():
            torch.testing.assert_close(mine.state_dict()[key], value, atol=0, rtol=0)
    for_good = train_lenz([], [], config, Run(killed, resume=True))  # nothing is left to do
    torch.testing.assert_close(for_good.large.first.weight, whole.large.first.weight)


def test_another_seed_gives_another_network(sets):
    data = LearningSet.joined(sets[:2])
    one, other = (train_network(5, data, changed(CONFIG, epochs=1, seed=seed)) for seed in (0, 1))
    assert not torch.equal(one.first.weight, other.first.weight)


@pytest.mark.parametrize(("computes", "expected"), [(True, torch.bfloat16), (False, torch.float32)])
def test_products_are_in_bfloat16_where_the_processor_computes_it(
    sets, monkeypatch, computes, expected
):
    monkeypatch.setattr(
        "cvdl.grasping.models.lenz2014.training.computes_bfloat16", lambda device: computes
    )
    seen = set()
    linear = torch.nn.functional.linear

    def recorded(*arguments):
        result = linear(*arguments)
        seen.add(result.dtype)
        return result

    monkeypatch.setattr(torch.nn.functional, "linear", recorded)
    data = sets[0]
    train_network(5, data, changed(CONFIG, epochs=1))
    assert seen == {expected}


def test_nothing_to_train_on_raises(views, sets, tmp_path):
    with pytest.raises(InputError, match="no view"):
        train_lenz([], [], CONFIG, Run(tmp_path))
    some = sets[0]
    only = LearningSet(some.patches, torch.ones_like(some.good), some.labeled)
    with pytest.raises(InputError, match="no view has a bad rectangle"):
        train_network(5, only, CONFIG)


def test_a_view_without_bad_rectangles_depth_or_objects():
    view = bar_view(0)
    blank = RgbdFrame(
        np.full_like(view.frame.color, 180),
        np.full_like(view.frame.depth, np.nan),
        view.frame.camera,
    )
    data = learning_set(
        GraspSample("blank", "blank", blank, view.good, GraspRectangles.none()), CONFIG
    )
    assert data.good.all()
    assert not data.patches.mask[:, 1].any()
