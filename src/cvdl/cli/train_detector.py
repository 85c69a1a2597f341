"""``cvdl train detector``: makes a detector's weights from labelled boxes."""

from __future__ import annotations

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
    from cvdl.evaluation.detection import DetectionScores
    from cvdl.training.splits import Split

__all__ = ["detector"]


def detector(
    out: Out,
    data: Data = None,
    dataset: Annotated[
        Dataset,
        typer.Option(
            help="Layout of the folder; simulated scenes are kept in memory, 3 MB each, and "
            "rgbd_rcnn and segnet keep 2 MB of each training view."
        ),
    ] = Dataset.coco,
    name: Annotated[
        str, typer.Option("--detector", help="Detector to train; a wrong name lists all.")
    ] = "rgbd_rcnn",
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
    """Train a detector and score it on new views.

    On a folder in COCO's format, here of simulated scenes, tested on a tenth of it:

        cvdl simulate scenes --format coco --scenes 4000 --seed 0

        cvdl train detector --data scenes --out runs/detector

    On all of it, for weights to use elsewhere:

        cvdl train detector --data scenes --test 0 --out runs/all

        cvdl evaluate detector --data NEW --weights runs/all/rgbd_rcnn.safetensors

    The run's folder holds the weights (NAME.safetensors; with folds, one in each
    foldN) and the results of the test: results.json, curves.png (precision over recall of
    each class), confusion.png and sheet.png (the worst mistakes).

    Its folder "training" holds the losses as JSON, as curves (PNG) and for
    tensorboard --logdir (hog has no losses). Ctrl-C or a kill at any time loses
    one epoch at most: the same command with --resume continues.
    """
    from rich.console import Console

    from cvdl.cli.console import status_console
    from cvdl.cli.detections import open_dataset, scores_table, write_pictures
    from cvdl.cli.options import write_json
    from cvdl.evaluation.figures import spread
    from cvdl.training.detection_experiment import train_and_score, trainer_of

    console = status_console()
    trainer = trainer_of(name)
    chosen = chosen_settings(trainer.settings, epochs, seed, device, settings)
    views = open_dataset(dataset.value, data, scenes, seed)
    what = {
        "detector": name,
        "dataset": dataset.value,
        "data": None if data is None else str(data),
    }
    run = begin_run(
        out, what, views.names, By.image, folds, validation, test, seed, chosen, resume, overwrite
    )

    def train(part: Split, folder: Path) -> DetectionScores:
        return train_and_score(trainer, views, part, chosen, folder, resume, run.metadata, console)

    scored = run_parts(run.parts, folds, out, console, [views], train)
    first, *others = scored
    whole = sum(others, first)
    if len(whole):
        report = whole.report()
        each = [scores.report().figures() for scores in scored] if folds else []
        content = {**run.record, **report.report(), "folds": spread(report.figures(), each)}
        write_json(out / "results.json", content)
        write_pictures(
            report,
            views,
            out / "sheet.png",
            out / "curves.png",
            out / "confusion.png",
            WORST,
        )
        tested = f"{folds} folds" if folds else "test"
        Console().print(scores_table(f"{name} on {dataset.value}: {tested}", report, each))
    tell_end(out, folds, "detector", trainer.name)
