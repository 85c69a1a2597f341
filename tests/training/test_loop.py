"""The training loop on models so small that an epoch takes a millisecond."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from io import StringIO
from pathlib import Path

import cv2
import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file
from torch import nn

from cvdl.core.errors import InputError
from cvdl.training.checkpoint import (
    Run,
    TrainingError,
    prepare_run,
    save_checkpoint,
    settle_run,
)
from cvdl.training.history import History
from cvdl.training.loop import TrainingSettings, fit

pytestmark = pytest.mark.usefixtures("one_thread")


class Line:
    """Learns y = 2 x + 1 with a network with everything that draws or keeps a state."""

    def __init__(self, stop_after: int | None = None) -> None:
        torch.manual_seed(5)
        self.model = nn.Sequential(
            nn.Linear(1, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.1), nn.Linear(8, 1)
        )
        self.stop_after = stop_after
        self.epochs: list[int] = []

    def batches(self, epoch, generator):
        if epoch == self.stop_after:
            raise KeyboardInterrupt
        self.epochs.append(epoch)
        x = torch.rand(64, 1, generator=generator)
        return list(zip(x.split(16), (2 * x + 1).split(16), strict=True))

    def loss(self, batch):
        x, y = batch
        square = (self.model(x) - y).square().mean()
        return {"loss": square, "distance": square.sqrt()}

    def validate(self):
        assert not self.model.training
        x = torch.linspace(0, 1, 11)[:, None]
        return {"score": -(self.model(x) - 2 * x - 1).abs().mean().item(), "other": 1.0}


SETTINGS = TrainingSettings(epochs=12, learning_rate=0.02, device="cpu")


def state_of(out: Path) -> dict[str, torch.Tensor]:
    return {**torch.load(out / "last.pt", weights_only=True)["model"]}


def assert_equal(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> None:
    assert a.keys() == b.keys()
    for name in a:
        assert torch.equal(a[name], b[name]), name


def test_without_a_terminal_every_epoch_prints_one_line(tmp_path):
    settings, out = SETTINGS.model_copy(update={"epochs": 4}), tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        fit(Line(stop_after=2), settings, Run(out, console=Console(file=StringIO())))
    text = StringIO()
    fit(Line(), settings, Run(out, resume=True, console=Console(file=text)))
    third, last = text.getvalue().splitlines()
    assert re.fullmatch(r"epoch 3 of 4: loss [\d.]+, score -[\d.]+; about 0:00:0\d left", third)
    assert re.fullmatch(r"epoch 4 of 4: loss [\d.]+, score -[\d.]+", last)


@pytest.mark.slow
def test_training_learns_and_writes_the_documented_files(tmp_path):
    task, out = Line(), tmp_path / "run"
    console = Console(file=open(os.devnull, "w"), force_terminal=True)  # noqa: SIM115
    history = fit(task, SETTINGS.model_copy(update={"epochs": 60}), Run(out, console=console))
    assert history.best_score > -0.15
    assert history.series("train/loss")[-1] < 0.2 * history.series("train/loss")[0]
    assert history.best_score == max(history.series("validation/score"))
    assert set(history.epochs[0]) == {
        "learning_rate",
        "seconds",
        "cpu_seconds",
        "steps",
        "train/loss",
        "train/distance",
        "validation/score",
        "validation/other",
    }
    assert {file.name for file in out.iterdir()} == {
        "best.safetensors",
        "curves.png",
        "history.json",
        "last.pt",
        "run.json",
        "tensorboard",
    }
    content = json.loads((out / "history.json").read_text())
    assert content["best_epoch"] == history.best_epoch
    assert len(content["epochs"]) == 60
    assert cv2.imread(str(out / "curves.png")) is not None
    assert any((out / "tensorboard").iterdir())
    # The model is left as the best epoch had it, ready to use.
    assert not task.model.training
    assert task.validate()["score"] == history.best_score
    assert_equal(load_file(out / "best.safetensors"), task.model.state_dict())


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
@pytest.mark.slow
def test_a_resumed_run_equals_an_uninterrupted_one(optimizer, tmp_path):
    settings = SETTINGS.model_copy(update={"optimizer": optimizer, "clip": 1.0, "warmup": 3})
    straight = fit(Line(), settings, Run(tmp_path / "straight"))
    for stop in (0, 4, 9):
        with pytest.raises(KeyboardInterrupt):
            fit(Line(stop), settings, Run(tmp_path / "killed", resume=stop > 0))
    task = Line()
    resumed = fit(task, settings, Run(tmp_path / "killed", resume=True))
    assert task.epochs == [9, 10, 11]
    assert_equal(state_of(tmp_path / "killed"), state_of(tmp_path / "straight"))
    assert resumed.best_epoch == straight.best_epoch
    for name in ("train/loss", "validation/score", "learning_rate"):
        assert resumed.series(name) == straight.series(name)
    best = [load_file(tmp_path / run / "best.safetensors") for run in ("killed", "straight")]
    assert_equal(*best)
    # A run that is finished is not trained on.
    again = Line()
    assert fit(again, settings, Run(tmp_path / "killed", resume=True)).epochs == resumed.epochs
    assert again.epochs == []
    assert_equal(again.model.state_dict(), best[0])


@pytest.mark.slow
def test_a_killed_run_can_be_resumed(tmp_path):
    """SIGKILL in the middle of an epoch, in another process."""
    script = f"""
