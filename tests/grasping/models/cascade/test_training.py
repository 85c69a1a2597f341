"""Training of the default detector: views, targets, losses, learning and resuming."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from cvdl.core.camera import Camera
from cvdl.core.errors import InputError
from cvdl.core.frame import RgbdFrame
from cvdl.datasets.dataset import Subset
from cvdl.datasets.grasp_sample import GraspSample
from cvdl.grasping.models.cascade.targets import (
    dense_targets,
    matched,
    rectangles_in_view,
    sampled_jaccard,
)
from cvdl.grasping.models.cascade.training import CascadeTask, CascadeTraining, trainer
from cvdl.grasping.rectangles import GraspRectangles, jaccard
from cvdl.training.augment import Augmentation, Placement
from cvdl.training.checkpoint import Run
from cvdl.training.loop import TrainingSettings

CAMERA = Camera(160, 120, 560.0, 560.0, 79.5, 59.5)


def sample(number, depth=0.8):
    """A dark bar on a light table, with a grasp across it."""
    color = np.full((120, 160, 3), 220, np.uint8)
    color[40:80, 70 + number : 86 + number] = 40
    grasp = GraspRectangles(
        np.array([[77.5 + number, 59.5]]), np.array([0.0]), np.array([28.0]), np.array([20.0])
    )
    frame = RgbdFrame(color, np.full((120, 160), depth, np.float32), CAMERA)
    return GraspSample(f"view{number}", f"bar{number}", frame, grasp, GraspRectangles.none())


class Views(list):
    names = tuple("012345678")


def settings(epochs=2, **more):
    training = TrainingSettings(
        epochs=epochs, batch_size=4, learning_rate=2e-3, device="cpu", **more
    )
    return CascadeTraining(training=training, steps=2)


def test_targets_decrease_with_shift_turn_and_size():
    scores, _, weights = dense_targets(np.array([[80.5, 80.5, 0.0, 29.0, 22.0]], np.float32), 40)
    horizontal = 6  # the orientation of angle 0
    assert scores[horizontal, 1, 20, 20] == pytest.approx(1)
    assert 0 < scores[horizontal, 1, 20, 22] < scores[horizontal, 1, 20, 21] < 1
    assert 0 < scores[horizontal, 0, 20, 20] < 1
    assert 0 < scores[horizontal + 1, 1, 20, 20] < 1
    assert scores[0].max() == 0  # at right angles
    assert weights[horizontal, 20, 20] == 1


def test_without_rectangles_there_are_no_targets():
    scores, _, weights = dense_targets(np.zeros((0, 5), np.float32), 20)
    assert not scores.any()
    assert not weights.any()


def test_the_sampled_jaccard_index_is_close_to_the_exact_one():
    rng = np.random.default_rng(0)
    low, high = [40, 40, -1.5, 20, 12], [60, 60, 1.5, 60, 40]
    a, b = rng.uniform(low, high, (8, 5)), rng.uniform(low, high, (9, 5))
    exact = jaccard(*(GraspRectangles(c[:, :2], *c[:, 2:].T) for c in (a, b)))
    found = sampled_jaccard(torch.from_numpy(a), torch.from_numpy(b), side=32)
    np.testing.assert_allclose(found, exact, atol=0.02)


def test_a_rectangle_matches_the_labeled_one_that_fits_it_within_30_degrees():
    good = torch.tensor([[[50.0, 50, 0, 40, 20], [50, 50, math.pi / 2, 40, 20], [0, 0, 0, 20, 20]]])
    valid = torch.tensor([[True, True, False]])
    asked = torch.tensor([[[50.0, 50, 0.1, 40, 20], [50, 50, 1.5, 40, 20], [50, 50, 0.8, 40, 20]]])
    wanted, fit = matched(asked, good, valid)
    assert wanted[0, 0, 2] == 0
    assert wanted[0, 1, 2] == pytest.approx(math.pi / 2)
    assert fit[0, 0] > 0.7
    assert fit[0, 1] > 0.7
    assert fit[0, 2] == 0


def test_rectangles_follow_the_view():
    """Both ends of the opening move like points of the image."""
    center, opening = np.array([161.0, 121.0]), 40 * np.array([np.cos(0.3), np.sin(0.3)])
    where = Placement.random(
        np.tile([85.0, 58.0], (20, 1)), Augmentation(turn=True), np.random.default_rng(0)
    )
    given = torch.tensor([[*center, 0.3, 40, 20], [-500, 0, 0, 20, 20]]).float()
    found = rectangles_in_view(given.expand(20, -1, -1), where, 128)
    ends = torch.from_numpy(np.array([center - opening / 2, center + opening / 2])).float()
    expected = where.points(((ends + 0.5) / 2).expand(20, -1, -1), (128, 128)) * 2 - 0.5
    for rectangles, ends, zoom in zip(found, expected, where.zoom, strict=True):
        assert rectangles.shape == (1, 5)  # the other is outside
        u, v, angle, opening, plate = rectangles[0]
        offset = opening / 2 * torch.stack([angle.cos(), angle.sin()])
        both = torch.stack([u, v]) + torch.stack([-offset, offset])
        torch.testing.assert_close(both, ends, rtol=1e-4, atol=1e-3)
        assert plate == pytest.approx(20 * float(zoom), rel=1e-5)


@pytest.mark.slow
def test_it_learns_where_a_bar_is_grasped(tmp_path):
    views = [sample(number, depth) for number, depth in ((0, 0.8), (20, np.nan), (-20, 0.8))]
    training = TrainingSettings(
        epochs=6, batch_size=6, learning_rate=3e-3, clip=5, mixed_precision=True, device="cpu"
    )
    detector = trainer().train(
        views, views, CascadeTraining(training=training, steps=12), Run(tmp_path / "run")
    )
    best = detector(views[0].frame, count=1)
    assert jaccard(best, views[0].good)[0, 0] > 0.25


@pytest.mark.slow
def test_a_resumed_training_equals_an_uninterrupted_one(tmp_path, monkeypatch):
    views = [sample(0), sample(10)]
    whole = trainer().train(views, views, settings(), Run(tmp_path / "whole"))
    batches = CascadeTask.batches

    def interrupted(self, epoch, generator):
        if epoch == 1:
            raise KeyboardInterrupt
        return batches(self, epoch, generator)

    with monkeypatch.context() as patch:
        patch.setattr(CascadeTask, "batches", interrupted)
        with pytest.raises(KeyboardInterrupt):
            trainer().train(views, views, settings(), Run(tmp_path / "part"))
    resumed = trainer().train(views, views, settings(), Run(tmp_path / "part", resume=True))
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[name], value, rtol=0, atol=0)


def test_views_are_drawn_by_the_data_set_they_are_from():
    few, many = ([sample(number) for number in range(count)] for count in (1, 6))
    for part in (few, many):
        part.append(replace(part[0], good=GraspRectangles.none()))
    train = Subset([(Views(few), range(2)), (Views(many), range(7)), (Views(few), range(2))])
    task = CascadeTask(train, (), CascadeTraining(steps=400, first_share=0.5))
    drawn = np.concatenate(task.picks(np.random.default_rng(0)))
    shares = np.bincount(drawn, minlength=8) / len(drawn)
    assert shares == pytest.approx([0.5, *6 * [0.25 / 6], 0.25], abs=0.02)


def test_nothing_to_train_on_raises(tmp_path):
    empty = GraspSample("a", "a", sample(0).frame, GraspRectangles.none(), GraspRectangles.none())
    with pytest.raises(InputError, match="good rectangle"):
        trainer().train([empty], [], settings(), Run(tmp_path / "run"))
