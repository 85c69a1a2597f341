"""Makes the next batch while the model learns from the current one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

__all__ = ["Prefetched"]

_Batch = TypeVar("_Batch")


class Prefetched(Generic[_Batch]):
    """The results of ``make`` for 0 to ``count`` - 1, in order, computed one ahead by a thread.

    Args:
        make: is called by one thread at a time, so it may use one random generator.
        count: number of results.
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
            for number in range(1, self._count):
                batch = coming.result()
                coming = pool.submit(self._make, number)
                yield batch
            yield coming.result()
