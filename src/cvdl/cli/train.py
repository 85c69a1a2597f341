"""``cvdl train``: makes weights from labelled data."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cvdl.cli.grasps import Dataset, Detector

if TYPE_CHECKING:
    from rich.console import Console

    from cvdl.evaluation.grasping import GraspScores
    from cvdl.training.experiment import GraspData

__all__ = ["app"]

app = typer.Typer(help="Train on labelled data.", no_args_is_help=True)


class By(str, Enum):
    """What parts of the data never share."""

    image = "image"
    object = "object"


@app.callback()
def _root() -> None:
    pass


@app.command(no_args_is_help=True)
def grasp(
    out: Annotated[Path, typer.Option(help="Folder of the run, to make.")],
    data: Annotated[Path | None, typer.Option(help="Folder of the labelled views.")] = None,
    dataset: Annotated[Dataset, typer.Option(help="Layout of the folder.")] = Dataset.cornell,
    detector: Annotated[Detector, typer.Option(help="What to train.")] = Detector.cascade,
    folds: Annotated[
        int,
        typer.Option(
            min=0, help="Cross-validate: so many models, each tested on the fold it has not seen."
        ),
    ] = 0,
    by: Annotated[
        By,
        typer.Option(
            help="object: no object is in two parts, so the test is on new objects; "
            "image: other views of it may be."
        ),
    ] = By.object,
    test: Annotated[
        float,
        typer.Option(
            min=0, max=0.9, help="Share of the views to test on, where there are no folds."
        ),
    ] = 0.1,
    validation: Annotated[
        float,
        typer.Option(
            min=0,
            max=0.9,
            help="Share of the other views that tells which epoch is best; 0: keep the last.",
        ),
    ] = 0.1,
    extra: Annotated[
        list[str] | None,
        typer.Option(
            help="More to train on, never tested on, as cornell_rgb=DIR; repeatable.",
            metavar="LAYOUT=DIR",
        ),
    ] = None,
    simulated: Annotated[
        int,
        typer.Option(min=0, help="Also train on so many simulated scenes; 2 MB of memory each."),
    ] = 0,
    scenes: Annotated[int, typer.Option(min=1, help="How many, with --dataset simulated.")] = 100,
    epochs: Annotated[int | None, typer.Option(min=1, help="Rounds of training, at most.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the split, of training, of scenes.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda; auto: a GPU if there is.")] = (
        "auto"
    ),
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="One setting, as training.learning_rate=0.001; repeatable. A wrong key lists all.",
            metavar="K=V",
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with this run after it was stopped or killed.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier run.")] = False,
) -> None:
    """Train a grasp detector and say how good it is on views that it has not seen.

    With five folds of objects that are new in each, which takes a while:

        cvdl train grasp --data cornell/01 --folds 5 --out runs/folds

    On all views and on simulated scenes, for weights to use elsewhere:

        cvdl train grasp --data cornell/01 --test 0 --simulated 500 --out runs/all

        cvdl evaluate grasp --data OTHER --weights runs/all/cascade.safetensors

    The run's folder gets the weights (NAME.safetensors; with folds, one in each
    foldN) and, of the test, results.json, curves.png (precision over recall, and
    ROC) and sheet.png: the views, worst first, with good rectangles thin and blue,
    the prediction thick, green where right and red where wrong.

    Its folder "training" gets the losses (history.json, curves.png, and logs for
    tensorboard --logdir). Ctrl-C or a kill at any time costs an epoch at most: the
    same command with --resume goes on.
    """
    from rich.console import Console

    from cvdl import __version__
    from cvdl.cli.console import status_console
    from cvdl.cli.grasps import open_dataset, scores_table, write_json, write_pictures
    from cvdl.config import load_settings
    from cvdl.training import splits
    from cvdl.training.checkpoint import prepare_run
    from cvdl.training.experiment import Trainer, train_and_score

    console = status_console()
    trainer = Trainer.of(detector.value)
    # Where the detector is trained by the loop that most share, its settings are a level deeper.
    level = "training." if "training" in trainer.settings.model_fields else ""
    short = {"seed": seed, "device": None if device == "auto" else device, "epochs": epochs}
    overrides = [f"{level}{key}={value}" for key, value in short.items() if value is not None]
    chosen = load_settings(trainer.settings, overrides=overrides + (settings or []))
    views = open_dataset(dataset.value, data, scenes, seed)
    more = [_extra(text, views.names) for text in extra or []]
    if folds:
        parts = splits.folds(views.object_ids, folds, by.value, validation, seed)
    else:
        parts = [splits.split(views.object_ids, validation, test, by.value, seed)]
    run = {
        "version": __version__,
        "detector": detector.value,
        "dataset": dataset.value,
        "data": None if data is None else str(data),
        "views": len(views),
        "extra": extra or [],
        "simulated": simulated,
        "folds": folds,
        "by": by.value,
        "validation": validation,
        "test": 0 if folds else test,
        "seed": seed,
        "settings": chosen.model_dump(mode="json"),
    }
    prepare_run(out, run, resume, overwrite)
    if simulated:
        more.append(_simulated(simulated, seed + 1, console))  # not the scenes to test on
    metadata = {key: str(value) for key, value in run.items() if key not in ("settings", "folds")}
    scored: list[GraspScores] = []
    try:
        for number, part in enumerate(parts, 1):
            if folds:
                console.print(f"fold {number} of {folds}", highlight=False)
            folder = out / f"fold{number}" if folds else out
            scored.append(
                train_and_score(
                    trainer, views, part, more, chosen, folder, resume, metadata, console
                )
            )
    except KeyboardInterrupt:
        typer.echo("interrupted: the same command with --resume goes on", err=True)
        raise typer.Exit(130) from None
    first, *others = scored
    whole = sum(others, first)
    if whole.results:
        from cvdl.evaluation.grasping import fold_report

        content = {**run, **whole.report(), "folds": fold_report(scored if folds else ())}
        write_json(out / "results.json", content)
        each = scored if folds else []
        write_pictures(
            whole, views, out / "sheet.png", out / "curves.png", len(whole.results), each
        )
        what = f"{folds} folds, {by.value}-wise" if folds else f"{by.value}-wise test"
        Console().print(scores_table(f"{detector.value} on {dataset.value}: {what}", whole, each))
    typer.echo(f"run: {out}")


def _extra(text: str, names: list[str]) -> GraspData:
    """A data set to train on, from LAYOUT=DIR; none of its views may be in the one to test on."""
    from cvdl.cli.grasps import open_dataset
    from cvdl.errors import InputError

    layout, separator, folder = text.partition("=")
    if not separator:
        raise InputError(f"--extra is {text!r}; expected LAYOUT=DIR, as cornell_rgb=DIR")
    data = open_dataset(layout, Path(folder))
    both = sorted(set(data.names) & set(names))
    if both:
        raise InputError(f"--extra {text}: {both[0]} is in the data to test on too")
    return data


def _simulated(count: int, seed: int, console: Console) -> GraspData:
    from rich.progress import track

    from cvdl.datasets.simulated_grasps import SimulatedGrasps
    from cvdl.training.experiment import InMemory

    scenes = SimulatedGrasps(seed, count).on_processes()
    return InMemory(track(scenes, "simulating", count, console=console, transient=True))
