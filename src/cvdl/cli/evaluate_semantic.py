"""``cvdl evaluate semantic``: how well the class of every pixel is told."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Annotated

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

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from cvdl.core.frame import RgbdFrame

__all__ = ["semantic"]


class Dataset(str, Enum):
    """Layouts of views in which every pixel is labelled."""

    coco = "coco"
    simulated = "simulated"


def semantic(
    data: detections.Data = None,
    dataset: Annotated[
        Dataset, typer.Option(help="Layout of the folder; its views need masks.")
    ] = Dataset.coco,
    weights: Annotated[str, typer.Option(help="Weights of SegNet; default: the package's.")] = "",
    scenes: Scenes = 200,
    seed: UnseenSeed = 10_000,
    device: Device = "auto",
    json_path: JsonFile = None,
    sheet: Sheet = None,
    worst: Worst = 8,
    overwrite: ReplaceOutputs = False,
) -> None:
    """Score SegNet's class map, pixel by pixel; cvdl evaluate detector scores its objects.

    mean IoU: intersection over union of labelled and predicted pixels, the mean
    over the classes; pixels without a class count as one more class.

    class accuracy: share of each class's pixels that is right, the mean over the
    classes; pixel accuracy: share of all pixels that is right.

    outline F: share of the classes' outlines that lie within 0.75 % of the
    image's diagonal of the other's, both ways; the mean over the images.
    """
    from math import isnan

    from rich.console import Console

    from cvdl import __version__
    from cvdl.cli.console import status_console
    from cvdl.cli.tables import figures_table
    from cvdl.core.errors import InputError
    from cvdl.datasets.dataset import tracked
    from cvdl.detection import load_detector
    from cvdl.detection.models.segnet import SegNetDetector
    from cvdl.evaluation.semantic import score_class_maps
    from cvdl.evaluation.semantic_pictures import worst_views
    from cvdl.evaluation.shared_classes import SharedClasses
    from cvdl.viz.pictures import write_png

    keep_outputs((json_path, sheet), overwrite)
    views = detections.open_dataset(dataset.value, data, scenes, seed)
    detector = load_detector("segnet", weights, device)
    assert isinstance(detector, SegNetDetector)
    shared = SharedClasses.between(detector.classes, views.classes)
    if shared.unknown:
        raise InputError(
            f"{data or dataset.value}: the weights do not know {', '.join(shared.unknown)}; they "
            f"know {', '.join(detector.classes)}"
        )

    def class_map(frame: RgbdFrame) -> NDArray[np.uint8]:
        return shared.class_map(detector.class_map(frame))

    samples = tracked(views, "looking", status_console())
    report = score_class_maps(class_map, samples, views.classes)
    if not report.pixels[:-1].any():
        raise InputError(f"{data or dataset.value}: no view has a labelled pixel to compare with")
    words = {
        "mean_iou": "mean IoU",
        "class_accuracy": "class accuracy",
        "pixel_accuracy": "pixel accuracy",
        "outline_f": "outline F",
    }
    table = figures_table(f"segnet on {dataset.value}", words, report.figures(), (), "all views")
    table.add_row("images", str(len(report.views)))
    table.add_section()
    for name, iou in zip((*report.classes, "no class"), report.iou, strict=True):
        table.add_row(f"IoU of {name}", "-" if isnan(iou) else f"{iou:.3f}")
    Console().print(table)
    if json_path is not None:
        content = {
            "version": __version__,
            "weights": weights or None,
            "dataset": dataset.value,
            "data": None if data is None else str(data),
            **report.report(),
        }
        write_json(json_path, content)
        typer.echo(f"figures: {json_path}")
    if sheet is not None:
        write_png(sheet, worst_views(class_map, views, report, worst))
        typer.echo(f"worst views: {sheet}")
