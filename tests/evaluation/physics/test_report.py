"""Figures of executed grasps, from results with a known answer, and a scene from end to end."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("mujoco", reason="needs mujoco: pip install 'cvdl[physics]'")
pytest.importorskip("coacd", reason="needs coacd: pip install 'cvdl[physics]'")

from cvdl.evaluation.physics.protocol import (
    ObjectTries,
    PhysicsRun,
    SceneTrials,
    Trial,
    execute_scene,
)
from cvdl.evaluation.physics.report import NO_GRASP, PhysicsReport, Share
from cvdl.evaluation.physics.settings import PhysicsSettings
from cvdl.evaluation.physics.trial import HELD, Outcome
from cvdl.pipeline import PerceptionConfig
from cvdl.simulation import SimulationConfig

MUG, BALL, PLATE = 2, 3, 4


def trial(result, target=MUG, category="mug", angle=10.0, taken=(), score=0.9):
    return Trial(target, category, angle, 0.05, score, Outcome(result, taken), 0.2)


@pytest.fixture
def report():
    held, slipped = trial(HELD, taken=(2,)), trial("slipped")
    ball = trial("slipped", BALL, "ball", 70.0), trial(HELD, BALL, "ball", score=0.3)
    scenes = [
        SceneTrials(
            "scene0", 3, (held, held), held,
            (
                ObjectTries(MUG, "mug", (held,)),
                ObjectTries(BALL, "ball", ball),
                ObjectTries(PLATE, "plate", ()),
                ObjectTries(0, "", (trial("nothing", 0, ""),)),  # the segment shows no object
            ),
            (trial("approach"),), (held, trial("other", taken=(3,)), slipped, slipped), 2,
        ),
        # What is held in another scene says nothing about this one.
        SceneTrials("scene1", 1, (slipped,), None, (ObjectTries(MUG, "mug", ()),), (), (), 0),
    ]  # fmt: skip
    return PhysicsReport(scenes, 5)


def some_parts(report, *parts):
    return PhysicsReport(report.scenes, report.tries, parts)


def test_rows_count_what_they_say(report):
    shares = {name: (share.held, share.count) for name, share in report.rows().items()}
    assert shares == {
        "control": (2, 3),
        "first of a frame": (1, 1),
        "first of each object": (1, 2),  # of the objects with grasps
        "within 5 tries": (2, 2),
        "within 5 tries, all": (2, 4),
        "within 5 tries, can be held": (2, 2),
        "clearing, tries": (2, 4),  # any object that is taken off counts
        "clearing, objects": (2, 4),
        "straight down": (0, 1),
    }
    causes = {name: dict(share.results) for name, share in report.rows().items()}
    assert causes["first of each object"] == {HELD: 1, "slipped": 1}
    assert causes["within 5 tries, all"] == {HELD: 2, NO_GRASP: 2}


def test_what_the_control_holds_counts_even_without_a_published_grasp(report):
    first = report.scenes[0]
    plate = trial(HELD, PLATE, "plate")
    scenes = [replace(first, control=(plate,)), *report.scenes[1:]]
    report = PhysicsReport(scenes, 5)
    row = report.rows()["within 5 tries, can be held"]
    assert (row.held, row.count, row.results[NO_GRASP]) == (2, 3, 1)
    categories = report.possible_categories()
    assert {name: (share.held, share.count) for name, share in categories.items()} == {
        "ball": (1, 1),
        "mug": (1, 1),
        "plate": (0, 1),
    }
    # What only the clearing takes could not be held where it stood.
    cleared = replace(first, control=(), clearing=(plate,))
    assert PLATE not in cleared.can_be_held()


def test_only_the_parts_that_were_executed_have_rows(report):
    assert list(some_parts(report, "clearing").rows()) == ["clearing, tries", "clearing, objects"]
    some = some_parts(report, "published")
    assert "within 5 tries, all" in some.rows()
    # Without the control nobody knows what can be held.
    assert "within 5 tries, can be held" not in some.rows()
    assert some.possible_categories() == {}


def test_reliability_is_of_all_published_grasps_that_were_tried(report):
    first, every = (report.reliability()[name] for name in ("first grasps", "all tries"))
    assert first.scores.tolist() == [0.9, 0.9, 0.9]
    assert first.right.tolist() == [True, False, False]
    assert every.scores.tolist() == [0.9, 0.9, 0.3, 0.9]
    assert every.right.tolist() == [True, False, True, False]
    wild = ObjectTries(MUG, "mug", (trial(HELD, score=7.0),))
    assert PhysicsReport([replace(report.scenes[0], published=(wild,))], 5).reliability() == {}


def test_groups_by_category_and_angle(report):
    assert {name: share.value for name, share in report.categories().items()} == {
        "ball": 0.0,
        "mug": 1.0,
    }
    assert {name: share.count for name, share in report.angles().items() if share.count} == {
        "0° to 30°": 1,
        "60° to 75°": 1,
    }


def test_the_interval_is_wilsons():
    # Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I.
    low, high = Share.of([HELD] * 81 + ["slipped"] * 182).interval()
    assert (low, high) == (pytest.approx(0.2553, abs=5e-5), pytest.approx(0.3662, abs=5e-5))
    assert np.isnan(Share.of([]).interval()).all()


def test_the_report_is_json(report):
    content = json.loads(json.dumps(report.report(), allow_nan=False))
    assert content["rows"]["control"]["causes"]["slipped"] == 1
    assert content["grasps_per_second"] == pytest.approx(5.0)
    trials = [(each["object"], each["try"], each["result"]) for each in content["trials"]]
    assert trials == [
        (MUG, 1, HELD), (BALL, 1, "slipped"), (BALL, 2, HELD), (0, 1, "nothing"),
    ]  # fmt: skip
    assert content["reliability"]["all tries"]["count"] == 4
    assert report.sheet(4) is None  # no pictures were taken
    assert report.video(4) is None


@pytest.fixture(scope="module")
def run():
    simulation = SimulationConfig(min_objects=3, max_objects=3)
    return PhysicsRun(5, simulation, PerceptionConfig(), PhysicsSettings(), pictures=True)


@pytest.mark.slow
def test_ground_truth_grasps_of_a_scene_hold(run):
    trials = execute_scene(run, 1)
    assert trials.objects == 3
    assert len(trials.control) > 5
    assert [each.outcome.result for each in trials.control] == [HELD] * len(trials.control)
    # The published grasps are executed until one holds, and the table is cleared one by one.
    assert trials.best is not None
    for item in trials.published:
        assert [each.outcome.held for each in item.tries[:-1]] == [False] * len(item.tries[:-1])
        for each in item.tries:
            assert 0 <= each.angle <= 180
            assert 0 < each.opening <= run.perception.grasp.max_opening
    assert trials.cleared == sum(len(each.outcome.taken) for each in trials.clearing)
    assert len(trials.clearing) >= trials.cleared > 0
