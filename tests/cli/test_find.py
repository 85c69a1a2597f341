"""``cvdl find`` with the weights of the package."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from cvdl.bags import BagWriter, write_frame
from cvdl.simulation import SimulatedScene, simulate_scene
from cvdl.simulation.export import ImageExport
from helpers.cli import error_of, run_command

pytestmark = pytest.mark.usefixtures("one_thread")

UNSEEN = 10_000


@pytest.fixture(scope="module")
def scene() -> SimulatedScene:
    return simulate_scene(UNSEEN, 3)


@pytest.fixture(scope="module")
def images(scene: SimulatedScene, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("images") / "out"
    with ImageExport(path, False, UNSEEN) as export:
        export.add(scene)
    return path


@pytest.mark.slow
def test_what_is_found_in_images_and_bags(
    scene: SimulatedScene, images: Path, tmp_path: Path
) -> None:
    with BagWriter(tmp_path / "bag") as bag:
        write_frame(bag, scene.frame)
    for source in (images, tmp_path / "bag"):
        results, picture = tmp_path / f"{source.name}.json", tmp_path / f"{source.name}.png"
        text = run_command("find", "the bowl", source, "--json", results, "--picture", picture)
        assert "found in 1 of 1 frame" in text
        assert picture.is_file()
        (frame,) = json.loads(results.read_text())["frames"]
        assert frame["found"][0] == frame["objects"][0]["label"]
        (bowl,) = (item for item in scene.truth.objects if item.class_name == "bowl")
        offset = np.subtract(frame["objects"][0]["center"], bowl.box3d.center)
        assert np.linalg.norm(offset) < 0.03
        assert len(frame["found"]) == 1


@pytest.mark.slow
def test_a_phrase_that_fits_nothing_has_an_empty_result_with_scores(
    images: Path, tmp_path: Path
) -> None:
    results, picture = tmp_path / "found.json", tmp_path / "found.png"
    options = ("--json", results, "--picture", picture)
    text = run_command("find", "the purple elephant", images, *options)
    assert "unknown: elephant" in text
    assert "nothing fits 'the purple elephant': the likeliest is object" in text
    content = json.loads(results.read_text())
    assert content["unknown"] == ["elephant"]
    (frame,) = content["frames"]
    assert frame["found"] == []
    assert all(0 <= each["score"] < 0.5 for each in frame["objects"])
    assert not picture.exists()


def test_bad_phrases_and_sources_are_errors(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "has no words" in error_of(monkeypatch, "find", "?!", images)
    said = error_of(monkeypatch, "find", "the mug", tmp_path / "missing")
    assert "missing: no such bag or folder" in said
    said = error_of(monkeypatch, "find", "the mug", images, "--weights", tmp_path / "no.onnx")
    assert "no.onnx: no such file" in said
