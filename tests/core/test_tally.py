"""Counting and warning once."""

from __future__ import annotations

from collections import Counter

from cvdl.core.tally import Tally, summary_of


def test_one_warning_a_cause_and_every_drop_counted(caplog):
    tally = Tally()
    for length in (1, 2, 3):
        tally.drop("wrong length", f"{length} bytes")
    tally.drop("unknown encoding", "bayer")
    tally.warn("distortion", "lens")
    tally.warn("distortion", "lens again")
    assert tally.dropped == {"wrong length": 3, "unknown encoding": 1}
    texts = [record.getMessage() for record in caplog.records]
    assert texts == [
        "frame dropped: 1 bytes (reported once)",
        "frame dropped: bayer (reported once)",
        "lens (reported once)",
    ]
    assert list(tally.warnings) == ["wrong length", "unknown encoding", "distortion"]


def test_latencies_of_every_stage():
    tally = Tally()
    for milliseconds in range(1, 102):
        tally.add({"segment": milliseconds, "draw": 2.0})
    assert tally.frames == 101
    assert tally.latency_ms() == {"segment": (51.0, 96.0), "draw": (2.0, 2.0)}


def test_a_window_forgets_what_is_old():
    tally = Tally(window=3)
    for milliseconds in (1000, 1, 2, 3):
        tally.add({"segment": milliseconds})
    assert tally.latency_ms()["segment"][0] == 2
    assert tally.frames == 4


def test_a_summary_names_the_most_frequent_causes():
    assert summary_of(Counter()) == "no frame dropped"
    assert summary_of(Counter({"no color": 2})) == "2 dropped: no color"
    some = Counter({"rare": 1, "size": 3, "stamp": 2})
    assert summary_of(some) == "6 dropped: size, stamp and others"
