"""``cvdl simulate``."""

from functools import partial
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cvdl.bags import BagReader
from cvdl.cli.app import app
from cvdl.datasets import OsdDataset
from helpers.cli import error_of, run_command

run = partial(run_command, "simulate")


def test_a_bag_by_default(tmp_path: Path) -> None:
    assert "2 scenes" in run(tmp_path / "out", "--scenes", 2, "--seed", 5)
    with BagReader(tmp_path / "out") as bag:
        counts = {topic.name: topic.count for topic in bag.topics}
    assert counts["/camera/color/image_raw"] == 2


def test_images_and_overwriting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    run(out, "--scenes", 2, "--format", "images")
    assert len(OsdDataset(out)) == 2
    assert "--overwrite" in error_of(monkeypatch, "simulate", out, "--format", "images")
    run(out, "--scenes", 1, "--format", "images", "--overwrite")
    assert len(OsdDataset(out)) == 1


@pytest.mark.slow
def test_the_world(tmp_path: Path) -> None:
    run(tmp_path / "out", "--scenes", 2, "--domain", "world", "--format", "images")
    one, other = OsdDataset(tmp_path / "out")
    assert one.camera != other.camera


@pytest.mark.parametrize(
    "options",
    [
        ["--scenes", "0"],
        ["--scenes", "-3"],
        ["--seed", "-1"],
        ["--format", "avi"],
        ["--domain", "moon"],
    ],
)
def test_bad_options_are_named(options: list[str], tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["simulate", str(tmp_path / "out"), *options])
    assert result.exit_code == 2
    assert options[0] in result.output
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", ["bag", "images", "coco"])
def test_a_place_that_cannot_be_written(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    out = tmp_path / "file" / "out"
    assert "file" in error_of(monkeypatch, "simulate", out, "--format", kind)
