"""Many scenes, on several processes."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from functools import partial
from typing import TypeVar

import cv2

from cvdl.simulation.config import SimulationConfig
from cvdl.simulation.scene import SimulatedScene, simulate_scene

__all__ = ["in_order", "simulate_scenes"]

#: Fewer scenes than this a process are sooner done than a process is started.
_WORTH_A_PROCESS = 8

_Made = TypeVar("_Made")


def simulate_scenes(
    seed: int, count: int, config: SimulationConfig | None = None, processes: int | None = None
) -> Iterator[SimulatedScene]:
    """Scenes 0 to ``count`` - 1 of a sequence, in order; the same on any number of processes.

    Args:
        seed: not negative.
        count: not negative.
        config: what to draw from.
        processes: as of ``in_order``.
    """
    return in_order(partial(simulate_scene, seed, config=config), count, processes)


def in_order(
    make: Callable[[int], _Made], count: int, processes: int | None = None
) -> Iterator[_Made]:
    """What ``make`` gives for 0 to ``count`` - 1, in order, made on several processes.

    Args:
        make: can be pickled; works for about as long as a scene takes.
        count: not negative.
        processes: to work on; by default one a core, and none besides this for few scenes. As
            ever with processes, a script that asks for more than one guards its main part with
            ``if __name__ == "__main__"``.
    """
    if processes is None:
        processes = min(_usable_cores(), count // _WORTH_A_PROCESS)
    if processes <= 1:
        for index in range(count):
            yield make(index)
        return
    # Not by fork: the ray caster's threads do not survive one.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, _start_worker) as pool:
        waiting: deque[Future[_Made]] = deque()
        try:
            for index in range(count):
                waiting.append(pool.submit(make, index))
                if len(waiting) > 2 * processes:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def _usable_cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not Linux
        return os.cpu_count() or 1


def _start_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the main process's to handle
    cv2.setNumThreads(1)
