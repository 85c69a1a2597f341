"""Which region each word of a sentence is about. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

__all__ = ["FLAGS", "Attention"]

#: Number of flags of a region.
FLAGS = 5


@dataclass(frozen=True)
class Attention:
    """What the words so far are about. Regions are numbers; the last one is the whole frame.

    Attributes:
        frame: number of the whole frame.
        focus: region that the sentence is about.
        now: region that the last word is about.
        last: object that words were about last; the frame if there is none.
        other: the object before that.
        before: objects that words were about before the current run of words.
    """

    frame: int
    focus: int
    now: int
    last: int
    other: int
    before: frozenset[int] = frozenset()

    @classmethod
    def on(cls, focus: int, frame: int) -> Attention:
        """That before the first word."""
        return cls(frame, focus, frame, frame, frame)

    def moved(self, region: int) -> Attention:
        """That after a word about a region."""
        if region == self.now:
            return self
        before = self.before | {self.now} if self.now != self.frame else self.before
        if region in (self.frame, self.last):
            return replace(self, now=region, before=before)
        return replace(self, now=region, last=region, other=self.last, before=before)

    def partners(self) -> NDArray[np.int64]:
        """For each region, (R,), the object that a relation of it would be with."""
        found = np.full(self.frame + 1, self.last)
        found[self.last] = self.other
        return found

    def flags(self) -> NDArray[np.float32]:
        """What is known of each region, (R, ``FLAGS``).

        Whether words were about it before, whether the last word is, whether the last object is it,
        whether it is the frame, and whether the sentence is about it.
        """
        found = np.zeros((self.frame + 1, FLAGS), np.float32)
        found[list(self.before), 0] = 1
        for column, region in enumerate((self.now, self.last, self.frame, self.focus), 1):
            found[region, column] = 1
        return found
