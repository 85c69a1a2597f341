"""Worker threads: one that calls functions, and one with a queue of one, the newest item wins."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, wait
from functools import partial
from typing import Generic, TypeVar

__all__ = ["LatestWorker", "Worker"]

_POLL_S = 0.1

Item = TypeVar("Item")
Result = TypeVar("Result")


class Worker:
    """A thread that calls functions, one after the other.

    Load networks on the thread that runs them: if two threads of a process have computed with
    OpenMP, as PyTorch does, its threads sleep instead of waiting for work, and every network takes
    a quarter longer.
    """

    def __init__(self) -> None:
        self._calls: deque[Callable[[], None]] = deque()
        self._busy = self._stopped = False
        self._changed = threading.Condition()
        # A daemon: a stage that hangs must not keep the process alive.
        self._thread = threading.Thread(target=self._run, name="cvdl worker", daemon=True)
        self._thread.start()

    def start(self, function: Callable[[], Result]) -> Future[Result]:
        """Let the thread call a function, after those before it."""
        future: Future[Result] = Future()

        def fulfil() -> None:
            try:
                future.set_result(function())
            except BaseException as error:
                future.set_exception(error)

        with self._changed:
            self._calls.append(fulfil)
            self._changed.notify_all()
        return future

    def call(self, function: Callable[[], Result], wanted: Callable[[], bool]) -> Result:
        """Call a function on the thread, and return its result.

        Args:
            function: function to call.
            wanted: whether to continue waiting; called periodically.

        Raises:
            CancelledError: if the result is no longer wanted; the function continues.
        """
        future = self.start(function)
        while not wait([future], _POLL_S).done:
            if not wanted():
                raise CancelledError
        return future.result()

    def wait(self, timeout_s: float) -> bool:
        """Wait until the thread has nothing to do; returns whether that was in time."""
        with self._changed:
            return self._changed.wait_for(lambda: not (self._busy or self._calls), timeout_s)

    def stop(self) -> None:
        """End the thread at once, or after what it does now without waiting for that."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
            busy = self._busy
        if not busy:
            self._thread.join()

    def _next(self) -> Callable[[], None] | None:
        """What to do next; called with the lock held."""
        return self._calls.popleft() if self._calls else None

    def _run(self) -> None:
        while True:
            with self._changed:
                self._busy = False
                self._changed.notify_all()
                task = self._next()
                while task is None and not self._stopped:
                    self._changed.wait()
                    task = self._next()
                if task is None or self._stopped:
                    return
                self._busy = True
            task()
            del task  # keeps no frame while waiting for the next one


class LatestWorker(Worker, Generic[Item]):
    """A worker that works on the newest item; a newer item replaces the waiting one.

    An item waits no longer than the previous one takes, however fast they come.

    Args:
        work: called with each item on the thread; handles its own exceptions.
        on_drop: called with each replaced item, on the thread that submits.
    """

    def __init__(self, work: Callable[[Item], None], on_drop: Callable[[Item], None]) -> None:
        self._work = work
        self._on_drop = on_drop
        self._waiting: list[Item] = []
        super().__init__()

    def submit(self, item: Item) -> None:
        """Let the thread work on an item next, instead of the waiting one."""
        with self._changed:
            late, self._waiting = self._waiting, [item]
            self._changed.notify_all()
        for each in late:
            self._on_drop(each)

    def clear(self, timeout_s: float) -> bool:
        """Drop the waiting item, and wait for the current one; returns whether it ended in time."""
        with self._changed:
            self._waiting = []
        return self.wait(timeout_s)

    def _next(self) -> Callable[[], None] | None:
        call = super()._next()
        if call is None and self._waiting:
            return partial(self._work, self._waiting.pop())
        return call
