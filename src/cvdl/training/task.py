"""What the training loop trains: a model, its samples, its loss and its validation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from cvdl.training.prefetch import Prefetched

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Task", "padded"]


class Task(ABC):
    """A model with everything that its training needs.

    A thread makes the next batch while the model learns from the current one. The thread draws
    from a generator of its own and ``loss`` from torch's default generator; the loop seeds both
    anew for each epoch.

    Args:
        train: labeled samples.
        validation: labeled samples; may be empty.
        settings: settings of this training; ``settings.training`` is a ``TrainingSettings``.
        console: where progress is shown; None: nowhere.

    Attributes:
        model: the model, trained in place.
        samples: what ``batch`` takes, indexed when a batch needs it; ``train`` by default.
        steps: batches per epoch; None: every sample once.
    """

    model: Any
    settings: Any
    steps: int | None = None

    def __init__(
        self, train: Any, validation: Any, settings: Any, console: Console | None = None
    ) -> None:
        self.samples, self.validation, self.settings = train, validation, settings
        self.model = self.build(train, console)

    @abstractmethod
    def build(self, train: Any, console: Console | None) -> nn.Module:
        """Create the model to train and set ``samples`` as ``batch`` needs them.

        Raises:
            InputError: if there is nothing to train on or a file cannot be used.
        """

    @abstractmethod
    def batch(self, samples: Sequence[Any], rng: np.random.Generator) -> Any:
        """A batch of samples: a tensor, or tuples, lists and dicts of tensors, on the CPU.

        None if there is nothing to learn from these samples.
        """

    @abstractmethod
    def loss(self, batch: Any) -> dict[str, Tensor]:
        """The losses of a batch on the model's device, scalars: ``loss`` is minimized.

        The model is in training mode.
        """

    @abstractmethod
    def score(self) -> dict[str, float]:
        """Metrics on the validation samples; ``score`` decides, higher is better.

        Undefined metrics are NaN or missing. The model is in evaluation mode, without gradients.
        """

    def picks(self, rng: np.random.Generator) -> Sequence[NDArray[np.int64]]:
        """Indices of the samples in each batch of an epoch, in random order.

        With ``steps``, no sample repeats before all have been used. Without, every sample is used
        once, in batches of nearly equal size.
        """
        count, size = len(self.samples), self.settings.training.batch_size
        if self.steps is None:
            return np.array_split(rng.permutation(count), max(-(-count // size), 1))
        wanted = self.steps * size
        order = np.concatenate([rng.permutation(count) for _ in range(-(-wanted // count))])
        return np.split(order[:wanted], self.steps)

    def batches(self, epoch: int, generator: torch.Generator) -> Prefetched[Any]:
        """The batches of an epoch, counted from 0.

        The generator's seed determines the order of the samples and their augmentation.
        """
        rng = np.random.default_rng(generator.initial_seed())
        picks = self.picks(rng)
        return Prefetched(
            lambda step: self.batch([self.samples[int(pick)] for pick in picks[step]], rng),
            len(picks),
        )

    def validate(self) -> dict[str, float]:
        """Metrics on the validation samples; empty if there are none."""
        return self.score() if len(self.validation) else {}

    def trained(self) -> Any:
        """The model for use after training."""
        return self.model


def padded(arrays: Sequence[ArrayLike], fill: ArrayLike = 0) -> Tensor:
    """Stack arrays of different shapes; smaller ones are filled at the end of each axis.

    Args:
        arrays: with the same dtype and number of axes.
        fill: value for the missing entries; an array is broadcast over the last axes.

    Returns:
        (B, ...), at least 1 long along every axis.
    """
    given = [np.asarray(array) for array in arrays]
    shape = np.max([array.shape for array in given], axis=0).clip(1)
    stacked = np.full((len(given), *shape), fill, given[0].dtype)
    for row, array in zip(stacked, given, strict=True):
        row[tuple(map(slice, array.shape))] = array
    return torch.from_numpy(stacked)
