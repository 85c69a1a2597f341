"""``cvdl demo``: outputs that can be opened, figures that were measured."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from cvdl.bags import BagError, BagReader
from cvdl.cli.app import app
from cvdl.demo import run_demo
from cvdl.detection import Detections
from cvdl.evaluation.segmentation import DETECTED_F
from cvdl.simulation import simulate_scene
from cvdl.simulation.generate import FRAME_RATE
from cvdl.simulation.shapes import CATEGORIES

SCENES = 3


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.mark.usefixtures("quick_detector")
@pytest.mark.slow
def test_demo_measures_every_scene_against_the_truth(out: Path) -> None:
    steps = []
    result = run_demo(out, SCENES, seed=0, on_progress=lambda *step: steps.append(step))
    assert result.summary.frames == SCENES
    assert len(result.scores) == SCENES
    for score in result.scores:
        assert score.plane_angle_deg < 0.5
        assert score.plane_offset_mm < 5
    assert np.mean([score.segmentation.overlap.f for score in result.scores]) > 0.6
    assert result.detected == sum(
        match.f > DETECTED_F for score in result.scores for match in score.segmentation.matches
    )
    assert result.recognized == 0  # none of the simulated things is called a thing
    assert {name for name, done, expected in steps if done == expected} == {
        "simulating",
        "replaying",
        "comparing with the ground truth",
    }


class KnowsTheTruth:
    """A stand-in for a detector that is always right."""

    classes = CATEGORIES

    def __call__(self, frames, proposals=None):
        (frame,) = frames
        if not frame.stamp_ns:  # the made-up frame of the warm-up
            return [Detections.none()]
        truth = simulate_scene(0, round(frame.stamp_ns * 1e-9 * FRAME_RATE) - 1).truth
        return [
            Detections(
                np.array([item.box2d for item in truth.objects]),
                np.array([CATEGORIES.index(item.class_name) for item in truth.objects]),
                np.ones(len(truth.objects)),
            )
        ]


@pytest.mark.slow
def test_right_classes_are_counted(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cvdl.detection.stage.load_detector", lambda *_: KnowsTheTruth())
    result = run_demo(out, SCENES, seed=0)
    assert 0 < result.recognized == result.detected


@pytest.mark.usefixtures("quick_detector")
@pytest.mark.slow
def test_command_replaces_an_earlier_demo_and_prints_the_paths(out: Path) -> None:
    outcome = CliRunner().invoke(app, ["demo", str(out), "--scenes", str(SCENES)])
    assert outcome.exit_code == 0, outcome.output
    assert "objects with F > 0.75: right class" in outcome.output
    for name in ("scenes", "result", "sheet.png"):
        assert str(out / name) in outcome.output.replace("\n", "")
    assert cv2.imread(str(out / "sheet.png")) is not None
    with BagReader(out / "result") as bag:
        topics = {topic.name for topic in bag.topics}
    assert {"/ground_truth/labels", "/perception/segmentation/labels"} <= topics


@pytest.mark.usefixtures("quick_detector")
def test_demo_does_not_replace_other_files(tmp_path: Path) -> None:
    (tmp_path / "scenes").mkdir()
    (tmp_path / "scenes" / "thesis.txt").write_text("years of work")
    with pytest.raises(BagError, match=r"scenes: it holds thesis\.txt"):
        CliRunner().invoke(app, ["demo", str(tmp_path), "--scenes", "1"], catch_exceptions=False)
    assert (tmp_path / "scenes" / "thesis.txt").read_text() == "years of work"


@pytest.mark.slow
def test_ctrl_c_while_it_replays_ends_it(tmp_path: Path) -> None:
    def impatient(step: str, done: int, expected: int) -> None:
        if step == "replaying" and done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_demo(tmp_path / "demo", 3, seed=0, on_progress=impatient)
