"""Tables on terminals of every width."""

from __future__ import annotations

from collections import Counter

import pytest
from rich.console import Console

from cvdl.bags import RgbdTopics
from cvdl.cli.replay import replay_table
from cvdl.cli.tables import figures_table
from cvdl.replay import ReplaySummary
from cvdl.runner import Findings


def words(table, width):
    console = Console(width=width)
    with console.capture() as capture:
        console.print(table)
    text = capture.get()
    assert max(map(len, text.splitlines())) <= width
    return text.split()


@pytest.mark.parametrize("width", [30, 40, 80])
def test_figures_stay_on_a_narrow_terminal(width):
    found = Findings()
    found.grasps, found.unmatched = 12345, 29
    found.refused["gripper meets the support"] = 57
    found.objects += Counter({"can": 77, "": 14})
    found.plane_causes["no depth"] = 63
    summary = ReplaySummary(
        RgbdTopics("/color", "/depth", "/info"),
        frames=150,
        dropped=Counter({"duplicate stamp": 31}),
        latency_ms={"segment": (11.25, 123.4), "detect": (48.5, 52.5), "grasp": (33.5, 71.5)},
        seconds=3.2,
        found=found,
    )
    figures = ["123.4", "48.5", "71.5", "31", "12345", "57", "77", "14", "29", "63"]
    assert set(figures) <= set(words(replay_table(summary), width))
    measures = {"a": "masks: overlap F, mean over scenes"}
    folds = [{"a": 0.125}, {"a": 0.375}]
    table = figures_table("a long title of a table", measures, {"a": 0.5}, folds, "all views")
    assert {"0.500", "0.250", "0.177"} <= set(words(table, width))
