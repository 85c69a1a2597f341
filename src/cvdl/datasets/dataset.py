"""The common interface of data sets of labeled samples."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Dataset", "Sample", "Subset", "tracked"]

Sample = TypeVar("Sample", covariant=True)


class Dataset(Protocol[Sample]):
    """Labeled samples, read or made one by one on access.

    Attributes:
        names: of the samples, unique.
    """

    names: list[str]

    def __len__(self) -> int:
        """Return the number of samples."""
        ...

    def __getitem__(self, index: int) -> Sample:
        """Return one sample.

        Raises:
            DatasetError: naming the file that is missing, corrupt or not as expected.
            IndexError: past the end.
        """
        ...

    def __iter__(self) -> Iterator[Sample]:
        return (self[index] for index in range(len(self)))


class Subset(Dataset[Sample]):
    """Some samples of some data sets.

    Args:
        parts: data sets, each with the indices of its samples.

    Attributes:
        origins: which of the parts each sample is from.
    """

    def __init__(self, parts: Iterable[tuple[Dataset[Sample], Iterable[int]]]) -> None:
        rows = [
            (part, data, int(index))
            for part, (data, indices) in enumerate(parts)
            for index in indices
        ]
        self._samples = [(data, index) for _, data, index in rows]
        self.origins = [part for part, _, _ in rows]
        self.names = [data.names[index] for data, index in self._samples]

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, index: int) -> Sample:
        data, inner = self._samples[index]
        return data[inner]


def tracked(
    samples: Iterable[Sample], what: str, console: Console | None, count: int | None = None
) -> Iterable[Sample]:
    """Iterate over samples with a progress bar, if there is a console.

    Args:
        samples: a data set, or other samples with their ``count``.
        what: a word for what is done with them.
        console: where progress is shown; None: nowhere.
        count: number of samples; that of the data set if not given.
    """
    if console is None:
        return samples
    from rich.progress import track

    return track(samples, what, count, console=console, transient=True)
