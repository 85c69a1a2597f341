"""Figures of predicted chances that grasps hold."""

from __future__ import annotations

from math import isnan

import numpy as np
import pytest

from cvdl.evaluation.holding import HoldingScores


def scores(chance, held, group=None, moved=None):
    count = len(chance)
    return HoldingScores(
        np.array(chance, float),
        np.array(held, bool),
        np.zeros(count, np.int64) if group is None else np.array(group),
        np.zeros(count, bool) if moved is None else np.array(moved, bool),
    )


def test_figures_of_known_predictions():
    figures = scores([0.9, 0.9, 0.1, 0.1], [1, 0, 0, 0]).figures()
    assert figures["brier"] == pytest.approx((0.01 + 0.81 + 0.01 + 0.01) / 4)
    assert figures["log_loss"] == pytest.approx(-(3 * np.log(0.9) + np.log(0.1)) / 4)
    # Half of the grasps at 0.9 hold and none of those at 0.1.
    assert figures["calibration"] == pytest.approx((0.4 + 0.1) / 2)
    assert figures["roc_auc"] == pytest.approx(5 / 6)
    assert figures["held"] == 0.25


def test_the_likeliest_grasp_of_each_object_counts():
    some = scores([0.5, 0.8, 0.9, 0.3, 0.2], [1, 0, 1, 1, 0], [0, 0, 0, 1, 1], [0, 0, 1, 0, 0])
    best = some.best()
    assert best.chance.tolist() == [0.8, 0.3]  # 0.9 was moved
    assert best.held.tolist() == [False, True]
    assert (some.figures()["top1"], some.figures()["any"]) == (0.5, 1.0)


def test_the_objects_of_joined_scores_stay_apart():
    both = scores([0.5], [1]) + scores([0.6, 0.7], [0, 1], [0, 1])
    assert both.group.tolist() == [0, 1, 2]
    assert len(both.best().held) == 3


def test_no_grasps_have_no_figures():
    nothing = scores([], [])
    assert all(isnan(value) for value in nothing.figures().values())
    assert nothing.report()["top1"] is None
    assert (scores([0.5], [1]) + nothing).report()["grasps"] == 1
