"""A node while other processes keep all cores busy: the same results, and every frame counted."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from dataclasses import replace

import numpy as np
import pytest

from cvdl.grasping.stage import GraspStage
from cvdl.messages.reading import read_frame, stamp_ns
from cvdl.messages.sync import Match
from cvdl.pipeline import Perception
from cvdl.ros.nodes import PerceptionNode
from cvdl.segmentation.stage import SegmentationStage

from .conftest import deserialized, wait_until

RESULTS = ("segmentation/labels", "segmentation/objects", "detection/boxes", "grasp/poses")
SENT = 7


@pytest.fixture
def busy_cores():
    """A function: from now on, as many processes as there are cores never rest."""
    processes = []

    def start():
        command = [sys.executable, "-c", "while True: pass"]
        processes.extend(subprocess.Popen(command) for _ in range(os.cpu_count()))

    yield start
    for process in processes:
        process.kill()
        process.wait()


@pytest.fixture
def gates(monkeypatch):
    """The stages in their order of calls; while the gate is closed, no grasps are found."""
    gate, calls = threading.Event(), []
    for name, stage in (("segment", SegmentationStage), ("grasp", GraspStage)):

        def watched(self, frame, scene, name=name, stage=stage.__call__):
            if name == "grasp":
                calls.append(name)
                assert gate.wait(60)
                return stage(self, frame, scene)
            found = stage(self, frame, scene)
            calls.append(name)
            return found

        monkeypatch.setattr(stage, "__call__", watched)
    yield gate, calls
    gate.set()


@pytest.mark.parametrize("overlap", [False, True])
def test_results_and_counts_on_a_busy_machine(busy_cores, gates, start, wire, tabletops, overlap):
    gate, calls = gates
    gate.set()
    frames = [
        replace(frame, color=np.roll(frame.color, number, axis=2))
        for number, frame in enumerate(tabletops(SENT))
    ]
    # One in each step, and the newest one, which waits.
    processed = [0, 1, SENT - 1] if overlap else [0, SENT - 1]
    messages, perceive = [wire.messages(frame) for frame in frames], Perception()
    expected = []
    for number in processed:
        frame = read_frame(Match(*messages[number]))
        expected.append(wire.results(frame, perceive(frame)))
    start(PerceptionNode, overlap=overlap, detector__enable=True)
    heard = wire.listen_to_scene(topics=RESULTS)
    gate.clear()
    calls.clear()
    busy_cores()

    def send(number):
        wire.send(messages[number])
        assert wait_until(lambda: wire.diagnosed().get("pairs") == str(number + 1))

    send(0)
    assert wait_until(lambda: calls == ["segment", "grasp"])
    send(1)
    assert wait_until(lambda: len(calls) == 2 + overlap)
    for number in range(2, SENT):
        send(number)
    assert len(calls) == 2 + overlap
    gate.set()
    key = "dropped: a newer frame arrived"
    assert wait_until(lambda: wire.diagnosed().get("frames") == str(len(processed)))
    assert wait_until(lambda: all(len(each) == len(processed) for each in heard.values()))
    assert wire.diagnosed()[key] == str(SENT - len(processed))
    for topic in RESULTS:
        assert [stamp_ns(message) for message in heard[topic]] == [
            frames[number].stamp_ns for number in processed
        ]
        assert heard[topic] == [deserialized(results[topic]) for results in expected], topic
    assert all(results["grasp/poses"].poses for results in expected)
    assert any(results["detection/boxes"].detections for results in expected)
