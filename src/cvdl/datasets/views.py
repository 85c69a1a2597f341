"""What every data set of labelled views has in common."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["LabelledViews", "Sample", "Views", "tracked"]

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

    def __iter__(self) -> Iterator[Sample]:
        return (self[index] for index in range(len(self)))


class Views(LabelledViews[Sample]):
    """Some views of some data sets, read one by one as they are asked for.

    Args:
        parts: each a data set and which of its views.
    """

    def __init__(self, parts: Iterable[tuple[LabelledViews[Sample], Iterable[int]]]) -> None:
        self._views = [(data, int(index)) for data, indices in parts for index in indices]
        self.names = [data.names[index] for data, index in self._views]

    def __len__(self) -> int:
        return len(self._views)

    def __getitem__(self, index: int) -> Sample:
        data, inner = self._views[index]
        return data[inner]


def tracked(views: LabelledViews[Sample], what: str, console: Console | None) -> Iterable[Sample]:
    """The views, with a bar that shows how many are done, where there is a console."""
    if console is None:
        return views
    from rich.progress import track

    return track(views, what, len(views), console=console, transient=True)