import os, signal, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_loop import *
class Killed(Line):
    def loss(self, batch):
        if self.epochs[-1] == 5:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().loss(batch)
torch.set_num_threads(1)
fit(Killed(), SETTINGS, Run(Path(sys.argv[1])))
"""
    killed = subprocess.run([sys.executable, "-c", script, str(tmp_path / "killed")], check=False)
    assert killed.returncode == -9
    task = Line()
    fit(task, SETTINGS, Run(tmp_path / "killed", resume=True))
    assert task.epochs == list(range(5, 12))
    fit(Line(), SETTINGS, Run(tmp_path / "straight"))
    assert_equal(state_of(tmp_path / "killed"), state_of(tmp_path / "straight"))


@pytest.mark.slow
def test_the_seed_determines_the_result_and_the_global_generator_is_untouched(tmp_path):
    states = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        torch.manual_seed(77)
        expected = torch.rand(1)
        task = Line()
        torch.manual_seed(77)
        fit(task, SETTINGS.model_copy(update={"seed": seed}), Run(tmp_path / name))
        assert torch.equal(torch.rand(1), expected)
        states.append(state_of(tmp_path / name))
    assert_equal(states[0], states[1])
    assert not torch.equal(states[0]["0.weight"], states[2]["0.weight"])


def test_training_stops_early_and_keeps_the_best_epoch(tmp_path):
    class Worse(Line):
        scores = iter([0.1, 0.5, 0.3, 0.5, 0.2, 0.9])

        def validate(self):
            return {"score": next(self.scores)}

    history = fit(Worse(), SETTINGS.model_copy(update={"patience": 3}), Run(tmp_path / "run"))
    assert history.series("validation/score") == [0.1, 0.5, 0.3, 0.5, 0.2]
    assert history.waited == 3  # an equal score later is no better,
    assert history.best_epoch == 3  # but of two alike the later one is kept
    content = json.loads((tmp_path / "run" / "history.json").read_text())
    assert content["best_epoch"] == 3
    state = load_file(tmp_path / "run" / "best.safetensors")
    assert not torch.equal(state["0.weight"], state_of(tmp_path / "run")["0.weight"])


class Unscored(Line):
    """The score is undefined, like the average precision of views without boxes."""

    def validate(self):
        return {"score": float("nan"), "other": 1.0}


def test_without_a_score_patience_is_ignored_and_the_last_epoch_is_kept(tmp_path):
    settings = SETTINGS.model_copy(update={"patience": 1, "epochs": 4})
    history = fit(Unscored(), settings, Run(tmp_path / "run"))
    assert (len(history.epochs), history.best_epoch, history.best_score) == (4, 3, None)
    text = (tmp_path / "run" / "history.json").read_text()
    assert "NaN" not in text
    assert cv2.imread(str(tmp_path / "run" / "curves.png")) is not None


@pytest.mark.slow
def test_without_a_score_a_resumed_run_equals_an_uninterrupted_one(tmp_path):
    settings = SETTINGS.model_copy(update={"epochs": 4})
    fit(Unscored(), settings, Run(tmp_path / "straight"))
    with pytest.raises(KeyboardInterrupt):
        fit(Unscored(stop_after=2), settings, Run(tmp_path / "killed"))
    fit(Unscored(), settings, Run(tmp_path / "killed", resume=True))
    assert_equal(*(load_file(tmp_path / n / "best.safetensors") for n in ("straight", "killed")))


@pytest.fixture
def clock(monkeypatch):
    """A list of one number: the CPU time."""
    now = [100.0]
    monkeypatch.setattr("cvdl.training.schedule.process_time", lambda: now[0])
    return now


class Timed(Line):
    """A step takes three seconds of CPU time, a validation many."""

    def __init__(self, clock, stop_after=None):
        super().__init__(stop_after)
        self.clock = clock

    def loss(self, batch):
        self.clock[0] += 3
        return super().loss(batch)

    def validate(self):
        self.clock[0] += 100
        return super().validate()


def test_a_training_takes_its_budget_of_time_also_if_it_is_resumed(clock, tmp_path):
    """Four batches are an epoch of 12 s; a sixth of the minute is less: four steps, cut there."""
    settings = SETTINGS.model_copy(update={"epochs": 6, "cpu_minutes": 1.0})
    with pytest.raises(KeyboardInterrupt):
        fit(Timed(clock, stop_after=3), settings, Run(tmp_path / "run"))
    history = fit(Timed(clock), settings, Run(tmp_path / "run", resume=True))
    assert history.series("cpu_seconds") == [12] * 5
    assert history.series("steps") == [4] * 5
    rates = history.series("learning_rate")
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] < 0.02 * settings.learning_rate  # the cosine is at its end


def test_an_epoch_that_is_longer_than_its_share_is_cut(clock, tmp_path):
    settings = SETTINGS.model_copy(update={"epochs": 12, "cpu_minutes": 1.2})
    history = fit(Timed(clock), settings, Run(tmp_path / "run"))
    assert history.series("steps") == [2] * 12


def test_learning_rate_schedules():
    settings = SETTINGS.model_copy(update={"epochs": 8, "learning_rate": 1.0})
    rates = {
        name: [settings.model_copy(update={"schedule": name}).rate(t) for t in (0, 2, 4, 6, 8)]
        for name in ("constant", "cosine", "step")
    }
    assert rates["constant"] == [1] * 5
    assert rates["cosine"] == pytest.approx([1, 0.854, 0.5, 0.146, 0], abs=1e-3)
    assert rates["step"] == [1, 1, 0.1, 0.01, 0.01]
    rising = settings.model_copy(update={"schedule": "constant", "warmup": 4.0})
    assert [rising.rate(t) for t in (0, 1, 4, 6)] == [0, 0.25, 1, 1]


def test_biases_and_norms_have_no_weight_decay(tmp_path):
    class Still(Line):
        def loss(self, batch):
            return {"loss": sum((some * 0).sum() for some in self.model.parameters())}

    task = Still()
    with torch.no_grad():
        task.model[0].bias.fill_(1)
    before = {name: value.clone() for name, value in task.model.state_dict().items()}
    settings = SETTINGS.model_copy(update={"optimizer": "sgd", "weight_decay": 0.1})
    fit(task, settings, Run(tmp_path / "run"))
    after = state_of(tmp_path / "run")
    assert (after["0.weight"].abs() < before["0.weight"].abs()).all()
    assert torch.equal(after["0.bias"], before["0.bias"])
    assert torch.equal(after["1.weight"], before["1.weight"])


@pytest.mark.parametrize(("computes", "expected"), [(True, torch.bfloat16), (False, torch.float32)])
def test_mixed_precision_and_channels_last(tmp_path, monkeypatch, computes, expected):
    monkeypatch.setattr("cvdl.training.loop.computes_bfloat16", lambda device: computes)

    class Picture:
        def __init__(self):
            torch.manual_seed(0)
            self.model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(144, 1))
            self.seen = set()

        def batches(self, epoch, generator):
            return [{"x": torch.rand(2, 3, 8, 8, generator=generator)} for _ in range(3)]

        def loss(self, batch):
            features = self.model[0](batch["x"])
            self.seen.add(
                (features.dtype, features.is_contiguous(memory_format=torch.channels_last))
            )
            return {"loss": self.model(batch["x"]).float().square().mean()}

        def validate(self):
            return {"score": 0.0}

    task = Picture()
    settings = SETTINGS.model_copy(update={"mixed_precision": True, "epochs": 2})
    history = fit(task, settings, Run(tmp_path / "run"))
    assert task.seen == {(expected, True)}
    assert task.model[0].weight.dtype == torch.float32
    assert history.series("learning_rate") == pytest.approx(
        [settings.rate(2.5 / 3), settings.rate(5.5 / 3)]
    )


def test_other_files_and_runs_are_not_replaced(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    for resume in (False, True):
        with pytest.raises(TrainingError, match="not a training run"):
            fit(Line(), SETTINGS, Run(tmp_path, resume=resume))
    with pytest.raises(TrainingError, match="not a training run"):
        prepare_run(tmp_path, {}, resume=False, overwrite=True)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"
    out = tmp_path / "run"
    fit(Line(), SETTINGS, Run(out))
    with pytest.raises(TrainingError, match="already holds a run; use --resume"):
        fit(Line(), SETTINGS, Run(out))
    with pytest.raises(TrainingError, match=r"started with learning_rate 0.02, not 0.5"):
        fit(Line(), SETTINGS.model_copy(update={"learning_rate": 0.5}), Run(out, resume=True))
    (out / "notes.txt").write_text("thoughts")
    for place in (out / "notes.txt", out / "tensorboard" / "notes.txt", out / "mine.safetensors"):
        (out / "notes.txt").rename(place)
        with pytest.raises(TrainingError, match=rf"{place.name} is not a file of a training run"):
            prepare_run(out, {}, resume=False, overwrite=True)
        place.rename(out / "notes.txt")
    (out / "notes.txt").unlink()
    prepare_run(out, {}, resume=False, overwrite=True)
    assert [file.name for file in out.iterdir()] == ["run.json"]


def test_an_earlier_run_is_restored_if_the_next_one_trains_nothing(tmp_path):
    out = tmp_path / "run"
    fit(Line(), SETTINGS, Run(out))
    before = (out / "best.safetensors").read_bytes()
    prepare_run(out, {"a": 1}, resume=False, overwrite=True)
    assert not settle_run(out)
    assert (out / "best.safetensors").read_bytes() == before
    prepare_run(out, {"a": 1}, resume=False, overwrite=True)
    save_checkpoint(out / "last.pt", {})
    assert settle_run(out)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_run_behind_a_link_is_replaced_where_it_is(tmp_path):
    run, link = tmp_path / "disk" / "run", tmp_path / "link"
    run.mkdir(parents=True)
    link.symlink_to(run)
    fit(Line(), SETTINGS, Run(link))
    prepare_run(link, {"a": 1}, resume=False, overwrite=True)
    save_checkpoint(link / "last.pt", {})
    assert settle_run(link)
    assert link.is_symlink()
    assert sorted(path.name for path in run.iterdir()) == ["last.pt", "run.json"]
    assert [path.name for path in run.parent.iterdir()] == ["run"]


def test_a_run_that_has_trained_nothing_is_replaced(tmp_path):
    prepare_run(tmp_path / "run", {"epochs": 1}, resume=False)
    for resume in (False, True):
        prepare_run(tmp_path / "run", {"epochs": 2}, resume)
    assert json.loads((tmp_path / "run" / "run.json").read_text()) == {"epochs": 2}


def test_invalid_input_raises(tmp_path, monkeypatch):
    class Empty(Line):
        def batches(self, epoch, generator):
            return []

    class Exploding(Line):
        def loss(self, batch):
            return {"loss": super().loss(batch)["loss"] * float("nan")}

    with pytest.raises(TrainingError, match="no batch"):
        fit(Empty(), SETTINGS, Run(tmp_path / "empty"))
    with pytest.raises(TrainingError, match=r"loss is nan in epoch 0: learning_rate 0.02"):
        fit(Exploding(), SETTINGS, Run(tmp_path / "exploding"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match="torch finds no GPU"):
        fit(Line(), SETTINGS.model_copy(update={"device": "cuda"}), Run(tmp_path / "gpu"))
    fit(Line(), SETTINGS, Run(tmp_path / "run"))
    save_checkpoint(tmp_path / "run" / "last.pt", {"model": {}})
    with pytest.raises(TrainingError, match=r"last\.pt: not a checkpoint of this model"):
        fit(Line(), SETTINGS, Run(tmp_path / "run", resume=True))
    for content in (b"", b"garbage", b"junk\n", (tmp_path / "run" / "last.pt").read_bytes()[:900]):
        (tmp_path / "run" / "last.pt").write_bytes(content)
        with pytest.raises(TrainingError, match=r"last\.pt: damaged, or not a checkpoint"):
            fit(Line(), SETTINGS, Run(tmp_path / "run", resume=True))


@pytest.mark.slow
def test_checkpoints_do_not_unpickle_objects(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "exploded"),))

    fit(Line(), SETTINGS, Run(tmp_path / "run"))
    torch.save(Bomb(), tmp_path / "run" / "last.pt")
    with pytest.raises(TrainingError, match="damaged, or not a checkpoint"):
        fit(Line(), SETTINGS, Run(tmp_path / "run", resume=True))
    assert not (tmp_path / "exploded").exists()


def test_an_empty_history_can_be_drawn(tmp_path):
    history = History()
    assert history.best_epoch == -1
    history.draw(tmp_path / "curves.png")
    assert cv2.imread(str(tmp_path / "curves.png")) is not None
