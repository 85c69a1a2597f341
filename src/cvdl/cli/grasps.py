"""What the commands that train and evaluate grasp detectors have in common."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

    from cvdl.datasets.grasp_sample import GraspData
    from cvdl.evaluation.grasping import GraspScores

__all__ = ["Dataset", "Detector", "open_dataset", "scores_table", "write_pictures"]

#: The class that reads each layout of a folder.
_READERS = {
    "cornell": ("cvdl.datasets.cornell", "CornellDataset"),
    "cornell_rgb": ("cvdl.datasets.cornell_rgb", "CornellRgbDataset"),
    "jacquard": ("cvdl.datasets.jacquard", "JacquardDataset"),
}


class Dataset(str, Enum):
    """Layouts of labelled grasps."""

    cornell = "cornell"
    cornell_rgb = "cornell_rgb"
    jacquard = "jacquard"
    simulated = "simulated"


class Detector(str, Enum):
    """Grasp detectors."""

    cascade = "cascade"
    lenz2014 = "lenz2014"


def open_dataset(name: str, path: Path | None, scenes: int = 0, seed: int = 0) -> GraspData:
    """The views of a folder, or simulated ones, for which there is no folder.

    Raises:
        InputError: if there must be a folder and is none or must be none, or it holds no view.
    """
    from importlib import import_module

    from cvdl.core.errors import InputError

    if name == Dataset.simulated.value:
        from cvdl.datasets.simulated import SimulatedGrasps

        return SimulatedGrasps.open(path, scenes, seed)
    if name not in _READERS:
        raise InputError(f"data set is {name!r}; accepted: {', '.join(_READERS)}")
    module, reader = _READERS[name]
    data: GraspData = getattr(import_module(module), reader).open(path)
    return data


def scores_table(title: str, scores: GraspScores, folds: Sequence[GraspScores] = ()) -> Table:
    """The figures for the screen: of all views, and with folds their mean and deviation."""
    from cvdl.cli.tables import figures_table

    figures, report = scores.figures(), scores.report()
    words = {}
    for name in figures:
        measure, _, threshold = name.partition("@")
        words[name] = f"top-1, Jaccard > {threshold}" if threshold else f"{measure}: accuracy"
    each = [fold.figures() for fold in folds]
    table = figures_table(title, words, figures, each, "all views", _percent)
    recognition = report["recognition"] or {}
    areas = {"average_precision": "average precision", "roc_auc": "area under ROC"}
    for name, measure in areas.items():
        if recognition.get(name) is not None:
            table.add_row(f"recognition: {measure}", f"{recognition[name]:.3f}")
    table.add_section()
    table.add_row("views", str(report["views"]))
    table.add_row("nothing found", str(report["found_nothing"]))
    table.add_row("median latency", f"{report['latency_ms']['median']:.1f} ms")
    return table


def write_pictures(
    scores: GraspScores,
    data: GraspData,
    sheet: Path | None,
    curves: Path | None,
    count: int,
    folds: Sequence[GraspScores] = (),
) -> None:
    """The views of least overlap, worst first, as a contact sheet; the curves."""
    if sheet is not None:
        from cvdl.evaluation.grasp_pictures import prediction_sheet
        from cvdl.viz.pictures import write_png

        worst = sorted(scores.results, key=lambda result: result.overlap)[:count]
        samples = (data[data.names.index(result.name)] for result in worst)
        write_png(sheet, prediction_sheet(samples, worst))
    if curves is not None:
        from cvdl.evaluation.grasp_pictures import draw_curves

        draw_curves(curves, scores, folds)


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
