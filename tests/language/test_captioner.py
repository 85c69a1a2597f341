"""The network learns to write what is true, and runs without PyTorch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from cvdl.core.errors import InputError
from cvdl.language.caption_exporting import captioner_of, export_captions
from cvdl.language.caption_network import CaptionNetwork, Cell
from cvdl.language.caption_training import CaptionTask, CaptionTraining
from cvdl.language.captioner import Captioner
from cvdl.language.facts import SceneFacts
from cvdl.language.regions import PAIR_VALUES
from cvdl.language.samples import WordsSample
from cvdl.language.vocabulary import Vocabulary
from cvdl.networks.metadata import WeightsError
from cvdl.training.checkpoint import Run
from cvdl.training.trainer import train_task
from helpers.words import WIDTH, plain_sample

pytestmark = pytest.mark.usefixtures("one_thread")

WORDS = Vocabulary((",", "a", "and", "banana", "box", "in", "is", "left", "mug", "of", "red", "to"))


def network(cell: Cell = "gru", attend: bool = True) -> CaptionNetwork:
    torch.manual_seed(0)
    values = plain_sample(0).regions.values.shape[1]
    return CaptionNetwork(WORDS, WIDTH, values, PAIR_VALUES, "test", cell, attend).eval()


@pytest.mark.parametrize(
    ("cell", "attend"), [("rnn", False), ("rnn", True), ("lstm", True), ("gru", True)]
)
def test_the_exported_network_writes_the_same(cell: Cell, attend: bool, tmp_path: Path) -> None:
    trained = network(cell, attend)
    trained.save(tmp_path / "captions.safetensors", {})
    torches = captioner_of(trained)
    exported = Captioner.load(export_captions(tmp_path / "captions.safetensors"))
    regions = plain_sample(1).regions
    for about in (None, 0):
        ours, theirs = (
            each.write(each.encode(regions), about, width=4, sure=0.0)
            for each in (exported, torches)
        )
        assert [one.words for one in ours] == [one.words for one in theirs]
        assert [one.score for one in ours] == pytest.approx([one.score for one in theirs], abs=1e-4)
        if not attend:
            assert all(set(one.about) <= {len(regions.labels)} for one in ours)


def test_what_is_not_sure_is_not_said() -> None:
    captioner = captioner_of(network())
    regions = captioner.encode(plain_sample(1).regions)
    objects = len(plain_sample(1).regions.labels)

    beliefs = (np.full_like(each, 0.7) for each in (regions.attributes, regions.related))
    doubted = regions._replace(**dict(zip(("attributes", "related"), beliefs, strict=True)))
    for caption in captioner.write(doubted, sure=0.8):
        assert set(caption.about) <= {objects}


def test_files_of_others_are_errors(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no such file"):
        Captioner.load(tmp_path / "captions.onnx")
    network().save(tmp_path / "captions.safetensors", {})
    path = export_captions(tmp_path / "captions.safetensors")
    (tmp_path / "captions.regions.onnx").unlink()
    with pytest.raises(WeightsError, match=r"captions\.regions\.onnx"):
        Captioner.load(path)


def settings(**more: object) -> CaptionTraining:
    base = CaptionTraining()
    loop = base.training.model_copy(update={"batch_size": 16, "learning_rate": 0.006, **more})
    return base.model_copy(update={"training": loop})


@pytest.mark.slow
def test_it_learns_what_is_true_and_how_to_say_it(tmp_path: Path) -> None:
    train = [plain_sample(index) for index in range(64)]
    test = [plain_sample(index) for index in range(1000, 1010)]
    task = CaptionTask(train, test, settings())
    task.model.eval()
    with torch.no_grad():
        before = task.validate()
    trained = train_task(CaptionTask, train, test, settings(epochs=8), Run(tmp_path, False, None))
    task.model.load_state_dict(trained.state_dict())
    with torch.no_grad():
        after = task.validate()
    for name in ("words", "regions", "attributes"):
        assert after[name] > 0.7 * before[name], name  # losses with their sign changed


@pytest.mark.slow
def test_photographs_teach_their_own_sentences(tmp_path: Path) -> None:
    """Words of any language, and more sentences without images."""
    texts = {"mug": ("Eine rote Tasse.", "红色 杯子"), "box": ("A box, I think!", "Une boîte…")}
    samples = []
    for index in range(16):
        plain = plain_sample(index)
        kind = ("mug", "box")[index % 2]
        regions = plain.regions
        regions.features[-1] = 3 * (index % 2)
        nothing = np.zeros_like(plain.truth)
        samples.append(WordsSample(kind, regions, nothing, SceneFacts(()), texts[kind], ()))
    more = tmp_path / "more.txt"
    more.write_text("A box, a box.\n\n???\nEine Tasse.\n", encoding="utf-8")
    chosen = settings(epochs=50).model_copy(
        update={"attend": False, "least": 1, "sentences": str(more)}
    )
    trained = train_task(CaptionTask, samples, [], chosen, Run(tmp_path / "run", False, None))
    captioner = captioner_of(trained)
    for sample in samples[:2]:
        text = captioner.write(captioner.encode(sample.regions))[0].text
        words = {"Eine rote tasse.", "红色 杯子."} if sample.name == "mug" else {
            "A box, i think.", "Une boîte."
        }  # fmt: skip
        assert text in words


def test_nothing_to_train_on_is_an_error() -> None:
    with pytest.raises(InputError, match="nothing to train on"):
        CaptionTask([], [], CaptionTraining())
