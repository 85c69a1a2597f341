"""Common parts of all charts."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cvdl.core.files import write_atomically

__all__ = ["ACCENT_COLOR", "FAINT_COLOR", "LINE_COLOR", "new_figure", "tidy", "write_figure"]

LINE_COLOR, FAINT_COLOR, ACCENT_COLOR = "#1f6fb4", "#9aa7b5", "#d9541e"


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, its size in hundreds of pixels, with a layout that fits its labels."""
    return Figure(figsize=(width, height), layout="constrained", dpi=100)


def tidy(axes: Axes) -> None:
    """Removes the frame on the upper right and adds a faint grid."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)


def write_figure(path: Path, figure: Figure) -> None:
    """Writes a figure as PNG, atomically, and creates its folder.

    Raises:
        OSError: if the file cannot be written.
    """
    picture = BytesIO()
    figure.savefig(picture, format="png")
    write_atomically(path, picture.getvalue())
