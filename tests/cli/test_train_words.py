"""``cvdl train words`` and ``cvdl evaluate words``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cvdl.datasets.simulated.words import SimulatedWords
from cvdl.language.aligner import Aligner
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
def test_training_writes_what_finds_objects(tmp_path: Path) -> None:
    out = tmp_path / "run"
    options = ("--scenes", 12, "--test", 0.34, "--epochs", 2, "--set", "training.batch_size=4")
    text = run_command("train", "words", "--out", out, *options)
    for words in ("right object: by a relation", "R@1", "cvdl find", "words.onnx"):
        assert words in text
    content = json.loads((out / "results.json").read_text())
    assert (content["frames"], content["sentences"]) == (4, 20)
    assert content["settings"]["training"]["epochs"] == 2
    aligner = Aligner.load(out / "words.onnx")
    assert "left" in aligner.vocabulary.words

    scored = tmp_path / "scored.json"
    text = run_command(
        "evaluate", "words", "--weights", out / "words.onnx", "--scenes", 4, "--json", scored
    )
    assert "alignment of a frame, median" in text
    assert json.loads(scored.read_text())["frames"] == 4


def test_words_need_simulated_scenes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = ("train", "words", "--out", tmp_path / "run")
    assert "coco" in error_of(monkeypatch, *command, "--dataset", "coco", "--data", tmp_path)
    assert "words" in error_of(monkeypatch, *command, "--detector", "hog")
    missing = error_of(monkeypatch, "evaluate", "words", "--weights", tmp_path / "no.onnx")
    assert "no.onnx: no such file" in missing
