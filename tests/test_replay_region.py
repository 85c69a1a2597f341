"""Replays that are limited to a region of interest."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from cvdl.bags import BagReader, BagWriter, message_type, write_frame
from cvdl.messages.factory import MessageFactory
from cvdl.pipeline import Perception, PerceptionConfig
from cvdl.replay import NAMESPACE, replay
from cvdl.warm_up import made_up_frame

FACTORY = MessageFactory(message_type)
STAMP_NS = 1_700_000_000_000_000_000


@pytest.fixture(autouse=True)
def _log(caplog):
    caplog.set_level(logging.WARNING, logger="cvdl")


@pytest.fixture
def regions(tmp_path):
    """A function: a replay of two frames with transforms, limited to a region."""

    def run(region, links=()):
        with BagWriter(tmp_path / "in") as bag:
            for parent, child, pose in links:
                bag.write("/tf_static", STAMP_NS - 1, FACTORY.tf(STAMP_NS, parent, child, pose))
            for stamp in (STAMP_NS, STAMP_NS + 10**8):
                write_frame(bag, replace(made_up_frame(), frame_id="optical", stamp_ns=stamp))
        settings = PerceptionConfig(segmentation={"region": region}).segmentation_only()
        return replay(tmp_path / "in", tmp_path / "out", Perception(settings))

    return run


@pytest.fixture
def base():
    """Of the camera: the region's frame has its origin on the table below the first block."""
    pose = np.eye(4)
    level = Rotation.from_matrix([[1, 0, 0], [0, 0, 1], [0, -1, 0]])  # looks along y, down is -z
    pose[:3, :3] = (level * Rotation.from_euler("x", -45, degrees=True)).as_matrix()
    pose[1:3, 3] = -0.51, 0.55
    return pose


def test_results_are_limited_to_a_box_in_a_frame_of_tf(regions, base, tmp_path):
    box = [-0.1, 0.07, -0.1, 0.1, -0.02, 0.2]
    links = [("map", "cell", np.eye(4)), ("cell", "optical", base)]
    summary = regions({"box": box, "box_frame": "cell"}, links)
    assert (summary.frames, summary.found.objects.total()) == (2, 2)
    with BagReader(tmp_path / "out") as bag:
        topic, _, data = next(bag.messages([f"{NAMESPACE}/segmentation/labels"]))
        message = bag.decode(topic, data)
    labels = np.frombuffer(message.data, np.uint16).reshape(480, 640)
    rows, columns = np.nonzero(labels)
    points = made_up_frame().camera.deproject(made_up_frame().depth)[rows, columns]
    at = points @ base[:3, :3].T + base[:3, 3]
    assert (at > np.array(box[::2]) - 1e-3).all()
    assert (at < np.array(box[1::2]) + 1e-3).all()


def test_frames_are_dropped_where_tf_does_not_know_the_region(regions, base, caplog):
    summary = regions({"box": [0, 1, 0, 1, 0, 1], "box_frame": "cel"}, [("cell", "optical", base)])
    assert summary.dropped == {"no pose of the region": 2}
    (said,) = [r.getMessage() for r in caplog.records if "region" in r.getMessage()]
    assert "segmentation.region.box is in cel, but tf does not connect the camera's frame" in said
    assert "frames in tf: cell, optical" in said
    assert said.endswith("or name another frame as segmentation.region.box_frame (reported once)")


def test_a_region_out_of_view_is_told_once(regions, base, caplog):
    summary = regions({"box": [4, 5, 0, 1, 0, 1]}, [("base_link", "optical", base)])
    assert (summary.frames, summary.found.objects.total()) == (2, 0)
    assert summary.found.plane_causes == {"in segmentation.region, no depth": 2}
    (said,) = [record.getMessage() for record in caplog.records]
    assert "the center of its box is out of view, 4.50 m right of" in said


def test_a_region_without_a_support_is_told(regions, base, caplog):
    regions({"box": [-1, 1, -1, 1, 0.02, 1]}, [("base_link", "optical", base)])
    (said,) = [record.getMessage() for record in caplog.records]
    assert said.startswith("a frame shows no support plane")
    assert "in segmentation.region, " in said


def test_the_cameras_own_frame_needs_no_tf(regions):
    summary = regions({"box": [-0.1, 0.07, -1, 1, 0.1, 1], "box_frame": "optical"})
    assert (summary.frames, summary.found.objects.total()) == (2, 2)
