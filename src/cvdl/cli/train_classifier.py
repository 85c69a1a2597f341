"""``cvdl train classifier``: makes the weights of R-CNN's network from labelled boxes."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cvdl.cli.detections import Data, Dataset
from cvdl.cli.options import Device, Scenes
from cvdl.cli.training import (
    WORST,
    By,
    Epochs,
    Folds,
    Out,
    Overwrite,
    Resume,
    Seed,
    Settings,
    Test,
    Validation,
    begin_run,
    chosen_settings,
    run_parts,
    tell_end,
)

if TYPE_CHECKING:
    from rich.table import Table

    from cvdl.evaluation.classification import ClassificationScores
    from cvdl.training.splits import Split

__all__ = ["classifier"]


class Backbone(str, Enum):
    """Networks; those of ``cvdl.detection.models.rcnn.backbones``, which would bring torch in."""

    alexnet = "alexnet"
    vgg11 = "vgg11"
    vgg16 = "vgg16"
    resnet18 = "resnet18"
    resnet50 = "resnet50"
    densenet121 = "densenet121"
    mobilenet_v3_small = "mobilenet_v3_small"
    mobilenet_v3_large = "mobilenet_v3_large"


def classifier(
    out: Out,
    data: Data = None,
    dataset: Annotated[
        Dataset,
        typer.Option(help="Layout of the folder; simulated scenes are kept in memory, 3 MB each."),
    ] = Dataset.coco,
    backbone: Annotated[Backbone, typer.Option(help="Network to train.")] = Backbone.resnet18,
    weights: Annotated[
        str,
        typer.Option(
            help="Weights to start from: the name of torchvision's, such as IMAGENET1K_V1, or a "
            "file of an earlier run; default: random weights."
        ),
    ] = "",
    frozen_stages: Annotated[
        int, typer.Option(min=0, max=5, help="Number of first stages that are not trained.")
    ] = 0,
    folds: Folds = 0,
    test: Test = 0.1,
    validation: Validation = 0.1,
    scenes: Scenes = 100,
    epochs: Epochs = None,
    seed: Seed = 0,
    device: Device = "auto",
    settings: Settings = None,
    resume: Resume = False,
    overwrite: Overwrite = False,
) -> None:
    """Train a network to classify what is in a box, and score it on new views.

    It learns from crops: labelled boxes, shifted a little, and boxes with no object
    or only a part of one. It also learns to correct the box.

        cvdl train classifier --data scenes --out runs/classifier

    From ImageNet's weights, without training the first two stages:

        cvdl train classifier --data scenes --out runs/tuned
        --weights IMAGENET1K_V1 --frozen-stages 2

    The weights are those of the detector "rcnn":

        cvdl evaluate detector --data OTHER --detector rcnn
        --weights runs/tuned/rcnn.safetensors

    The run's folder holds the weights (rcnn.safetensors; with folds, one in each
    foldN) and the results of the test: results.json, curves.png (ROC of each class),
    confusion.png and sheet.png (the worst mistakes).

    Its folder "training" holds the losses as JSON, as curves (PNG) and for
    tensorboard --logdir. Ctrl-C or a kill at any time loses one epoch at most: the
    same command with --resume continues.
    """
    from rich.console import Console

    from cvdl.cli.console import status_console
    from cvdl.cli.detections import open_dataset
    from cvdl.cli.options import write_json
    from cvdl.datasets.detection_sample import DetectionViews
    from cvdl.detection.models.rcnn.training import (
        ClassifierTraining,
        score_classifier,
        trainer,
    )
    from cvdl.evaluation.classification import ClassificationScores, draw_confusion, draw_roc
    from cvdl.evaluation.detection_pictures import mistake_sheet, worst_mistakes
    from cvdl.evaluation.folds import spread
    from cvdl.training.trainer import result_metadata
    from cvdl.viz.pictures import write_png

    console = status_console()
    network = {
        "backbone": backbone.value,
        "frozen_stages": frozen_stages,
        "weights": weights,
    }
    chosen = chosen_settings(ClassifierTraining, epochs, seed, device, settings, network)
    views = open_dataset(dataset.value, data, scenes, seed)
    what = {
        "detector": "rcnn",
        "dataset": dataset.value,
        "data": None if data is None else str(data),
    }
    run = begin_run(
        out, what, views.names, By.image, folds, validation, test, seed, chosen, resume, overwrite
    )

    def train(part: Split, folder: Path) -> ClassificationScores:
        train, validation, test = (
            DetectionViews(views, some) for some in (part.train, part.validation, part.test)
        )
        trained = trainer().train(train, validation, chosen, folder / "training", resume, console)
        scores = score_classifier(trained, test, console)
        figures = scores.figures() if len(test) else {}
        tested = result_metadata(figures, len(train), len(test))
        trained.save(folder / "rcnn.safetensors", {**run.metadata, **tested})
        return scores

    scored = run_parts(run.parts, folds, out, console, [views], train)
    whole = ClassificationScores.of(views.classes, scored)
    if len(whole.truth):
        each = [scores.figures() for scores in scored] if folds else []
        content = {**run.record, **whole.report(), "folds": spread(whole.figures(), each)}
        write_json(out / "results.json", content)
        draw_roc(out / "curves.png", whole)
        draw_confusion(out / "confusion.png", whole)
        worst = worst_mistakes(whole.mistakes(), WORST)
        if worst:
            write_png(out / "sheet.png", mistake_sheet(views, worst, views.classes))
        tested = f"{folds} folds" if folds else "test"
        Console().print(_table(f"{backbone.value} on {dataset.value}: {tested}", whole, each))
    tell_end(out, folds, "detector", "rcnn")


def _table(title: str, scores: ClassificationScores, folds: Sequence[dict[str, float]]) -> Table:
    """The figures for the screen: of all crops, and with folds their mean and deviation."""
    from cvdl.cli.tables import figures_table

    words = {
        "top1": "top-1 accuracy",
        "top3": "top-3 accuracy",
        "class_mean": "top-1 accuracy, mean of the classes",
        "nothing": "recall of background",
        "roc_auc": "area under ROC, mean of the classes",
    }
    table = figures_table(title, words, scores.figures(), folds, "all crops")
    table.add_row("objects", str(int((scores.truth < len(scores.classes)).sum())))
    table.add_row("crops", str(len(scores.truth)))
    return table
