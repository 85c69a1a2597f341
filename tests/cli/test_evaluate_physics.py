"""``cvdl evaluate grasp --physics``: its errors, and one scene."""

import json
from functools import partial

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
    ],
)
def test_bad_input_is_an_error_in_one_line(options, words, monkeypatch):
    assert words in error_of(monkeypatch, "evaluate", "grasp", *options)


@pytest.mark.slow
def test_tables_json_and_sheet_of_a_scene(tmp_path, monkeypatch):
    out, sheet = tmp_path / "out.json", tmp_path / "sheet.png"
    # Without friction nothing is held, so that there are failures to draw.
    options = ["--friction", 0, "--set", "grasp.max_opening=0.08"]
    monkeypatch.setenv("COLUMNS", "200")
    text = run("--scenes", 1, "--seed", 4, "--json", out, "--sheet", sheet, *options)
    for word in ("control", "first of each object", "straight down", "grasps per second"):
        assert word in text
    content = json.loads(out.read_text())
    assert content["physics"]["friction"] == 0
    assert content["settings"]["grasp"]["max_opening"] == 0.08
    assert content["rows"]["control"]["count"] > 0
    assert content["rows"]["control"]["held"] < content["rows"]["control"]["count"]
    assert max(trial["opening"] for trial in content["trials"]) <= 0.08
    assert sheet.read_bytes().startswith(b"\x89PNG")
