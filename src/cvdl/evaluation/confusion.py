"""The picture of a confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cvdl.viz.charts import FAINT_COLOR, new_figure, write_figure

__all__ = ["draw_matrix"]


def draw_matrix(
    path: Path,
    counts: NDArray[np.int64],
    names: Sequence[str],
    title: str,
    row_label: str,
    column_label: str,
) -> None:
    """Write a confusion matrix, as PNG: the cells hold numbers, their colour is the row's share.

    Args:
        path: of the picture; the folders above it are made.
        counts: (N, N); the last row and column are of nothing and set apart.
        names: N, of rows and columns.
        title: above it.
        row_label: what rows are.
        column_label: what columns are.

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
    places = np.arange(len(names))
    axes.set_xticks(places, names, rotation=90)
    axes.set_yticks(places, names)
    axes.set_xticks(places[1:] - 0.5, minor=True)
    axes.set_yticks(places[1:] - 0.5, minor=True)
    axes.grid(which="minor", color=FAINT_COLOR, alpha=0.35, linewidth=0.5)
    axes.tick_params(which="minor", length=0)
    axes.axhline(len(names) - 1.5, color="black", linewidth=0.8)
    axes.axvline(len(names) - 1.5, color="black", linewidth=0.8)
    axes.set(xlabel=column_label, ylabel=row_label)
    figure.suptitle(title, fontsize=10)
    write_figure(path, figure)
