"""How far a training is: by its epochs, or by the CPU time that it may use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from time import process_time

__all__ = ["Schedule"]


class Schedule:
    """How much of a training is done, in epochs of its learning rate schedule.

    With a budget of time, that is the share of it that is used. Each epoch then ends with its
    batches or after its share of the budget, whichever comes first: a run that is killed loses no
    more. There can be more epochs than planned.

    Args:
        epochs: of the training, or of the schedule that is stretched over the budget.
        budget: CPU time of this process, all cores together, in seconds; 0: none.
        history: of the epochs that are complete; with a budget ``cpu_seconds`` of each counts.

    Attributes:
        done: epochs of the schedule that are complete.
    """

    def __init__(self, epochs: int, budget: float, history: Iterable[Mapping[str, float]]) -> None:
        self._epochs, self._budget = epochs, budget
        self.done, self._spent = 0.0, 0.0
        self._start = process_time()
        for epoch in history:
            self._add(epoch["cpu_seconds"])

    @property
    def is_complete(self) -> bool:
        """Whether the training is."""
        return self.done >= self._epochs

    def start_epoch(self) -> None:
        """Count time from here on: what was before, such as a validation, is not training."""
        self._start = process_time()

    def progress(self, share: float) -> float:
        """Epochs of the schedule that are done, after a share of the batches of the epoch."""
        return self._after(self._used) if self._budget else self.done + share

    @property
    def ends_epoch(self) -> bool:
        """Whether the epoch has used its share of the time, or the last of it."""
        share = min(self._budget / self._epochs, self._budget - self._spent)
        return bool(self._budget) and self._used >= share

    def end_epoch(self) -> float:
        """Complete an epoch; return the CPU time that it took, seconds."""
        used = self._used
        self._add(used)
        return used

    @property
    def _used(self) -> float:
        return process_time() - self._start

    def _add(self, seconds: float) -> None:
        self._spent += seconds
        self.done = self._after(0) if self._budget else self.done + 1

    def _after(self, seconds: float) -> float:
        return self._epochs * min((self._spent + seconds) / self._budget, 1)
