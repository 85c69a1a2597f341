"""Tables of figures on the screen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import isnan

from rich.box import SIMPLE_HEAD
from rich.table import Table

from cvdl.evaluation.figures import spread

__all__ = ["empty_table", "figures_table"]


def empty_table(title: str, label: str, *headings: str) -> Table:
    """A table for rows of a label and figures.

    On a narrow terminal labels and headings are broken into lines, so that all figures stay.

    Args:
        title: of the table.
        label: heading of the labels.
        headings: of the figures.
    """
    table = Table(title=title, box=SIMPLE_HEAD)
    table.add_column(label, overflow="fold")
    for heading in headings:
        table.add_column(heading, justify="right", overflow="fold")
    return table


def figures_table(
    title: str,
    measures: Mapping[str, str],
    figures: Mapping[str, float],
    folds: Sequence[dict[str, float]],
    heading: str,
    number: Callable[[float], str] = "{:.3f}".format,
) -> Table:
    """Figures for the screen, with folds also their mean and deviation; more rows may follow.

    Args:
        title: of the table.
        measures: what to call each figure.
        figures: of all samples; NaN if undefined.
        folds: the figures of each fold; empty without folds.
        heading: of the figures of all samples, with folds.
        number: how a figure is written.
    """

    def cell(value: float | None) -> str:
        return "-" if value is None or isnan(value) else number(value)

    headings = (heading, "mean of folds") if folds else ("value",)
    table = empty_table(title, "measure", *headings)
    spreads = spread(dict(figures), folds)
    for name, value in figures.items():
        cells = [cell(value)]
        if folds:
            cells.append(f"{cell(spreads[name]['mean'])} ± {cell(spreads[name]['deviation'])}")
        table.add_row(measures[name], *cells)
    table.add_section()
    return table
