"""``cvdl train detector`` with a detector that trains in no time."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np
import pytest
import torch
from pydantic import BaseModel, ConfigDict
from torch import nn
from typer.testing import CliRunner

from cvdl.cli.app import app
from cvdl.cli.problems import DETECTION
from cvdl.datasets.coco import CocoDataset
from cvdl.datasets.simulated.scenes import SimulatedDataset
from cvdl.detection import DETECTORS
from cvdl.detection.detections import Detections
from cvdl.exporting.networks import NETWORKS
from cvdl.networks.weights import load_weights, save_weights
from cvdl.training.loop import TrainingSettings, fit
from cvdl.training.trainer import Trainer
from helpers.cli import error_of, run_command
from helpers.datasets import write_coco

pytestmark = pytest.mark.usefixtures("one_thread")

VIEWS = 6
SIDE = 40  # of the things, pixels


class TinyTraining(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    training: TrainingSettings = TrainingSettings(epochs=30, learning_rate=0.1, batch_size=2)


class TinyDetector(nn.Module):
    """Finds the dark spot, takes it for the first class and learns its size."""

    def __init__(self, classes) -> None:
        super().__init__()
        self.classes = classes
        self.side = nn.Parameter(torch.tensor(3.0))

    def __call__(self, frames, proposals=None):
        side = float(self.side.detach().exp())
        found = []
        for frame in frames:
            rows, columns = np.nonzero(frame.color[..., 0] < 50)
            middle = np.array([columns.mean() + 0.5, rows.mean() + 0.5])
            box = np.concatenate([middle - side / 2, middle + side / 2])[None]
            found.append(Detections(box, np.zeros(1, np.int64), np.array([0.8])))
        return found

    def save(self, path, metadata):
        save_weights(path, self.state_dict(), {"model": "tiny", **metadata})


class TinyTask:
    stop_after: ClassVar[int | None] = None

    def __init__(self, train, settings) -> None:
        self.model = TinyDetector(train.classes)
        self.train, self.settings = train, settings

    def batches(self, epoch, generator):
        if epoch == self.stop_after:
            raise KeyboardInterrupt
        order = torch.randperm(len(self.train), generator=generator)
        sides = [np.ptp(self.train[int(index)].boxes[0, ::2]) for index in order]
        return list(torch.tensor(sides).float().split(self.settings.training.batch_size))

    def loss(self, batch):
        return {"loss": (self.model.side - batch.log()).square().mean()}

    def validate(self):
        return {"score": 0.0}


def train_tiny(train, validation, settings, run):
    task = TinyTask(train, settings)
    fit(task, settings.training, run)
    return task.model


@pytest.fixture(autouse=True)
def tiny(register, monkeypatch):
    monkeypatch.delitem(NETWORKS, "rgbd_rcnn")  # it cannot be exported
    trainer = Trainer(TinyTraining, train_tiny)
    register(DETECTORS, replace(DETECTORS["rgbd_rcnn"], trainer=lambda: trainer))


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """Views in COCO's format: a dark square on a light table; in the last one, a mug."""
    rng = np.random.default_rng(0)
    images = {}
    for number in range(VIEWS):
        u, v = rng.integers(50, 100, 2).tolist()
        color = np.full((160, 200, 3), 220, np.uint8)
        color[v : v + SIDE, u : u + SIDE] = 20
        images[f"view{number}"] = (color, [(int(number == VIEWS - 1), (u, v, SIDE, SIDE))])
    return write_coco(tmp_path_factory.mktemp("data"), ("box", "mug"), images)


run = partial(run_command, "train", "detector")


def results(out: Path) -> dict:
    return json.loads((out / "results.json").read_text())


@pytest.mark.slow
def test_folds(data, tmp_path):
    out = tmp_path / "run"
    text = run("--data", data, "--out", out, "--folds", 3)
    assert "mean of folds" in text
    content = results(out)
    assert (content["images"], content["boxes"]) == (VIEWS, VIEWS)
    assert content["classes"]["box"]["boxes"] == VIEWS - 1
    assert content["classes"]["mug"] == {"boxes": 1, "ap50": 0.0, "ap": 0.0}
    # All boxes fit; one is a mug that is taken for a box.
    assert content["confusion"] == [[VIEWS - 1, 0, 0], [1, 0, 0], [0, 0, 0]]
    assert len(content["folds"]["ap50"]["folds"]) == 3
    assert content["settings"]["training"]["epochs"] == 30
    for name in ("sheet.png", "curves.png", "confusion.png"):
        assert cv2.imread(str(out / name)) is not None
    for number in (1, 2, 3):
        state, metadata = load_weights(out / f"fold{number}" / "rgbd_rcnn.safetensors", "tiny")
        assert float(state["side"].exp()) == pytest.approx(SIDE, rel=0.05)
        assert (metadata["train_views"], metadata["test_views"]) == ("3", "2")
        assert 0 <= float(metadata["test/ap50"]) <= 1
        assert metadata["data"] == str(data)
        assert (out / f"fold{number}" / "training" / "curves.png").is_file()


@pytest.mark.slow
def test_one_split_and_options(data, tmp_path):
    out = tmp_path / "run"
    options = ["--test", 0.4, "--epochs", 2, "--seed", 4, "--set", "training.learning_rate=0.5"]
    run("--data", data / "annotations.json", "--out", out, *options)
    content = results(out)
    assert content["images"] == 2
    assert content["folds"] == {}
    settings = content["settings"]["training"]
    assert (settings["epochs"], settings["learning_rate"], settings["seed"]) == (2, 0.5, 4)
    run("--data", data, "--out", tmp_path / "all", "--test", 0)
    assert not (tmp_path / "all" / "results.json").exists()  # nothing was left to test on
    _, metadata = load_weights(tmp_path / "all" / "rgbd_rcnn.safetensors", "tiny")
    assert metadata["train_views"] == "5"


