"""``cvdl describe`` with the weights of the package."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from cvdl.bags import BagWriter, write_frame
from cvdl.simulation import simulate_scene
from cvdl.simulation.export import ImageExport
from helpers.cli import error_of, run_command

pytestmark = pytest.mark.usefixtures("one_thread")

UNSEEN, INDEX = 10_000, 3


@pytest.mark.slow
def test_frames_of_images_and_bags_are_described(tmp_path: Path) -> None:
    scene = simulate_scene(UNSEEN, INDEX)
    with ImageExport(tmp_path / "images", False, UNSEEN) as export:
        export.add(scene)
    with BagWriter(tmp_path / "bag") as bag:
        write_frame(bag, scene.frame)
    for source in (tmp_path / "images", tmp_path / "bag"):
        results, picture = tmp_path / f"{source.name}.json", tmp_path / f"{source.name}.png"
        text = run_command("describe", source, "--json", results, "--picture", picture)
        assert "1 frame" in text
        (frame,) = json.loads(results.read_text())["frames"]
        assert frame["caption"].endswith(".")
        assert any("bowl" in each["caption"] for each in frame["objects"])
        assert set(frame["objects"][0]) == {"label", "class_name", "caption", "center", "size"}
        drawn = cv2.imread(str(picture))
        assert drawn is not None
        assert np.ptp(drawn) > 0
    silent = tmp_path / "silent.json"
    run_command("describe", tmp_path / "images", "--json", silent, "--set", "words.sure=1")
    (frame,) = json.loads(silent.read_text())["frames"]
    assert "bowl" not in frame["caption"]


def test_bad_sources_and_weights_are_errors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "missing: no such bag or folder" in error_of(
        monkeypatch, "describe", tmp_path / "missing"
    )
    said = error_of(monkeypatch, "describe", tmp_path, "--weights", tmp_path / "no.onnx")
    assert "no.onnx: no such file" in said
