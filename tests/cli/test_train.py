"""``cvdl train grasp`` and ``cvdl evaluate grasp`` with a detector that trains in no time."""

from __future__ import annotations

import json
from dataclasses import replace
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
from cvdl.datasets.cornell import CornellDataset
from cvdl.datasets.registry import DATASETS, DatasetInfo
from cvdl.datasets.simulated.scenes import SimulatedDataset
from cvdl.exporting.networks import NETWORKS
from cvdl.grasping import GRASP_DETECTORS
from cvdl.grasping.rectangles import GraspRectangles
from cvdl.networks.weights import load_weights, save_weights
from cvdl.training.loop import TrainingSettings, fit
from cvdl.training.trainer import Trainer
from helpers.cli import error_of, run_command

pytestmark = pytest.mark.usefixtures("one_thread")

VIEWS = 6


class TinyTraining(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    training: TrainingSettings = TrainingSettings(epochs=30, learning_rate=0.1, batch_size=2)


class TinyDetector(nn.Module):
    """Finds the dark spot and learns one size for all rectangles; their scores, from the size."""

    def __init__(self) -> None:
        super().__init__()
        self.size = nn.Parameter(torch.tensor([3.0, 3.0]))

    def __call__(self, frame, mask=None, count=100):
        rows, cols = np.nonzero(frame.color[..., 0] < 50)
        opening, plate = self.size.detach().exp().tolist()
        return GraspRectangles([[cols.mean(), rows.mean()]], [0.0], [opening], [plate], [0.8])

    def judge(self, frame, some):
        opening = float(self.size.detach()[0].exp())
        return 1 / (1 + np.abs(some.opening - opening) / opening)

    def save(self, path, metadata):
        save_weights(path, self.state_dict(), {"model": "tiny", **metadata})


class TinyTask:
    stop_after: ClassVar[int | None] = None

    def __init__(self, train, validation, settings) -> None:
        self.model = TinyDetector()
        self.train, self.validation, self.settings = list(train), list(validation), settings

    def batches(self, epoch, generator):
        if epoch == self.stop_after:
            raise KeyboardInterrupt
        order = torch.randperm(len(self.train), generator=generator)
        goods = [self.train[index].good for index in order]
        sizes = torch.tensor([[good.opening[0], good.plate[0]] for good in goods])
        return list(sizes.float().split(self.settings.training.batch_size))

    def loss(self, batch):
        return {"loss": (self.model.size - batch.log()).square().mean()}

    def validate(self):
        size = self.model.size.detach().exp().numpy()
        errors = [abs(size[0] - sample.good.opening[0]) for sample in self.validation]
        return {"score": -float(np.mean(errors))}


def train_tiny(train, validation, settings, run):
    task = TinyTask(train, validation, settings)
    fit(task, settings.training, run)
    return task.model


TINY = replace(GRASP_DETECTORS["cascade"], loader=lambda *_: TinyDetector(), exported=None)


@pytest.fixture(autouse=True)
def tiny(register, monkeypatch):
    monkeypatch.delitem(NETWORKS, "cascade")  # it cannot be exported
    trainer = Trainer(TinyTraining, train_tiny)
    register(GRASP_DETECTORS, replace(GRASP_DETECTORS["cascade"], trainer=lambda: trainer))


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """Six views in Cornell's layout, without depth: a dark box on a light table, good across it."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    for number in range(900, 900 + VIEWS):
        u, v = rng.integers(200, 400, 2)
        color = np.full((480, 640, 3), 220, np.uint8)
        color[v - 10 : v + 10, u - 20 : u + 20] = 20
        base = folder / f"pcd0{number}"
        cv2.imwrite(f"{base}r.png", color)
        cv2.imwrite(f"{base}d.tiff", np.zeros((480, 640), np.float32))
        for name, half in (("cpos", 30), ("cneg", 90)):
            corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * (half, 12) + (u, v)
            Path(f"{base}{name}.txt").write_text("\n".join(f"{x} {y}" for x, y in corners))
    return folder


def run(*args: object, command: str = "train") -> str:
    return run_command(command, "grasp", *args)


def results(out: Path) -> dict:
    content = json.loads((out / "results.json").read_text())
    for view in content["results"]:
        del view["latency_ms"]
    del content["latency_ms"]
    return content


@pytest.mark.slow
def test_folds(data, tmp_path):
    out = tmp_path / "run"
    text = run("--data", data, "--out", out, "--folds", 3)
    assert "mean of folds" in text
    content = results(out)
    assert content["views"] == VIEWS
    assert sorted(view["name"] for view in content["results"]) == [
        f"pcd0{number}" for number in range(900, 900 + VIEWS)
    ]
    assert content["top1"]["0.50"] == 1
    assert content["folds"]["top1@0.50"] == {
        "mean": 1.0,
        "deviation": 0.0,
        "pooled": 1.0,
        "folds": [1.0] * 3,
    }
    assert content["recognition"]["accuracy"] == 1
    assert content["recognition"]["count"] == 2 * VIEWS
    assert content["settings"]["training"]["epochs"] == 30
    assert content["by"] == "object"
    for name in ("sheet.png", "curves.png"):
        assert cv2.imread(str(out / name)) is not None
    for number in (1, 2, 3):
        state, metadata = load_weights(out / f"fold{number}" / "cascade.safetensors", "tiny")
        assert state["size"].exp().tolist() == pytest.approx([60, 24], rel=0.05)
        assert metadata["test/top1@0.25"] == "1.0000"
        assert metadata["data"] == str(data)
        assert (out / f"fold{number}" / "training" / "curves.png").is_file()


@pytest.mark.slow
def test_one_split_and_options(data, tmp_path):
    out = tmp_path / "run"
    options = ["--test", 0.4, "--by", "image", "--epochs", 2, "--seed", 4]
    run("--data", data, "--out", out, *options, "--set", "training.learning_rate=0.5")
    content = results(out)
    assert content["views"] == 2
    assert content["folds"] == {}
    settings = content["settings"]["training"]
    assert (settings["epochs"], settings["learning_rate"], settings["seed"]) == (2, 0.5, 4)
    run("--data", data, "--out", tmp_path / "all", "--test", 0)
    assert not (tmp_path / "all" / "results.json").exists()  # nothing was left to test on
    _, metadata = load_weights(tmp_path / "all" / "cascade.safetensors", "tiny")
    assert metadata["train_views"] == "5"


@pytest.mark.slow
def test_extra_views_are_trained_on_and_never_tested_on(data, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    for file in data.glob("pcd0900*"):
        (other / file.name.replace("900", "950")).write_bytes(file.read_bytes())
    out = tmp_path / "run"
    run("--data", data, "--out", out, "--folds", 2, "--extra", f"cornell={other}", "--epochs", 1)
    assert "pcd0950" not in {view["name"] for view in results(out)["results"]}
    _, metadata = load_weights(out / "fold1" / "cascade.safetensors", "tiny")
    assert (metadata["train_views"], metadata["test_views"]) == ("3", "3")


@pytest.mark.slow
def test_simulated_scenes_are_trained_on(data, tmp_path, monkeypatch):
    class Simulated(SimulatedDataset):
        """What the simulation gives, without the time it takes."""

        _labeled = None

        def __init__(self, seed, count):
            assert seed == 8  # not the seed of scenes to test on
            super().__init__(seed, count)

        def on_processes(self):
            sample = CornellDataset(data)[0]
            return (replace(sample, name=name) for name in self.names)

    monkeypatch.setattr("cvdl.datasets.simulated.scenes.SimulatedGrasps", Simulated)
    options = ["--test", 0.2, "--simulated", 3, "--seed", 7, "--epochs", 1]
    run("--data", data, "--out", tmp_path / "run", *options)
    _, metadata = load_weights(tmp_path / "run" / "cascade.safetensors", "tiny")
    assert (metadata["train_views"], metadata["simulated"]) == ("7", "3")


@pytest.mark.slow
def test_resumed_equals_uninterrupted(data, tmp_path, monkeypatch):
    def command(name, *more):
        return ["--data", data, "--out", tmp_path / name, "--folds", 2, *more]

    run(*command("straight"))
    monkeypatch.setattr(TinyTask, "stop_after", 12)
    stopped = CliRunner().invoke(app, ["train", "grasp", *map(str, command("killed"))])
    assert stopped.exit_code == 130
    assert "with --resume continues" in stopped.stderr
    monkeypatch.setattr(TinyTask, "stop_after", None)
    run(*command("killed", "--resume"))
    assert results(tmp_path / "killed") == results(tmp_path / "straight")
    killed, straight = (
        load_weights(tmp_path / name / "fold1" / "cascade.safetensors", "tiny")[0]["size"]
        for name in ("killed", "straight")
    )
    assert torch.equal(killed, straight)


@pytest.mark.slow
def test_an_earlier_run_is_kept_or_overwritten(data, tmp_path):
    args = ["--data", data, "--out", tmp_path / "run", "--test", 0.2, "--epochs", 1]
    run(*args)
    with pytest.raises(ValueError, match="already holds a run"):
        run(*args)
    with pytest.raises(ValueError, match="it was started with by 'object', not 'image'"):
        run(*args, "--by", "image", "--resume")
    run(*args, "--overwrite", "--by", "image")
    assert results(tmp_path / "run")["by"] == "image"


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ([], "--data is missing; expected the folder of cornell"),
        (["--data", "nowhere"], "nowhere: no such folder"),
        (["--data", "{data}", "--folds", "7"], "7 folds of 6 objects"),
        (["--data", "{data}", "--set", "training.speed=3"], "training.speed"),
        (["--data", "{data}", "--set", "training.epochs=none"], "training.epochs is 'none'"),
        (["--data", "{data}", "--extra", "cornell={data}"], "pcd0900 is also in the test data"),
        (["--data", "{data}", "--extra", "{data}"], "expected DATASET=DIR"),
        (["--data", "{data}", "--extra", "osd={data}"], "data set is 'osd'; accepted: cornell,"),
        (
            ["--data", "{data}", "--extra", "simulated_world={data}"],
            "expected simulated_world=SCENES, such as simulated_world=500",
        ),
        (["--data", "{data}", "--dataset", "simulated"], "simulated scenes are generated"),
    ],
)
def test_bad_input_is_an_error_in_one_line(args, words, data, tmp_path, monkeypatch):
    options = ["--out", f"{tmp_path}/run", *(arg.format(data=data) for arg in args)]
    assert words in error_of(monkeypatch, "train", "grasp", *options)
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_evaluate(data, tmp_path, register):
    asked = []

    def load(*args):
        asked.append(args)
        detector = TinyDetector()
        with torch.no_grad():
            detector.size.copy_(torch.tensor([60.0, 12.0]).log())  # a plate of half its size
        return detector

    register(GRASP_DETECTORS, replace(GRASP_DETECTORS["cascade"], loader=load, exported=None))
    paths = {"--json": "new/out.json", "--sheet": "new/sheet.png", "--curves": "new/curves.png"}
    outputs = [part for option, name in paths.items() for part in (option, tmp_path / name)]
    text = run("--data", data, *outputs, "--worst", 2, command="evaluate")
    assert len(asked) == 1
    for words in ("top-1, Jaccard > 0.25", "100.0 %", "recognition: accuracy", "out.json"):
        assert words in text.replace("\n", "")
    content = json.loads((tmp_path / "new/out.json").read_text())
    assert content["views"] == VIEWS
    assert content["data"] == str(data)
    assert content["top1"] == {"0.25": 1, "0.30": 1, "0.40": 1, "0.50": 0}
    assert content["results"][0]["overlap"] == pytest.approx(0.5, abs=0.03)
    assert cv2.imread(str(tmp_path / "new/sheet.png")).shape[1] == 2 * 364 + 4
    assert cv2.imread(str(tmp_path / "new/curves.png")) is not None
    with pytest.raises(ValueError, match=r"out\.json already exists; use --overwrite"):
        run("--data", data, *outputs, command="evaluate")
    run("--data", data, *outputs, "--overwrite", command="evaluate")


@pytest.mark.parametrize(
    ("options", "is_noted"),
    [
        ((), True),
        (("--dataset", "cornell_rgb"), True),
        (("--weights", "mine.safetensors"), False),
        (("--dataset", "jacquard"), False),
    ],
)
def test_scores_on_the_training_data_of_the_packaged_weights_come_with_a_note(
    data, register, options, is_noted
):
    register(GRASP_DETECTORS, TINY)
    for name in ("cornell_rgb", "jacquard"):
        register(DATASETS, DatasetInfo(name, "Another reader.", grasps=CornellDataset))
    command = ["evaluate", "grasp", "--data", str(data), *options]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    note = "The package's weights were trained on cornell and cornell_rgb"
    assert (note in " ".join(result.stderr.split())) == is_noted
    assert "have learned" not in result.stdout


def test_evaluate_needs_labels(data, tmp_path, register):
    register(GRASP_DETECTORS, TINY)
    for kind in ("r.png", "d.tiff"):
        (tmp_path / f"pcd0900{kind}").write_bytes((data / f"pcd0900{kind}").read_bytes())
    with pytest.raises(ValueError, match="no view has a good rectangle"):
        run("--data", tmp_path, command="evaluate")
