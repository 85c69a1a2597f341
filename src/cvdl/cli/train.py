"""``cvdl train``: makes weights from labelled data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cvdl.cli import train_classifier, train_detector
from cvdl.cli.grasps import Dataset, Detector
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
    from cvdl.datasets.grasp_sample import GraspData
    from cvdl.evaluation.grasping import GraspScores
    from cvdl.training.splits import Split

__all__ = ["app"]

app = typer.Typer(help="Train on labelled data.", no_args_is_help=True)


@app.callback()
def _root() -> None:
    pass


@app.command(no_args_is_help=True)
def grasp(
    out: Out,
    data: Annotated[Path | None, typer.Option(help="Folder of the labelled views.")] = None,
    dataset: Annotated[Dataset, typer.Option(help="Layout of the folder.")] = Dataset.cornell,
    detector: Annotated[Detector, typer.Option(help="Detector to train.")] = Detector.cascade,
    folds: Folds = 0,
    by: Annotated[
        By,
        typer.Option(
            help="object: all views of an object are in one part, so the test is on new objects; "
            "image: they may be in several."
        ),
    ] = By.object,
    test: Test = 0.1,
    validation: Validation = 0.1,
    extra: Annotated[
        list[str] | None,
        typer.Option(
            help="More training data, never tested on, such as cornell_rgb=DIR; repeatable.",
            metavar="LAYOUT=DIR",
        ),
    ] = None,
    simulated: Annotated[
        int,
        typer.Option(min=0, help="Also train on this many simulated scenes (2 MB of memory each)."),
    ] = 0,
    scenes: Scenes = 100,
    epochs: Epochs = None,
    seed: Seed = 0,
    device: Device = "auto",
    settings: Settings = None,
    resume: Resume = False,
    overwrite: Overwrite = False,
) -> None:
    """Train a grasp detector and score it on new views.

    With five folds, each with new objects, which takes a while:

        cvdl train grasp --data cornell/01 --folds 5 --out runs/folds

    On all views and on simulated scenes, for weights to use elsewhere:

        cvdl train grasp --data cornell/01 --test 0 --simulated 500 --out runs/all

        cvdl evaluate grasp --data OTHER --weights runs/all/cascade.safetensors

    The run's folder holds the weights (NAME.safetensors; with folds, one in each
    foldN) and the results of the test: results.json, curves.png (precision over recall, and
    ROC) and sheet.png: the worst views, with good rectangles thin and
    blue, the prediction thick, green where right and red where wrong.

    Its folder "training" holds the losses as JSON, as curves (PNG) and for
    tensorboard --logdir. Ctrl-C or a kill at any time loses one epoch at most
    (of lenz2014, one network): the same command with --resume continues.
    """
    from rich.console import Console

    from cvdl.cli.console import status_console
    from cvdl.cli.grasps import open_dataset, scores_table, write_pictures
    from cvdl.cli.options import write_json
    from cvdl.training.grasp_experiment import TRAINERS, train_and_score
    from cvdl.training.trainer import Trainer

    console = status_console()
    trainer = Trainer.of(detector.value, TRAINERS)
    chosen = chosen_settings(trainer.settings, epochs, seed, device, settings)
    views = open_dataset(dataset.value, data, scenes, seed)
    more = [_extra(text, views.names) for text in extra or []]
    what = {
        "detector": detector.value,
        "dataset": dataset.value,
        "data": None if data is None else str(data),
        "extra": extra or [],
        "simulated": simulated,
    }
    run = begin_run(
        out, what, views.object_ids, by, folds, validation, test, seed, chosen, resume, overwrite
    )
    if simulated:
        from cvdl.datasets.simulated import SimulatedGrasps

        more.append(SimulatedGrasps(seed + 1, simulated))  # not the scenes to test on

    def train(part: Split, folder: Path) -> GraspScores:
        return train_and_score(
            trainer, views, part, more, chosen, folder, resume, run.metadata, console
        )

    scored = run_parts(run.parts, folds, out, console, [views, *more], train)
    first, *others = scored
    whole = sum(others, first)
    if whole.results:
        from cvdl.evaluation.grasping import fold_report

        content = {**run.record, **whole.report(), "folds": fold_report(scored if folds else ())}
        write_json(out / "results.json", content)
        each = scored if folds else []
        write_pictures(whole, views, out / "sheet.png", out / "curves.png", WORST, each)
        tested = f"{folds} folds, {by.value}-wise" if folds else f"{by.value}-wise test"
        Console().print(scores_table(f"{detector.value} on {dataset.value}: {tested}", whole, each))
    tell_end(out, folds, "grasp", trainer.name)


app.command(no_args_is_help=True)(train_detector.detector)
app.command(no_args_is_help=True)(train_classifier.classifier)


def _extra(text: str, names: list[str]) -> GraspData:
    """A data set to train on, from LAYOUT=DIR; none of its views may be in the one to test on."""
    from cvdl.cli.grasps import open_dataset
    from cvdl.core.errors import InputError

    layout, separator, folder = text.partition("=")
    if not separator:
        raise InputError(f"--extra is {text!r}; expected LAYOUT=DIR, such as cornell_rgb=DIR")
    data = open_dataset(layout, Path(folder))
    both = sorted(set(data.names) & set(names))
    if both:
        raise InputError(f"--extra {text}: {both[0]} is also in the test data")
    return data
