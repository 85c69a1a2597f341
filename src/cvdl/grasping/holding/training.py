"""Training of the chance to hold, on executed grasps."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from torch import Tensor, nn

from cvdl.core.errors import InputError
from cvdl.core.settings import Settings, setting
from cvdl.datasets.dataset import tracked
from cvdl.evaluation.holding import HoldingScores
from cvdl.grasping.holding.augment import disturbed
from cvdl.grasping.holding.network import HoldingNetwork
from cvdl.grasping.holding.samples import HandSample, HandSamples
from cvdl.grasping.holding.views import Views, mirrored
from cvdl.training.loop import TrainingSettings, loop_settings
from cvdl.training.prefetch import Prefetched
from cvdl.training.task import Task
from cvdl.training.trainer import Trainer, train_task

__all__ = ["HoldingTask", "HoldingTraining", "platt", "score_holding", "trainer"]


#: Poses of each object that are published, at most, with the usual settings.
_PUBLISHED = 5
#: Least number of these to calibrate on; with fewer, all poses serve.
_ENOUGH = 200


class HoldingTraining(Settings):
    """Settings of the training of the chance to hold."""

    training: TrainingSettings = loop_settings(
        epochs=16, batch_size=256, learning_rate=2e-3, weight_decay=0.01, warmup=1
    )
    start: Path | None = setting(
        None, "Weights of a trained network to start from; none: from scratch."
    )


class _Batch(NamedTuple):
    maps: Tensor
    values: Tensor
    held: Tensor


class HoldingTask(Task):
    """Trains the network on poses that are disturbed in each epoch and mirrored at random.

    Mirrors change no outcome.
    """

    model: HoldingNetwork
    settings: HoldingTraining

    def build(self, train: Any, console: Console | None) -> HoldingNetwork:
        """A new network, or the one to start from."""
        self._scenes = list(tracked(train, "reading", console))
        self.validation = HandSamples.of(self.validation)
        if not any(len(each.hands) for scene in self._scenes for each in scene):
            raise InputError("nothing to train on: no grasp was executed")
        start = self.settings.start
        return HoldingNetwork.load(start) if start else HoldingNetwork()

    def batches(self, epoch: int, generator: torch.Generator) -> Prefetched[Any]:
        """Draw anew what the hands see, then as in every task."""
        rng = np.random.default_rng([generator.initial_seed(), 1])
        self.samples = HandSamples.of(
            [disturbed(each, rng) for each in scene] for scene in self._scenes
        )
        return super().batches(epoch, generator)

    def batch(self, samples: Sequence[HandSample], rng: np.random.Generator) -> _Batch:
        """Views, mirrored, and what held."""
        maps = np.stack([each.maps for each in samples])
        values = np.stack([each.values for each in samples])
        ways = rng.integers(4, size=len(samples))
        for way in range(1, 4):
            some = ways == way
            views = Views(maps[some].astype(np.float32), values[some])
            maps[some], values[some] = mirrored(views, bool(way & 1), bool(way & 2))
        held = np.array([each.held for each in samples], np.float32)
        return _Batch(torch.from_numpy(maps), torch.from_numpy(values), torch.from_numpy(held))

    def loss(self, batch: _Batch) -> dict[str, Tensor]:
        """The mean log loss."""
        maps = batch.maps.float().contiguous(memory_format=torch.channels_last)
        logits = self.model(maps, batch.values)
        return {"loss": nn.functional.binary_cross_entropy_with_logits(logits.float(), batch.held)}

    def score(self) -> dict[str, float]:
        """Figures of ``HoldingScores``; the score is the log loss, negated."""
        figures = _scores(self.model, self.validation).figures()
        return {"score": -figures["log_loss"], **figures}

    def trained(self) -> HoldingNetwork:
        """The network, calibrated on the likeliest poses of the objects to validate on.

        These are what is published. The best of many predictions are too high on average.
        """
        network = self.model.cpu().to(memory_format=torch.contiguous_format).eval()
        if len(self.validation):
            logits = self.validation.logits(network)
            best = self.validation.likeliest(logits, _PUBLISHED)
            some = best if len(best) >= _ENOUGH else np.arange(len(logits))
            network.calibrate(*platt(logits[some], self.validation.held[some]))
        return network


def platt(logits: NDArray[np.float64], truth: NDArray[np.bool_]) -> tuple[float, float]:
    """Return scale and shift of logits (N,) with the smallest log loss for the truth (N,).

    After Platt 1999 ("Probabilistic outputs for support vector machines"), by Newton's method. His
    targets, a little inside of 0 and 1, keep the result finite for perfect logits.
    """
    positive = truth.sum()
    high, low = (positive + 1) / (positive + 2), 1 / (len(truth) - positive + 2)
    target = np.where(truth, high, low)
    inputs = np.stack([logits, np.ones_like(logits)], axis=1)
    found = np.array([1.0, 0.0])
    for _ in range(50):
        chance = 1 / (1 + np.exp(-np.clip(inputs @ found, -30, 30)))
        slope = inputs.T @ (chance - target)
        curve = (inputs * (chance * (1 - chance))[:, None]).T @ inputs + 1e-6 * np.eye(2)
        step = np.linalg.solve(curve, slope)
        found = found - step * min(1.0, 2.0 / max(float(np.abs(step).max()), 1e-12))
        if np.abs(step).max() < 1e-8:
            break
    return float(found[0]), float(found[1])


def score_holding(network: HoldingNetwork, scenes: Any, console: Console | None) -> HoldingScores:
    """The scores of a trained network on the executed grasps of some scenes."""
    return _scores(network, HandSamples.of(tracked(scenes, "drawing", console)))


def _scores(network: HoldingNetwork, samples: HandSamples) -> HoldingScores:
    chance = 1 / (1 + np.exp(-samples.logits(network)))
    return HoldingScores(chance, samples.held, samples.group, samples.moved)


def trainer() -> Trainer:
    """How the network is trained."""
    return Trainer(HoldingTraining, partial(train_task, HoldingTask))
