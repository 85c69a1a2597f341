"""Sentences about frames on a real graph."""

from __future__ import annotations

import pytest
from rclpy.parameter import Parameter

from cvdl.language.describer import Describer
from cvdl.ros.nodes import PerceptionNode

from .conftest import wait_until


@pytest.fixture
def sentences(monkeypatch):
    """In place of the network: counts the objects."""
    monkeypatch.setattr("cvdl.ros.captioning.load_captioner", lambda: None)
    monkeypatch.setattr(
        Describer, "caption", lambda self, frame, scene: f"I see {len(scene.objects)}."
    )


def test_sentences_come_at_the_rate_that_is_set(sentences, start, wire, tabletops):
    node = start(PerceptionNode)
    heard = wire.listen("/perception/caption", "std_msgs/msg/String")
    overlays = wire.listen("/perception/overlay", "sensor_msgs/msg/Image")
    frames = iter(tabletops(6))

    def look():
        count = len(overlays)
        wire.send(wire.messages(next(frames)))
        assert wait_until(lambda: len(overlays) > count)

    look()
    assert not heard  # off by default
    node.set_parameters([Parameter("words.caption_rate_hz", value=100.0)])
    look()
    assert wait_until(lambda: heard)
    assert heard[0].data.startswith("I see ")
    node.set_parameters([Parameter("words.caption_rate_hz", value=0.001)])
    look()  # due by the former rate
    look()
    count = len(heard)
    look()
    look()
    assert len(heard) == count
