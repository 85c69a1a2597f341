"""What every data set of labelled views has in common."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Generic, Protocol, TypeVar

__all__ = ["LabelledViews", "Sample", "Views"]

Sample = TypeVar("Sample", covariant=True)


class LabelledViews(Protocol[Sample]):
    """Labelled views, read or made one by one as they are asked for.

    Attributes:
        names: of the views, each unique.
    """

    names: list[str]

    def __len__(self) -> int:
        """How many views."""
        ...

    def __getitem__(self, index: int) -> Sample:
        """One view."""
        ...


class Views(Generic[Sample]):
    """Some views of some data sets, read one by one as they are asked for.

    Args:
        parts: each a data set and which of its views.
    """

    def __init__(self, parts: Iterable[tuple[LabelledViews[Sample], Iterable[int]]]) -> None:
        self._views = [(data, int(index)) for data, indices in parts for index in indices]
        self.names = [data.names[index] for data, index in self._views]

    def __len__(self) -> int:
        return len(self._views)

    def __iter__(self) -> Iterator[Sample]:
        return (data[index] for data, index in self._views)

    def __getitem__(self, index: int) -> Sample:
        data, inner = self._views[index]
        return data[inner]
