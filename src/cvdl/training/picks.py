"""Which samples the steps of an epoch are of."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["random_picks"]


def random_picks(
    samples: int, steps: int, batch_size: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Samples in random order, (steps, batch_size): none comes again before all have come.

    Args:
        samples: how many there are, at least one.
        steps: of the epoch.
        batch_size: samples of a step.
        rng: the randomness.
    """
    wanted = steps * batch_size
    rounds = -(-wanted // samples)
    order = np.concatenate([rng.permutation(samples) for _ in range(rounds)])
    return order[:wanted].reshape(steps, batch_size)
