"""Beam search: the likeliest sequences of choices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["Choices", "beam_search"]

State = TypeVar("State")


class Choices(NamedTuple, Generic[State]):
    """A finished sequence.

    Attributes:
        score: sum of the scores of its choices.
        state: what they lead to.
    """

    score: float
    state: State


def beam_search(
    start: State,
    scores: Callable[[Sequence[State]], NDArray[np.floating]],
    follow: Callable[[State, int, int], State],
    is_finished: Callable[[State], bool],
    width: int,
    longest: int,
) -> list[Choices[State]]:
    """Return finished sequences, best first; none if no sequence ends in time.

    At each step the best ``width`` sequences are continued; so all of them are found if they are
    never more. Scores add up, and are not positive.

    Args:
        start: what the first choice is made from.
        scores: of the C choices at each of B states, (B, C); minus infinity where one is not
            possible.
        follow: what a choice leads to, from a state, its position among the B ones, and the choice.
        is_finished: whether a state ends its sequence.
        width: number of sequences that are kept.
        longest: largest number of choices in a sequence.
    """
    going = [Choices(0.0, start)]
    ended: list[Choices[State]] = []
    for _ in range(longest):
        each = scores([one.state for one in going])
        total = np.array([one.score for one in going])[:, None] + each
        order = np.argsort(-total, axis=None, kind="stable")[:width]
        found = []
        for row, choice in zip(*np.unravel_index(order, total.shape), strict=True):
            if total[row, choice] > -np.inf:
                state = follow(going[row].state, int(row), int(choice))
                found.append(Choices(float(total[row, choice]), state))
        ended += [one for one in found if is_finished(one.state)]
        going = [one for one in found if not is_finished(one.state)]
        best = sorted((one.score for one in ended), reverse=True)[:width]
        if not going or (len(best) == width and best[-1] >= going[0].score):
            break  # what goes on cannot get better than what has ended
    return sorted(ended, key=lambda one: -one.score)[:width]