@pytest.mark.slow
def test_resumed_equals_uninterrupted(data, tmp_path, monkeypatch):
    def command(name, *more):
        return ["--data", data, "--out", tmp_path / name, "--folds", 2, *more]

    run(*command("straight"))
    monkeypatch.setattr(TinyTask, "stop_after", 12)
    stopped = CliRunner().invoke(app, ["train", "detector", *map(str, command("killed"))])
    assert stopped.exit_code == 130
    assert "with --resume continues" in stopped.stderr
    monkeypatch.setattr(TinyTask, "stop_after", None)
    run(*command("killed", "--resume"))
    assert results(tmp_path / "killed") == results(tmp_path / "straight")
    killed, straight = (
        load_weights(tmp_path / name / "fold1" / "rgbd_rcnn.safetensors", "tiny")[0]["side"]
        for name in ("killed", "straight")
    )
    assert torch.equal(killed, straight)


@pytest.mark.slow
def test_simulated_scenes_are_made_once(data, tmp_path, monkeypatch):
    class Simulated(SimulatedDataset):
        """What the simulation gives, without the time it takes."""

        classes = CocoDataset(data).classes
        _labeled = None  # were a scene made once more, this would be called

        def __init__(self, seed, count):
            assert (seed, count) == (7, VIEWS)
            super().__init__(seed, count)

        def on_processes(self):
            return map(lambda view, name: replace(view, name=name), CocoDataset(data), self.names)

    monkeypatch.setattr("cvdl.datasets.simulated.scenes.SimulatedDetection", Simulated)
    options = ["--dataset", "simulated", "--scenes", VIEWS, "--seed", 7, "--epochs", 1]
    run("--out", tmp_path / "run", *options, "--test", 0.4)
    assert results(tmp_path / "run")["images"] == 2


@pytest.mark.slow
def test_a_run_can_be_resumed_on_another_device(data, tmp_path):
    args = ["--data", data, "--out", tmp_path / "run", "--test", 0.2, "--epochs", 1]
    run(*args)
    run(*args, "--resume", "--device", "cpu")


@pytest.mark.slow
def test_an_earlier_run_outlives_one_that_cannot_start(data, tmp_path, monkeypatch):
    args = ["--data", data, "--out", tmp_path / "run", "--test", 0.2, "--epochs", 1]
    run(*args)
    before = (tmp_path / "run" / "rgbd_rcnn.safetensors").read_bytes()
    monkeypatch.setattr(TinyTask, "stop_after", 0)
    stopped = CliRunner().invoke(
        app, ["train", "detector", *map(str, args), "--seed", "1", "--overwrite"]
    )
    assert stopped.exit_code == 130
    assert "interrupted: nothing is trained yet" in stopped.stderr
    assert (tmp_path / "run" / "rgbd_rcnn.safetensors").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_after_a_start_that_failed_the_folder_is_free(data, tmp_path, monkeypatch):
    args = ["--data", data, "--out", tmp_path / "run", "--test", 0.2, "--epochs", 1]
    monkeypatch.setattr(TinyTask, "stop_after", 0)
    assert CliRunner().invoke(app, ["train", "detector", *map(str, args)]).exit_code == 130
    monkeypatch.setattr(TinyTask, "stop_after", None)
    run(*args, "--seed", 1)


@pytest.mark.parametrize("option", ["--epochs", "--device"])
def test_an_option_that_means_nothing_to_a_trainer_is_named(data, tmp_path, option):
    args = ["--data", data, "--out", tmp_path / "run", "--detector", "hog"]
    with pytest.raises(ValueError, match=f"{option} does not apply: this model"):
        run(*args, option, 2 if option == "--epochs" else "cpu")


@pytest.mark.slow
def test_an_earlier_run_is_kept_or_overwritten(data, tmp_path):
    args = ["--data", data, "--out", tmp_path / "run", "--test", 0.2, "--epochs", 1]
    run(*args)
    with pytest.raises(ValueError, match="already holds a run"):
        run(*args)
    with pytest.raises(ValueError, match="it was started with seed 0, not 1"):
        run(*args, "--seed", 1, "--resume")
    run(*args, "--overwrite")


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ([], "--data is missing; expected the folder of coco"),
        (["--data", "nowhere"], "nowhere: no such folder"),
        (["--data", "{data}", "--dataset", "simulated"], "are generated: give"),
        (["--data", "{data}", "--detector", "onnx"], "detector is 'onnx'; accepted: rgbd_rcnn, "),
        (["--data", "{data}", "--folds", "9"], "9 folds of 6 views"),
        (["--data", "{data}", "--set", "training.momentum=2"], "momentum is 2"),
    ],
)
def test_bad_input_is_an_error_in_one_line(args, words, data, tmp_path, monkeypatch):
    options = ["--out", tmp_path / "run", *(arg.format(data=data) for arg in args)]
    assert words in error_of(monkeypatch, "train", "detector", *options)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", DETECTION.trainable)
def test_every_trainer_can_be_loaded(name):
    trainer = DETECTION.trainer(name)
    assert trainer.settings()
    assert callable(trainer.train)
