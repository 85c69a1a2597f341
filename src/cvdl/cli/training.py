"""What the commands that train have in common: options, settings, one run after the other."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from pydantic import BaseModel

if TYPE_CHECKING:
    from rich.console import Console

    from cvdl.training.splits import Split

__all__ = [
    "WORST",
    "By",
    "Epochs",
    "Folds",
    "Out",
    "Overwrite",
    "Resume",
    "Run",
    "Seed",
    "Settings",
    "Test",
    "Validation",
    "begin_run",
    "chosen_settings",
    "run_parts",
    "tell_end",
]

#: Views or mistakes on the sheet of a training's test.
WORST = 48

Out = Annotated[Path, typer.Option(help="New folder for the run.")]
Folds = Annotated[
    int,
    typer.Option(
        min=0, help="Cross-validate with this many folds: one model per fold, tested on that fold."
    ),
]
Test = Annotated[
    float,
    typer.Option(min=0, max=0.9, help="Share of the views to test on, without folds."),
]
Validation = Annotated[
    float,
    typer.Option(
        min=0,
        max=0.9,
        help="Share of the other views to validate on, which selects the best epoch; 0: keep the "
        "last.",
    ),
]
Epochs = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Largest number of epochs. The default depends on the model; the progress shows it.",
    ),
]
Seed = Annotated[
    int, typer.Option(min=0, help="Random seed of the split, the training and simulated scenes.")
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="One setting, such as training.learning_rate=0.001; repeatable. A wrong key lists all "
        "keys.",
        metavar="K=V",
    ),
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Resume this run after it was interrupted or killed.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an earlier run.")]


class By(str, Enum):
    """What parts of the data never share."""

    image = "image"
    object = "object"


_Settings = TypeVar("_Settings", bound=BaseModel)
_Scores = TypeVar("_Scores")


def chosen_settings(
    model: type[_Settings],
    epochs: int | None,
    seed: int,
    device: str,
    settings: Iterable[str] | None,
    more: Mapping[str, Any] | None = None,
) -> _Settings:
    """The settings of a training, from the options that have names of their own and from --set.

    Args:
        model: of the settings.
        epochs, seed, device, settings: as on the command line.
        more: values of other options, by their keys.

    Raises:
        ConfigError: if an option means nothing to what is trained, a key is unknown or a value is
            not accepted.
    """
    from cvdl.core.config import ConfigError, load_settings

    values: dict[str, Any] = {"seed": seed}
    if device != "auto":
        values["device"] = device
    if epochs is not None:
        values["epochs"] = epochs
    # Where a model is trained by the loop that most share, its settings are a level deeper.
    inner: Any = model.model_fields.get("training")
    for name in values:
        if name not in (inner.annotation if inner else model).model_fields:
            raise ConfigError(f"--{name} does not apply: this model has no such setting")
    if inner:
        values = {"training": values}
    return load_settings(model, overrides=settings or (), values={**values, **(more or {})})


@dataclass(frozen=True)
class Run:
    """What a training begins with.

    Attributes:
        parts: what to train, validate and test on, one split a fold.
        record: of the run, as JSON takes it.
    """

    parts: list[Split]
    record: dict[str, Any]

    @property
    def metadata(self) -> dict[str, str]:
        """What the weights say of the run."""
        return {
            key: str(value)
            for key, value in self.record.items()
            if key not in ("settings", "folds")
        }


def begin_run(
    out: Path,
    what: Mapping[str, Any],
    groups: Sequence[str],
    by: By,
    folds: int,
    validation: float,
    test: float,
    seed: int,
    settings: BaseModel,
    resume: bool,
    overwrite: bool,
) -> Run:
    """Splits the data and prepares the run's folder; the options' meanings.

    Args:
        out: the folder.
        what: is trained on what, as JSON takes it.
        groups: of each view, its object.
        by: what parts of the data never share.
        folds, validation, test, seed, settings, resume, overwrite: as on the command line.

    Raises:
        InputError: if the data cannot be split, or the folder cannot be used.
    """
    from cvdl import __version__
    from cvdl.training import splits
    from cvdl.training.checkpoint import prepare_run

    if folds:
        parts = splits.folds(groups, folds, by.value, validation, seed)
    else:
        parts = [splits.split(groups, validation, test, by.value, seed)]
    record = {
        "version": __version__,
        **what,
        "views": len(groups),
        "folds": folds,
        "by": by.value,
        "validation": validation,
        "test": 0 if folds else test,
        "seed": seed,
        # Where it runs is no part of what a run is: it may go on elsewhere.
        "settings": settings.model_dump(
            mode="json", exclude={"device": True, "training": {"device"}}
        ),
    }
    prepare_run(out, record, resume, overwrite)
    return Run(parts, record)


def run_parts(
    parts: Sequence[Split],
    folds: int,
    out: Path,
    console: Console,
    data: Iterable[object],
    train: Callable[[Split, Path], _Scores],
) -> list[_Scores]:
    """Train on the one split in the run's folder, or fold by fold in sub-folders.

    Ctrl-C ends the command with one line that says how to go on. An earlier run that this one
    replaces is gone only when this one has trained something.

    Args:
        parts: as many as folds, or one.
        folds: how many; 0: none.
        out: the run's folder, as ``begin_run`` made it.
        console: says which fold it is.
        data: data sets; simulated ones are made before anything is trained.
        train: is given a split and a folder.

    Returns:
        What each training gave.
    """
    from cvdl.training.checkpoint import settle_run

    scored = []
    try:
        for views in data:
            _keep_simulated(views, console)
        for number, part in enumerate(parts, 1):
            if folds:
                console.print(f"fold {number} of {folds}", highlight=False)
            scored.append(train(part, out / f"fold{number}" if folds else out))
    except KeyboardInterrupt:
        goes_on = settle_run(out)
        what = "the same command with --resume continues" if goes_on else "nothing is trained yet"
        typer.echo(f"interrupted: {what}", err=True)
        raise typer.Exit(130) from None
    except BaseException:
        settle_run(out)
        raise
    settle_run(out)
    return scored


def tell_end(out: Path, folds: int, stage: str, name: str) -> None:
    """Where the run is and how its weights are used; with folds there are several.

    Args:
        out: the run's folder.
        folds: how many; 0: none.
        stage: section of the settings that names the detector and its weights.
        name: of the detector.
    """
    typer.echo(f"run: {out}")
    if not folds:
        typer.echo(
            f"to use it: cvdl replay BAG -o OUT --set {stage}.detector={name} "
            f"--set {shlex.quote(f'{stage}.weights={out}/{name}.safetensors')}"
        )


def _keep_simulated(views: object, console: Console) -> None:
    """Makes views that are simulated once, on several processes, and shows how far it is."""
    from rich.progress import track

    from cvdl.datasets.simulated import SimulatedDataset

    if isinstance(views, SimulatedDataset):
        total = len(views)
        views.keep(lambda made: track(made, "simulating", total, console=console, transient=True))
