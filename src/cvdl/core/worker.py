"""Work off the executor's thread, with a queue of one: the newest item wins."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, wait
from functools import partial
from typing import Generic, TypeVar

__all__ = ["LatestWorker"]

_POLL_S = 0.1

Item = TypeVar("Item")
Result = TypeVar("Result")


class LatestWorker(Generic[Item]):
    """One thread that works on the newest item; an item that it did not come to is let go.

    So an item waits no longer than the one before it takes, however fast they come.

    Networks that the items need are to be loaded with ``call``: where two threads of a process
    have computed with OpenMP, as PyTorch does, its threads no longer wait for work but sleep, and
    every network takes a quarter longer.

    Args:
        work: called with each item on the thread; it sees to its own exceptions.
        on_drop: called with each item that a newer one takes the place of, on the thread that
            submits.
    """

    def __init__(self, work: Callable[[Item], None], on_drop: Callable[[Item], None]) -> None:
        self._work = work
        self._on_drop = on_drop
        self._waiting: list[Item] = []
        self._calls: deque[Callable[[], None]] = deque()
        self._busy = self._stopped = False
        self._changed = threading.Condition()
        # A daemon: a stage that hangs must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name="cvdl worker", daemon=True)
        self._thread.start()

    def submit(self, item: Item) -> None:
        """Have the thread work on an item next, in place of the one that waits."""
        with self._changed:
            late, self._waiting = self._waiting, [item]
            self._changed.notify_all()
        for each in late:
            self._on_drop(each)

    def call(self, function: Callable[[], Result], wanted: Callable[[], bool]) -> Result:
        """Call a function on the thread, and wait for what it returns or raises.

        Args:
            function: to call.
            wanted: whether it is still worth to wait; asked now and then.

        Raises:
            CancelledError: if it no longer is; the function runs on.
        """
        future: Future[Result] = Future()

        def fulfil() -> None:
            try:
                future.set_result(function())
            except BaseException as error:
                future.set_exception(error)

        with self._changed:
            self._calls.append(fulfil)
            self._changed.notify_all()
        while not wait([future], _POLL_S).done:
            if not wanted():
                raise CancelledError
        return future.result()

    def clear(self, timeout_s: float) -> bool:
        """Let go of what waits, and wait for the item under way; whether it ended in time."""
        with self._changed:
            self._waiting = []
            return self._changed.wait_for(lambda: not self._busy, timeout_s)

    def stop(self) -> None:
        """End the thread: at once, or after the item under way, which is not waited for."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
            busy = self._busy
        if not busy:
            self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._busy = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._calls or self._waiting or self._stopped)
                if self._stopped:
                    return
                self._busy = True
                if self._calls:
                    task = self._calls.popleft()
                else:
                    task = partial(self._work, self._waiting.pop())
            task()
            del task  # nothing of a frame is kept while the next one is waited for
