"""The same thing keeps its number."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from cvdl.core.errors import InputError
from cvdl.detection import Detections
from cvdl.detection.config import DetectionConfig
from cvdl.detection.stage import DetectionStage
from cvdl.detection.tracking import Tracker

PERIOD_NS = 33_333_333


def found(*rows):
    """Detections of (x, y, score), each 40 x 30 pixels."""
    values = np.array(rows, float).reshape(-1, 3)
    boxes = np.hstack([values[:, :2], values[:, :2] + [40, 30]])
    return Detections(boxes, np.zeros(len(rows), np.int64), values[:, 2])


def test_a_missing_library_is_named_with_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "trackforge", None)
    with pytest.raises(InputError, match=r"detector\.track needs .*'cvdl\[tracking\]'"):
        DetectionStage(DetectionConfig(track=True), lambda frames, proposals: [])


@pytest.fixture
def tracker():
    pytest.importorskip("trackforge", reason="needs the extra cvdl[tracking]")
    return Tracker(min_score=0.5)


def test_tracks_follow_moving_objects_in_any_order(tracker):
    for i in range(12):
        left, right = (100 + 5 * i, 50, 0.9), (400 - 5 * i, 60, 0.8)
        rows, expected = ((right, left), [2, 1]) if i % 3 == 1 else ((left, right), [1, 2])
        assert tracker(found(*rows), i * PERIOD_NS).tolist() == expected


def test_detections_with_a_low_score_start_no_tracks(tracker):
    assert tracker(found((100, 50, 0.9), (300, 50, 0.3)), 0).tolist() == [1, -1]
    assert tracker(found((102, 50, 0.3), (300, 50, 0.3)), 1).tolist() == [1, -1]
    assert tracker(found((104, 50, 0.9), (300, 50, 0.3)), 2).tolist() == [1, -1]


def test_hidden_objects_keep_their_track(tracker):
    for i in range(3):
        tracker(found((100, 50, 0.9), (300, 50, 0.8)), i)
    for i in range(3, 13):
        assert tracker(found((300, 50, 0.8)), i).tolist() == [2]
    assert tracker(found((500, 50, 0.9), (100, 50, 0.8)), 13).tolist()[1] == 1
    assert tracker(found((500, 50, 0.9), (100, 50, 0.8)), 14).tolist() == [3, 1]


def test_tracks_start_again_when_the_stamps_jump_back(tracker):
    for stamp in (5, 6, 6):
        assert tracker(found((100, 50, 0.9)), stamp).tolist() == [1]
    tracker(found((400, 50, 0.9)), 7)
    assert tracker(found((400, 50, 0.9)), 2).tolist() == [1]


def test_frames_without_detections(tracker):
    assert tracker(found(), 0).shape == (0,)
    tracker(found((100, 50, 0.9)), 1)
    assert tracker(found(), 2).tolist() == []
    assert tracker(found((100, 50, 0.9)), 3).tolist() == [1]
