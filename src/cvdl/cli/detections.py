"""What the commands that train and evaluate detectors have in common."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from cvdl.datasets.detection_sample import DetectionData
    from cvdl.evaluation.detection import DetectionReport

__all__ = [
    "Data",
    "Dataset",
    "open_dataset",
    "scores_table",
    "write_pictures",
]


Data = Annotated[
    Path | None,
    typer.Option(help="Folder of the labelled views; for coco, also a file of annotations."),
]


class Dataset(str, Enum):
    """Layouts of labelled boxes."""

    coco = "coco"
    simulated = "simulated"
    osd = "osd"


def open_dataset(name: str, path: Path | None, scenes: int = 0, seed: int = 0) -> DetectionData:
    """The views of a folder, or simulated ones, for which there is no folder.

    Raises:
        InputError: if there must be a folder and is none or must be none, or it holds no view.
    """
    if name == Dataset.simulated.value:
        from cvdl.datasets.simulated import SimulatedDetection

        return SimulatedDetection.open(path, scenes, seed)
    from cvdl.datasets import CocoDataset, OsdDetection

    return (OsdDetection if name == Dataset.osd.value else CocoDataset).open(path)


def scores_table(
    title: str, report: DetectionReport, folds: Sequence[dict[str, float]] = ()
) -> Table:
    """The figures for the screen: of all views, and with folds their mean and deviation.

    Args:
        title: of the table.
        report: of all views.
        folds: ``DetectionReport.figures`` of each fold.
    """
    from math import isnan

    from cvdl.cli.tables import figures_table

    threshold = "-" if isnan(report.threshold) else f"{report.threshold:.3f}"
    words = {
        "ap50": "AP50",
        "ap": "AP50:95",
        "ar": "AR, 100 detections",
        "f1": f"best F1, at score {threshold}",
        "mask_ap50": "masks: AP50",
        "mask_ap": "masks: AP50:95",
        "mask_ar": "masks: AR, 100 detections",
    }
    table = figures_table(title, words, report.figures(), folds, "all views")
    table.add_row("images", str(report.images))
    table.add_row("boxes", str(report.boxes))
    return table


def write_pictures(
    report: DetectionReport,
    data: DetectionData,
    sheet: Path | None,
    curves: Path | None,
    confusion: Path | None,
    worst: int,
) -> list[Path]:
    """The pictures that are asked for, and which of them were written.

    Args:
        report: of the detections.
        data: has the views.
        sheet: of the worst mistakes; not written where there are none.
        curves: precision over recall.
        confusion: the matrix.
        worst: mistakes on the sheet.
    """
    from cvdl.evaluation import detection_pictures
    from cvdl.viz.pictures import write_png

    written = []
    if sheet is not None and report.mistakes:
        some = detection_pictures.worst_mistakes(report.mistakes, worst)
        write_png(sheet, detection_pictures.mistake_sheet(data, some, report.classes))
        written.append(sheet)
    for path, draw in (
        (curves, detection_pictures.draw_precision_recall),
        (confusion, detection_pictures.draw_confusion),
    ):
        if path is not None:
            draw(path, report)
            written.append(path)
    return written
