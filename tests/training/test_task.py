"""Every sample is used, and arrays of several sizes become one batch."""

import numpy as np
import pytest
import torch

from cvdl.training.loop import TrainingSettings
from cvdl.training.task import Task, padded


class Plain(Task):
    """Batches are lists of samples."""

    class Settings:
        training = TrainingSettings(batch_size=4)

    def __init__(self, samples, validation=(), steps=None):
        self.steps = steps
        super().__init__(samples, validation, self.Settings())

    def build(self, train, console):
        return torch.nn.Linear(1, 1)

    def batch(self, samples, rng):
        return samples

    def loss(self, batch):
        return {}

    def score(self):
        return {"score": 1.0}


def test_an_epoch_uses_every_sample_once_in_batches_of_nearly_equal_size():
    task = Plain([f"sample {number}" for number in range(9)])
    batches = list(task.batches(0, torch.Generator().manual_seed(1)))
    assert sorted(map(len, batches)) == [3, 3, 3]
    assert sorted(sample for batch in batches for sample in batch) == task.samples
    assert batches == list(task.batches(0, torch.Generator().manual_seed(1)))
    assert batches != list(task.batches(0, torch.Generator().manual_seed(2)))


@pytest.mark.parametrize(("samples", "steps"), [(7, 5), (20, 5), (1, 3)])
def test_no_sample_repeats_before_all_have_been_used(samples, steps):
    picks = Plain(range(samples), steps=steps).picks(np.random.default_rng(0))
    assert [len(some) for some in picks] == [4] * steps
    order = np.concatenate(picks)
    for start in range(0, len(order), samples):
        turn = order[start : start + samples]
        assert len(set(turn)) == len(turn)
        assert set(turn) <= set(range(samples))


def test_the_order_is_random_and_the_same_for_the_same_seed():
    task = Plain(range(50), steps=25)
    first, again, other = (np.concatenate(task.picks(np.random.default_rng(s))) for s in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert (first[:50] != first[50:]).any()


def test_without_validation_samples_there_are_no_metrics():
    assert Plain(["a"]).validate() == {}
    assert Plain(["a"], ["b"]).validate() == {"score": 1.0}


def test_smaller_arrays_are_padded_at_the_end():
    batch = padded([np.ones((2, 3), np.uint8), np.full((1, 4), 2, np.uint8)], 7)
    assert batch.dtype == torch.uint8
    assert batch.tolist() == [[[1, 1, 1, 7], [1, 1, 1, 7]], [[2, 2, 2, 2], [7, 7, 7, 7]]]
    rows = padded([torch.zeros(0, 2), torch.zeros(0, 2)], (5, 6))
    assert rows.tolist() == [[[5, 6]], [[5, 6]]]
