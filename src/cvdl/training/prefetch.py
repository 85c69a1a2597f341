"""The next batch is made while the networks work on this one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

__all__ = ["Prefetched"]

_Batch = TypeVar("_Batch")


class Prefetched(Generic[_Batch]):
    """What ``make`` gives for 0 to ``count`` - 1, in that order, made one ahead by a thread.

    Args:
        make: called by one thread at a time, so it may use one generator of random numbers.
        count: of batches.
    """

    def __init__(self, make: Callable[[int], _Batch], count: int) -> None:
        self._make, self._count = make, count

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[_Batch]:
        if not self._count:
            return
        with ThreadPoolExecutor(1) as pool:
            coming = pool.submit(self._make, 0)
            for number in range(self._count):
                batch = coming.result()
                if number + 1 < self._count:
                    coming = pool.submit(self._make, number + 1)
                yield batch
