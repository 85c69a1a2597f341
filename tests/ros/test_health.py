"""What diagnostics say."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace

import pytest

pytest.importorskip("rclpy", reason="there is no ROS 2: pip install '.[live]', or source one")

from cvdl.ros.health import Health


def camera(silence="", doubt=""):
    return SimpleNamespace(
        dropped=Counter(),
        pairs=10,
        silence=lambda: silence,
        doubt=lambda: doubt,
        registration=SimpleNamespace(note=""),
    )


@pytest.mark.parametrize(("without", "is_wrong"), [(1, False), (5, False), (6, True), (10, True)])
def test_frames_without_a_plane(without, is_wrong):
    health = Health("cpu")
    for i in range(10):
        health.saw_plane(i >= without)
    summary, values, wrong = health.report(camera(), idle=False)
    assert values["frames without a support plane (%)"] == str(10 * without)
    assert wrong == is_wrong
    said = f"no support plane in {without * 10}% of the frames: no masks, no grasps there"
    assert summary == (said if is_wrong else "no frame dropped")
    assert not health.report(camera(), idle=True)[2]


def test_a_node_that_does_not_segment_says_nothing_of_planes():
    _, values, wrong = Health("cpu").report(camera(), idle=False)
    assert not any("plane" in key for key in values)
    assert not wrong


def test_what_is_wrong_with_the_input_is_told_though_frames_come():
    summary, values, wrong = Health("cpu").report(camera(doubt="the stamps are 0"), idle=False)
    assert summary == values["input"] == "the stamps are 0"
    assert wrong
    summary, _, wrong = Health("cpu").report(camera("no messages on /c"), idle=False)
    assert (summary, wrong) == ("no frame: no messages on /c", True)
