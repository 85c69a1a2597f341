"""Work off the executor's thread, with a queue of one: the newest item wins."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

__all__ = ["LatestWorker"]

Item = TypeVar("Item")


class LatestWorker(Generic[Item]):
    """One thread that works on the newest item; an item that it did not come to is let go.

    So an item waits no longer than the one before it takes, however fast they come.

    Args:
        work: called with each item on the thread; it sees to its own exceptions.
        on_drop: called with each item that a newer one takes the place of, on the thread that
            submits.
    """

    def __init__(self, work: Callable[[Item], None], on_drop: Callable[[Item], None]) -> None:
        self._work = work
        self._on_drop = on_drop
        self._waiting: list[Item] = []
        self._stopped = False
        self._changed = threading.Condition()
        # A daemon: a stage that hangs must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name="cvdl worker", daemon=True)
        self._thread.start()

    def submit(self, item: Item) -> None:
        """Have the thread work on an item next, in place of the one that waits."""
        with self._changed:
            late, self._waiting = self._waiting, [item]
            self._changed.notify()
        for each in late:
            self._on_drop(each)

    def stop(self, timeout_s: float) -> bool:
        """Let go of what waits, and wait for the item under way; whether it ended in time."""
        with self._changed:
            self._stopped = True
            self._waiting = []
            self._changed.notify()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._stopped)
                if self._stopped:
                    return
                item = self._waiting.pop()
            self._work(item)
