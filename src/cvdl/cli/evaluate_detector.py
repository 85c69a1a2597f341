"""``cvdl evaluate detector``: how good a detector is."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from cvdl.cli import detections
from cvdl.cli.options import (
    Device,
    JsonFile,
    ReplaceOutputs,
    Scenes,
    Sheet,
    UnseenSeed,
    Worst,
    write_json,
)
from cvdl.core.files import keep_outputs

__all__ = ["detector"]


class Proposals(str, Enum):
    """Where boxes to look at come from, besides the detector's own."""

    none = "none"
    segments = "segments"


def detector(
    data: detections.Data = None,
    dataset: Annotated[
        detections.Dataset, typer.Option(help="Layout of the folder.")
    ] = detections.Dataset.coco,
    name: Annotated[
        str, typer.Option("--detector", help="Detector; a wrong name lists all.")
    ] = "rgbd_rcnn",
    weights: Annotated[
        str,
        typer.Option(
            help="File of the detector, or the name of torchvision's weights, such as COCO_V1; "
            "default: the package's, for rgbd_rcnn and segnet."
        ),
    ] = "",
    proposals: Annotated[
        Proposals,
        typer.Option(help="segments: the detector gets the boxes of the segmentation."),
    ] = Proposals.none,
    class_agnostic: Annotated[
        bool,
        typer.Option("--class-agnostic", help="Score boxes without their class names; for osd."),
    ] = False,
    scenes: Scenes = 200,
    seed: UnseenSeed = 10_000,
    device: Device = "auto",
    json_path: JsonFile = None,
    sheet: Sheet = None,
    worst: Worst = 48,
    curves: Annotated[
        Path | None,
        typer.Option(help="Write precision over recall of each class to this PNG file."),
    ] = None,
    confusion: Annotated[
        Path | None, typer.Option(help="Write the confusion matrix to this PNG file.")
    ] = None,
    overwrite: ReplaceOutputs = False,
) -> None:
    """Score a detector on whole images, as COCO does.

    AP50: average precision; a box is right at an overlap of 0.5 or more.

    AP50:95: its mean over the overlaps 0.50, 0.55, ... 0.95; AR: the mean
    recall over the same overlaps. All are means over the classes that detector
    and data have in common, by name.

    Mistakes and confusion count the detections with at least the score of the best
    F1. In --sheet, labelled boxes are blue and wrong detections red: "loose" ones
    overlap an object of their class by less than 0.5, "second" ones repeat a
    detection, "false" ones are near no such object.
    """
    from rich.console import Console

    from cvdl import __version__
    from cvdl.cli.console import status_console
    from cvdl.core.errors import InputError
    from cvdl.core.tally import latency_report
    from cvdl.datasets.dataset import tracked
    from cvdl.detection import load_detector
    from cvdl.evaluation.detector import score_detector

    keep_outputs((json_path, sheet, curves, confusion), overwrite)
    console = status_console()
    views = detections.open_dataset(dataset.value, data, scenes, seed)
    proposer = None
    if proposals is Proposals.segments:
        from cvdl.detection.proposals import TabletopProposals

        proposer = TabletopProposals()
    found = load_detector(name, weights, device)
    samples = tracked(views, "detecting", console)
    scored = score_detector(found, samples, views.classes, proposer, class_agnostic)
    if scored.unknown:
        console.print(
            f"not scored, unknown to {name}: {', '.join(scored.unknown)}",
            style="yellow",
            highlight=False,
        )
    report = scored.scores.report()
    if not report.boxes:
        raise InputError(f"{data or dataset.value}: no view has a box to compare with")
    table = detections.scores_table(f"{name} on {dataset.value}", report)
    for stage, (median, p95) in scored.latency_ms.items():
        table.add_row(f"{stage}: median, p95", f"{median:.1f} ms, {p95:.1f} ms")
    Console().print(table)
    if json_path is not None:
        content = {
            "version": __version__,
            "detector": name,
            "weights": weights or None,
            "dataset": dataset.value,
            "data": None if data is None else str(data),
            "proposals": proposals.value,
            "class_agnostic": class_agnostic,
            "not_scored": list(scored.unknown),
            "latency_ms": latency_report(scored.latency_ms),
            **report.report(),
        }
        write_json(json_path, content)
        typer.echo(f"figures: {json_path}")
    for path in detections.write_pictures(report, views, sheet, curves, confusion, worst):
        typer.echo(f"picture: {path}")
    if sheet is not None and not report.mistakes:
        typer.echo(f"no mistakes: {sheet} is not written")
