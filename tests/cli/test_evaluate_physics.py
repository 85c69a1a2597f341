"""``cvdl evaluate grasp --physics``: its errors, and one scene."""

import json
from functools import partial

import cv2
import pytest

from helpers.cli import error_of, run_command

run = partial(run_command, "evaluate", "grasp", "--physics")


def test_without_the_extra_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setattr("cvdl.core.extras.is_installed", lambda module: module != "mujoco")
    message = error_of(monkeypatch, "evaluate", "grasp", "--physics")
    assert "--physics needs MuJoCo, which is not installed: pip install 'cvdl[physics]'" in message


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--physics", "--data", "cornell"], "it takes no --data"),
        (["--physics", "--dataset", "cornell"], "accepted with --physics: simulated"),
        (["--physics", "--set", "grasp.max_opening=9"], "max_opening is 9"),
        (["--set", "grasp.max_opening=0.08"], "--config and --set are for --physics"),
        (["--video", "a.mp4"], "--video, --reliability and --parts are for --physics"),
        (["--parts", "clearing"], "--video, --reliability and --parts are for --physics"),
        (["--friction", 0.5], "--friction, --density and --force are for --physics"),
        (["--physics", "--parts", "clearing,tidying"], "'tidying'; accepted: control, published,"),
        (
            ["--physics", "--parts", "clearing", "--video", "a.mp4"],
            "--video shows published grasps; add published to --parts",
        ),
    ],
)
def test_bad_input_is_an_error_in_one_line(options, words, monkeypatch):
    assert words in error_of(monkeypatch, "evaluate", "grasp", *options)


def test_a_video_that_cannot_be_written_is_said_before_the_work(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "video.mp4"
    message = error_of(monkeypatch, "evaluate", "grasp", "--physics", "--video", path)
    assert "video.mp4 cannot be written" in message


@pytest.mark.slow
def test_tables_json_and_pictures_of_a_scene(tmp_path, monkeypatch):
    out, sheet = tmp_path / "out.json", tmp_path / "sheet.png"
    video, chart = tmp_path / "video.mp4", tmp_path / "chart.png"
    # Without friction nothing is held, so that there are failures to draw.
    options = ["--friction", 0, "--set", "grasp.max_opening=0.08"]
    monkeypatch.setenv("COLUMNS", "200")
    files = ["--json", out, "--sheet", sheet, "--video", video, "--reliability", chart]
    text = run("--scenes", 1, "--seed", 4, "--worst", 2, *files, *options)
    for word in ("control", "first of each object", "straight down", "calibration error"):
        assert word in text
    content = json.loads(out.read_text())
    assert content["physics"]["friction"] == 0
    assert content["settings"]["grasp"]["max_opening"] == 0.08
    assert content["rows"]["control"]["count"] > 0
    assert content["rows"]["control"]["held"] < content["rows"]["control"]["count"]
    assert max(trial["opening"] for trial in content["trials"]) <= 0.08
    assert sheet.read_bytes().startswith(b"\x89PNG")
    assert chart.read_bytes().startswith(b"\x89PNG")
    assert cv2.VideoCapture(str(video)).read()[0]


@pytest.mark.slow
def test_one_part_alone(tmp_path):
    out = tmp_path / "out.json"
    text = run("--scenes", 1, "--seed", 4, "--json", out, "--parts", "baseline")
    assert "straight down" in text
    content = json.loads(out.read_text())
    assert list(content["rows"]) == ["straight down"]
    assert (content["parts"], content["trials"]) == (["baseline"], [])
