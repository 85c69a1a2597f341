"""Charts that several evaluations draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil, sqrt
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cvdl.evaluation.reliability import Reliability
from cvdl.viz.charts import FAINT_COLOR, LINE_COLOR, new_figure, tidy, write_figure

__all__ = ["confusion_chart", "curve_panels", "reliability_chart"]


def confusion_chart(
    path: Path,
    counts: NDArray[np.int64],
    names: Sequence[str],
    title: str,
    row_label: str,
    column_label: str,
) -> None:
    """Write a confusion matrix as PNG; the color of a cell is its share of the row.

    Args:
        path: of the file; missing folders are created.
        counts: (N, N); lines set the last row and column apart, which are of no class.
        names: N, of the rows and columns.
        title: of the chart.
        row_label: what the rows are.
        column_label: what the columns are.

    Raises:
        OSError: if the file cannot be written.
    """
    shares = counts / counts.sum(axis=1, keepdims=True).clip(min=1)
    side = max(0.34 * len(names) + 2.0, 4.6)
    figure = new_figure(side, side)
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in zip(*np.nonzero(counts), strict=True):
        color = "white" if shares[row, column] > 0.5 else "black"
        number = str(counts[row, column])
        axes.text(column, row, number, color=color, ha="center", va="center", fontsize=8)
    ticks = np.arange(len(names))
    axes.set_xticks(ticks, names, rotation=90)
    axes.set_yticks(ticks, names)
    axes.set_xticks(ticks[1:] - 0.5, minor=True)
    axes.set_yticks(ticks[1:] - 0.5, minor=True)
    axes.grid(which="minor", color=FAINT_COLOR, alpha=0.35, linewidth=0.5)
    axes.tick_params(which="minor", length=0)
    axes.axhline(len(names) - 1.5, color="black", linewidth=0.8)
    axes.axvline(len(names) - 1.5, color="black", linewidth=0.8)
    axes.set(xlabel=column_label, ylabel=row_label)
    figure.suptitle(title, fontsize=10)
    write_figure(path, figure)


def curve_panels(
    count: int, margin: float, least_size: tuple[float, float]
) -> tuple[Figure, list[Axes]]:
    """Create a figure with a grid of small panels for curves of shares, one panel a class.

    Args:
        count: number of panels.
        margin: height of the titles of the figure, hundreds of pixels.
        least_size: width and height of the figure at least, hundreds of pixels.

    Returns:
        The figure and the ``count`` panels.
    """
    columns = min(max(count, 1), ceil(sqrt(1.5 * max(count, 1))))
    rows = max(1, ceil(count / columns))
    width, height = least_size
    figure = new_figure(max(1.9 * columns, width), max(1.9 * rows + margin, height))
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    panels: list[Axes] = list(grid.ravel())
    for axes in panels[:count]:
        axes.set(xticks=[0, 0.5, 1], yticks=[0, 0.5, 1])
        tidy(axes)
    for axes in panels[count:]:
        axes.set_visible(False)
    return figure, panels[:count]


def reliability_chart(path: Path, groups: Mapping[str, Reliability], title: str, what: str) -> None:
    """Write what share comes true over the score, with 95 % intervals, as PNG.

    Perfect scores lie on the diagonal; the band around it is 0.1 wide on both sides. Below, the
    number of results of each bin.

    Args:
        path: of the file; missing folders are created.
        groups: results by name.
        title: of the chart.
        what: comes true, for the label of the axis.

    Raises:
        OSError: if the file cannot be written.
    """
    figure = new_figure(4.2 * max(len(groups), 1), 5.4)
    grid = figure.subplots(2, len(groups), squeeze=False, sharex=True, height_ratios=[4, 1])
    for (above, below), (name, group) in zip(grid.T, groups.items(), strict=True):
        above.fill_between([0, 1], [-0.1, 0.9], [0.1, 1.1], color=FAINT_COLOR, alpha=0.2, lw=0)
        above.plot([0, 1], [0, 1], ":", color=FAINT_COLOR, linewidth=1)
        filled = [each for each in group.bins() if each.count]
        score, share = [each.score for each in filled], [each.share for each in filled]
        low, high = np.array([each.interval() for each in filled]).reshape(-1, 2).T
        above.vlines(score, low, high, color=LINE_COLOR, linewidth=1.2, clip_on=False)
        above.plot(score, share, "o-", color=LINE_COLOR, markersize=4, clip_on=False)
        above.set(xlim=(0, 1), ylim=(0, 1), title=f"{name}: error {group.error():.3f}")
        above.set_ylabel(what)
        below.bar(
            [(each.low + each.high) / 2 for each in group.bins()],
            [each.count for each in group.bins()], 0.09, color=FAINT_COLOR,
        )  # fmt: skip
        below.set(xlabel="score", ylabel="number")
        tidy(above)
        tidy(below)
    figure.suptitle(title, fontsize=10)
    write_figure(path, figure)
