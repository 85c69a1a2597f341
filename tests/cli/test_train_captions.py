"""``cvdl train captions`` and ``cvdl evaluate captions``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cvdl.datasets.simulated.words import SimulatedWords
from cvdl.language.captioner import Captioner
from cvdl.language.samples import WordsSample
from helpers.cli import error_of, run_command
from helpers.words import plain_sample

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulated scenes are replaced by ones that need no rendering."""

    def sample(data: SimulatedWords, index: int) -> WordsSample:
        return plain_sample(100 * data.seed + range(len(data))[index])

    monkeypatch.setattr(SimulatedWords, "__getitem__", sample)
    monkeypatch.setattr(SimulatedWords, "keep", lambda data, shown=iter: None)
    monkeypatch.setattr(SimulatedWords, "on_processes", lambda data: map(plain_sample, range(4)))


@pytest.mark.slow
@pytest.mark.usefixtures("plain")
def test_training_writes_what_describes_frames(tmp_path: Path) -> None:
    out = tmp_path / "run"
    options = ("--scenes", 12, "--test", 0.34, "--epochs", 2, "--set", "training.batch_size=4")
    text = run_command("train", "captions", "--out", out, *options, "--set", "cell=rnn")
    for words in ("stated facts that are true", "CIDEr", "cvdl describe", "captions.onnx"):
        assert words in text
    content = json.loads((out / "results.json").read_text())
    assert content["frames"] == 4
    assert content["settings"]["cell"] == "rnn"
    assert "left" in Captioner.load(out / "captions.onnx").vocabulary.words

    scored = tmp_path / "scored.json"
    text = run_command(
        "evaluate", "captions", "--weights", out / "captions.onnx", "--scenes", 4, "--json", scored
    )
    assert "a sentence about a frame, median" in text
    content = json.loads(scored.read_text())
    assert len(content["sentences"]) == 4
    assert content["cider_own"] > 0


def test_captions_need_sentences(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = ("train", "captions", "--out", tmp_path / "run")
    said = error_of(monkeypatch, *command, "--dataset", "photographs", "--data", tmp_path)
    assert "expected one file of sentences" in said
    missing = error_of(monkeypatch, "evaluate", "captions", "--weights", tmp_path / "no.onnx")
    assert "no.onnx: no such file" in missing
