"""Tables of figures on the screen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["empty_table", "figures_table"]


def empty_table(title: str, label: str, *headings: str) -> Table:
    """A table to which rows of a label and figures are added.

    On a narrow terminal labels and headings are broken into lines, so that all figures stay.

    Args:
        title: of the table.
        label: heading of the labels.
        headings: of the figures.
    """
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(title=title, box=SIMPLE_HEAD)
    table.add_column(label, overflow="fold")
    for heading in headings:
        table.add_column(heading, justify="right", overflow="fold")
    return table


def figures_table(
    title: str,
    words: Mapping[str, str],
    figures: Mapping[str, float],
    folds: Sequence[dict[str, float]],
    whole: str,
    number: Callable[[float], str] = "{:.3f}".format,
) -> Table:
    """Figures for the screen, with folds also their mean and deviation; more rows may follow.

    Args:
        title: of the table.
        words: what to call each figure.
        figures: of everything; NaN where undefined.
        folds: those of each fold; none where there are no folds.
        whole: heading of the figures of everything, where there are folds.
        number: how a figure is written.
    """
    from math import isnan

    from cvdl.evaluation.figures import spread

    def told(value: float | None) -> str:
        return "-" if value is None or isnan(value) else number(value)

    headings = (whole, "mean of folds") if folds else ("value",)
    table = empty_table(title, "measure", *headings)
    spreads = spread(dict(figures), folds)
    for name, value in figures.items():
        cells = [told(value)]
        if folds:
            cells.append(f"{told(spreads[name]['mean'])} ± {told(spreads[name]['deviation'])}")
        table.add_row(words[name], *cells)
    table.add_section()
    return table
