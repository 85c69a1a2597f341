"""How far a training is, with a clock that the tests set."""

from __future__ import annotations

import pytest

from cvdl.training import schedule
from cvdl.training.schedule import Schedule


@pytest.fixture
def clock(monkeypatch):
    """A list of one number: the CPU time."""
    now = [100.0]
    monkeypatch.setattr(schedule, "process_time", lambda: now[0])
    return now


def test_without_a_budget_epochs_count(clock):
    plan = Schedule(3, 0, [{"cpu_seconds": 1}])
    plan.start_epoch()
    clock[0] += 1000
    assert (plan.done, plan.progress(0.5), plan.ends_epoch, plan.is_complete) == (1, 1.5, False, 0)
    assert plan.end_epoch() == 1000
    plan.end_epoch()
    assert plan.is_complete


def test_a_budget_is_the_whole_schedule_and_cuts_epochs(clock):
    plan = Schedule(4, 80, [{"cpu_seconds": 5}, {"cpu_seconds": 21}])
    assert plan.done == pytest.approx(4 * 26 / 80)
    clock[0] += 500  # before the epoch: not training
    plan.start_epoch()
    clock[0] += 19
    assert plan.progress(0.9) == pytest.approx(4 * 45 / 80)
    assert not plan.ends_epoch
    clock[0] += 1
    assert plan.ends_epoch
    clock[0] += 20
    plan.end_epoch()
    clock[0] += 14  # all that is left
    assert not plan.is_complete
    plan.start_epoch()
    clock[0] += 14
    assert plan.ends_epoch
    plan.end_epoch()
    assert plan.is_complete
    assert plan.done == 4
