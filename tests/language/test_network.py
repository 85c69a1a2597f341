"""The network learns what phrases are about, and runs without PyTorch."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cvdl.core.errors import InputError
from cvdl.evaluation.words import WordsScores, score_words
from cvdl.language.aligner import Aligner
from cvdl.language.exporting import aligner_of, export_words
from cvdl.language.network import AlignmentNetwork
from cvdl.language.regions import PAIR_VALUES, mirrored
from cvdl.language.training import WordsTask, WordsTraining, score_network
from cvdl.language.vocabulary import Vocabulary
from cvdl.networks.metadata import WeightsError
from cvdl.training.checkpoint import Run
from cvdl.training.trainer import train_task
from helpers.words import WIDTH, plain_sample

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def untrained() -> AlignmentNetwork:
    torch.manual_seed(0)
    sample = plain_sample(0)
    values = sample.regions.values.shape[1]
    words = Vocabulary(("banana", "box", "mug", "red", "the"))
    return AlignmentNetwork(words, WIDTH, values, PAIR_VALUES, "test").eval()


def test_words_behind_the_end_change_nothing(untrained: AlignmentNetwork) -> None:
    words = torch.tensor([[1, 2, 3, 0], [4, 5, 1, 2]])
    together = untrained.words(words, [3, 4])
    alone = untrained.words(words[:1, :3])
    for one, other in zip(alone, together, strict=True):
        shape = one.shape[1:]
        np.testing.assert_allclose(
            one[0].detach(), other[0][tuple(map(slice, shape))].detach(), atol=1e-5
        )
    assert not together[0][0, 3].any()


def test_the_exported_network_gives_the_same_scores(
    untrained: AlignmentNetwork, tmp_path: Path
) -> None:
    untrained.save(tmp_path / "words.safetensors", {})
    torches = aligner_of(untrained)
    exported = Aligner.load(export_words(tmp_path / "words.safetensors"))
    assert exported.vocabulary == untrained.vocabulary
    for index in range(3):
        regions = plain_sample(index).regions
        for phrase in ("the red mug", "banana", "an unknown thing left of the box"):
            labels = regions.labels.tolist()
            (ours, our_score, our_spans), (theirs, their_score, their_spans) = (
                (
                    each.find(each.read(phrase), each.place(regions), labels),
                    each.score(each.read(phrase), each.place(regions)),
                    each.align(each.read(phrase), each.place(regions)),
                )
                for each in (exported, torches)
            )
            assert [one.label for one in ours] == [one.label for one in theirs]
            assert [one.score for one in ours] == pytest.approx(
                [one.score for one in theirs], abs=1e-4
            )
            assert our_score == pytest.approx(their_score, abs=1e-3)
            assert our_spans == their_spans


def test_phrases_without_words_and_files_of_others_are_errors(
    untrained: AlignmentNetwork, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="has no words"):
        aligner_of(untrained).read("?!")
    with pytest.raises(WeightsError, match="no such file"):
        Aligner.load(tmp_path / "words.onnx")
    untrained.save(tmp_path / "words.safetensors", {})
    path = export_words(tmp_path / "words.safetensors")
    (tmp_path / "words.regions.onnx").unlink()
    with pytest.raises(WeightsError, match=r"words\.regions\.onnx"):
        Aligner.load(path)


def test_mirrored_twice_is_as_before() -> None:
    regions = plain_sample(3).regions
    once = mirrored(regions)
    np.testing.assert_allclose(once.pairs[0, 1, 0], -regions.pairs[0, 1, 0])
    assert not np.allclose(once.values, regions.values)
    for one, other in zip(
        (mirrored(once).values, mirrored(once).pairs), (regions.values, regions.pairs), strict=True
    ):
        np.testing.assert_allclose(one, other)


@pytest.mark.slow
def test_it_learns_kinds_colors_and_relations(tmp_path: Path) -> None:
    settings = WordsTraining()
    settings = settings.model_copy(
        update={
            "training": settings.training.model_copy(
                update={"epochs": 12, "batch_size": 16, "learning_rate": 0.005}
            )
        }
    )
    train = [plain_sample(index) for index in range(96)]
    network = train_task(WordsTask, train, [], settings, Run(tmp_path / "run", False, None))
    test = [plain_sample(index) for index in range(1000, 1040)]
    figures = score_network(network, test).figures()
    assert figures["kind"] > 0.9
    assert figures["attribute"] > 0.7
    assert figures["relation"] > 0.5
    assert figures["absent"] > 0.7
    assert figures["absent_anchor"] > 0.6
    assert figures["frame_r1"] > 0.1  # of 40; there are nine kinds of objects


def test_scores_count_what_is_missing(untrained: AlignmentNetwork) -> None:
    sample = plain_sample(1)
    lost = replace(sample, truth=np.zeros_like(sample.truth))
    scores = score_words(aligner_of(untrained), [lost])
    named = ~np.isin(scores.names, ["absent", "absent anchor"])
    assert not scores.right[named].any()
    assert not scores.there[named].any()
    both = WordsScores.joined([scores, scores])
    assert both.scores.shape == (2, 2 * len(lost.sentences))
    assert both.figures()["frame_r1"] == 1  # each fold has one frame
