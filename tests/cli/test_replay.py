"""``cvdl replay`` as a user runs it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from cvdl.bags import BagError, BagReader, BagWriter, message_type, write_frame
from cvdl.cli.app import app
from cvdl.core.config import ConfigError
from cvdl.messages.factory import MessageFactory
from cvdl.replay import ReplayOptions
from cvdl.simulation import simulate_scene

WITHOUT_DETECTION = ("--set", "detector.enable=false")


pytestmark = pytest.mark.usefixtures("quick_detector")


def run(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(app, list(map(str, arguments)))
    if isinstance(result.exception, Exception) and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result.output


def test_prints_a_summary_and_the_path(bag, tmp_path):
    out, pictures = tmp_path / "out", tmp_path / "pictures"
    text = run("replay", bag, "-o", out, "--pictures", pictures)
    assert "5 frames in" in text
    for stage in ("read", "segment", "draw", "write", "total"):
        assert stage in text
    assert "dropped: nothing" in text
    assert f"bag: {out}\n" in text
    assert f"pictures: {pictures}\n" in text
    assert len(list(pictures.iterdir())) == 5


@pytest.mark.slow
def test_counts_the_objects_of_each_class(tmp_path):
    """What was segmented is all of one class."""
    with BagWriter(tmp_path / "in") as bag:
        for index in range(2):
            write_frame(bag, simulate_scene(0, index).frame)
    text = run("replay", tmp_path / "in", "-o", tmp_path / "out", "--set", "grasp.enable=false")
    with BagReader(tmp_path / "out") as bag:
        topic = next(t for t in bag.topics if t.name == "/perception/segmentation/objects")
        objects = [bag.decode(t, data) for t, _, data in bag.messages([topic.name])]
    count = sum(len(message.detections) for message in objects)
    assert count > 2
    assert re.search(rf"objects: thing +{count}\b", text)
    assert re.search(r"detections without an object +0\b", text)
    again = run("replay", tmp_path / "in", "-o", tmp_path / "again", *WITHOUT_DETECTION)
    assert "detect" not in again
    assert "objects:" not in again


def test_settings_reach_the_stages_and_bad_ones_are_named(bag, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(ConfigError, match=r"segmentation.max_range is 99: accepted: number >="):
        run("replay", bag, "-o", out, "--set", "segmentation.max_range=99")
    file = tmp_path / "settings.yaml"
    file.write_text("segmentation:\n  max_rang: 2\n")
    with pytest.raises(ConfigError, match=r"settings.yaml: unknown key segmentation.max_rang;"):
        run("replay", bag, "-o", out, "--config", file)
    assert not out.exists()
    run("replay", bag, "-o", out, "--set", "segmentation.max_range=2.5", "--limit", 1)


def test_every_option_reaches_the_replay(bag, tmp_path, monkeypatch):
    asked = {}

    def replay(bag, out, perception, options, show):
        asked.update(bag=bag, out=out, config=perception.config, options=options)
        raise BagError("that will do")

    monkeypatch.setattr("cvdl.replay.replay", replay)
    settings = tmp_path / "settings.yaml"
    settings.write_text("segmentation: {max_range: 2}\ngrasp: {enable: false}\n")
    topics = ("--color-topic", "/c", "--depth-topic", "/d", "--camera-info-topic", "/i")
    topics += ("--points-topic", "/p")
    outputs = ("--pictures", tmp_path / "p", "--rerun", tmp_path / "r.rrd")
    others = ("--slop", 0.5, "--limit", 7, "--only-results", "--overwrite")
    with pytest.raises(BagError, match="that will do"):
        run("replay", bag, "-o", "out", "--config", settings, *topics, *outputs, *others)
    assert (asked["bag"], asked["out"]) == (bag, Path("out"))
    assert asked["config"].segmentation.max_range == 2
    assert not asked["config"].grasp.enable
    assert asked["options"] == ReplayOptions(
        "/c", "/d", "/i", 0.5, True, tmp_path / "p", tmp_path / "r.rrd", 7, True, "/p"
    )


def test_of_two_cameras_the_one_that_is_named_is_replayed(tmp_path, frame):
    make = MessageFactory(message_type)
    with BagWriter(tmp_path / "in") as bag:
        for name in ("left", "right"):
            each = replace(frame, frame_id=name)
            bag.write(f"/{name}/color/camera_info", each.stamp_ns, make.camera_info(each))
            bag.write(f"/{name}/color/image", each.stamp_ns, make.color(each))
            bag.write(f"/{name}/depth/image", each.stamp_ns, make.depth(each))
    command = ("replay", tmp_path / "in", *WITHOUT_DETECTION, "--set", "grasp.enable=false")
    with pytest.raises(BagError, match="--color-topic /left/color/image or /right/color/image"):
        run(*command, "-o", tmp_path / "neither")
    for name in ("right", "left"):
        run(*command, "-o", tmp_path / name, "--color-topic", f"/{name}/color/image")
        with BagReader(tmp_path / name) as bag:
            ours = [topic.name for topic in bag.topics if topic.name.startswith("/perception/seg")]
            found = [bag.decode(topic, data) for topic, _, data in bag.messages(ours)]
        assert {m.header.frame_id for m in found if hasattr(m, "header")} == {name}


def test_an_unknown_topic_is_reported(bag, tmp_path):
    with pytest.raises(BagError, match="there is no topic /x"):
        run("replay", bag, "-o", tmp_path / "out", "--depth-topic", "/x")


def test_one_topic_for_color_and_depth_is_refused(bag, tmp_path):
    topic = "/camera/color/image_raw"
    with pytest.raises(BagError, match=f"{topic} cannot be both color and depth"):
        run("replay", bag, "-o", tmp_path / "out", "--depth-topic", topic)


def test_no_frame_at_all_is_an_error_and_leaves_nothing(tmp_path, frame):
    late = replace(frame, stamp_ns=frame.stamp_ns + 10**9)
    with BagWriter(tmp_path / "in") as bag:
        write_frame(bag, replace(frame, depth=np.full_like(frame.depth, np.nan)))
        write_frame(bag, late)
    out = tmp_path / "out"
    text = run("replay", tmp_path / "in", "-o", out, "--slop", 0, *WITHOUT_DETECTION)
    assert re.search(r"frames without a support plane +\d", text)
    messages = MessageFactory(message_type)
    with BagWriter(tmp_path / "apart") as bag:
        bag.write("/color", 0, messages.color(frame))
        bag.write("/depth", 10**9, messages.depth(late))
        bag.write("/info", 0, messages.camera_info(frame))
    text = run("replay", tmp_path / "apart", "-o", tmp_path / "none", code=1)
    assert "error: no frame was processed" in text
    assert not (tmp_path / "none").exists()


@pytest.mark.slow
def test_ctrl_c_leaves_a_whole_bag_and_status_130(tmp_path, frames):
    with BagWriter(tmp_path / "in") as bag:
        for frame in frames(3000):
            write_frame(bag, frame)
    out = tmp_path / "out"
    # A shell that runs tests in the background has children ignore the signal: undo that.
    program = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from cvdl.cli import main; main()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, "replay", tmp_path / "in", "-o", out, *WITHOUT_DETECTION],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        text=True,
    )
    file = out / "out.mcap"
    deadline = time.monotonic() + 60
    while not (file.exists() and file.stat().st_size > 2_000_000):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert "interrupted" in stderr
    with BagReader(out) as bag:
        counts = {topic.name: topic.count for topic in bag.topics}
        received = sum(1 for _ in bag.messages())
    assert (out / "metadata.yaml").exists()
    assert 0 < counts["/perception/segmentation/labels"] < 3000
    assert received == sum(counts.values())
    assert f"{counts['/perception/overlay']} frames in" in stdout
