"""``cvdl train``: makes weights from labeled data, the same way for every problem."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cvdl.cli.options import Data, Device, Scenes, names_option, write_json
from cvdl.cli.problems import (
    CAPTIONS,
    CLASSIFICATION,
    DETECTION,
    GRASPING,
    HOLDING,
    SEGMENTATION,
    WORDS,
    Problem,
)
from cvdl.core.extras import require
from cvdl.datasets.registry import DATASETS, open_dataset

if TYPE_CHECKING:
    from rich.console import Console

    from cvdl.exporting.networks import Network
    from cvdl.training.splits import Split

__all__ = ["command"]

_WORST = 48  # results on the sheet


class Kind(str, Enum):
    """What can be trained."""

    detector = "detector"
    grasp = "grasp"
    classifier = "classifier"
    segmentation = "segmentation"
    holding = "holding"
    words = "words"
    captions = "captions"


_PROBLEMS: dict[Kind, Problem[Any, Any]] = {
    Kind.detector: DETECTION,
    Kind.grasp: GRASPING,
    Kind.classifier: CLASSIFICATION,
    Kind.segmentation: SEGMENTATION,
    Kind.holding: HOLDING,
    Kind.words: WORDS,
    Kind.captions: CAPTIONS,
}
_NAMES = [problem.trainable for problem in (DETECTION, GRASPING)]


class By(str, Enum):
    """What the parts of the data never share."""

    image = "image"
    object = "object"


def command(
    kind: Annotated[
        Kind,
        typer.Argument(
            help="detector: boxes and classes of objects; grasp: grasp rectangles; classifier: "
            "the class of the object in a box, for the detector rcnn; segmentation: which pixels "
            "are an object, and which belong together; holding: the chance that a grasp holds; "
            "words: which object a phrase is about; captions: sentences about frames."
        ),
    ],
    out: Annotated[Path, typer.Option(help="New folder for the run.")],
    data: Data = None,
    dataset: Annotated[
        str | None,
        names_option(
            DATASETS.names,
            "Data set; default: coco, for grasp cornell, for segmentation osd, for holding "
            "executed, for words and captions simulated.",
        ),
    ] = None,
    detector: Annotated[
        str | None,
        names_option(
            [name for names in _NAMES for name in names],
            f"Model to train. For detector {_NAMES[0][0]} by default; for grasp one of "
            f"{', '.join(_NAMES[1])}; for classifier rcnn; for segmentation instances; "
            "for holding holding; for words words; for captions captions.",
        ),
    ] = None,
    folds: Annotated[
        int,
        typer.Option(
            min=0,
            help="Cross-validate with this many folds: one model per fold, tested on that fold.",
        ),
    ] = 0,
    by: Annotated[
        By,
        typer.Option(
            help="object: all views of an object are in one part, so the test is on new objects; "
            "image: they may be in several. Only data sets of grasps name objects; others: image."
        ),
    ] = By.object,
    test: Annotated[
        float,
        typer.Option(min=0, max=0.9, help="Share of the views to test on; ignored with --folds."),
    ] = 0.1,
    validation: Annotated[
        float,
        typer.Option(
            min=0,
            max=0.9,
            help="Share of the other views to validate on, which selects the best epoch; 0: keep "
            "the last.",
        ),
    ] = 0.1,
    extra: Annotated[
        list[str] | None,
        typer.Option(
            help="More training data, never tested on, such as cornell_rgb=DIR, or "
            "simulated_world=SCENES; repeatable.",
            metavar="DATASET=DIR",
        ),
    ] = None,
    simulated: Annotated[
        int,
        typer.Option(
            min=0,
            help="Also train on this many simulated scenes (2 to 3 MB of memory each). To train on "
            "nothing else: --dataset simulated --scenes N; for grasps and segmentation also "
            "simulated_world.",
        ),
    ] = 0,
    scenes: Scenes = 100,
    epochs: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Largest number of epochs. The default depends on the model; the progress shows "
            "it.",
        ),
    ] = None,
    seed: Annotated[
        int,
        typer.Option(min=0, help="Random seed of the split, the training and simulated scenes."),
    ] = 0,
    device: Device = "auto",
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="One setting, such as steps=50 or training.epochs=9; repeatable. A wrong key "
            "lists the accepted ones.",
            metavar="K=V",
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Resume this run after it was interrupted or killed.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier run.")] = False,
) -> None:
    """Train a model on labeled data and score it on new views.

    A detector, on a folder in COCO's format (here of simulated scenes), tested on a tenth of it:

        cvdl simulate scenes --format coco --scenes 4000 --seed 0

        cvdl train detector --data scenes --out runs/detector

    A grasp detector, tested on new objects in five folds, which takes a while:

        cvdl train grasp --data cornell/01 --folds 5 --out runs/folds

    On all views and on simulated scenes, for weights to use elsewhere:

        cvdl train grasp --data cornell/01 --test 0 --simulated 500 --out runs/all

        cvdl evaluate grasp --data OTHER --weights runs/all/cascade.safetensors

    The network of R-CNN, from ImageNet's weights (--set frozen_stages=2 keeps its
    first two stages as they are):

        cvdl train classifier --data scenes --out rcnn --set weights=IMAGENET1K_V1

    The network of the segmentation, on a folder in the layout of OSD (here of
    simulated scenes), from the weights of the package on:

        cvdl simulate things --domain world --format images --scenes 4000

        cvdl train segmentation --data things --out runs/segmentation

    The chance that a grasp holds, on grasps that were executed in a physics
    simulation (extra cvdl[physics]):

        cvdl simulate executed/table --format grasps --scenes 1000

        cvdl simulate executed/world --format grasps --domain world --scenes 1000

        cvdl train holding --data executed --out runs/holding

    The network that finds objects by phrases, on simulated scenes:

        cvdl train words --scenes 2000 --seed 30 --out runs/words

    The network that writes sentences, on simulated scenes or on photographs with
    sentences:

        cvdl train captions --scenes 2000 --seed 30 --out runs/captions

        cvdl train captions --dataset photographs --data coco --out runs/photographs

    The run's folder holds the weights (NAME.safetensors; with folds, one in each
    foldN) and the results of the test: results.json, sheet.png (the worst
    results), curves.png (not for segmentation, words and captions) and, for boxes,
    confusion.png.
    Of rgbd_rcnn, yolo, cascade and instances there are also ONNX files in 8 bits
    (not with folds): where the weights are given, a CPU runs these. Of holding,
    words and captions there are ONNX files, which are what runs.

    Its folder "training" holds the losses as JSON, as curves (PNG) and for
    tensorboard --logdir (hog has no losses). Ctrl-C or a kill at any time loses
    one epoch at most (of lenz2014, one network): the same command with --resume
    continues.
    """
    require("train", "cvdl train")
    from rich.console import Console

    from cvdl import __version__
    from cvdl.cli.console import status_console
    from cvdl.exporting.networks import NETWORKS
    from cvdl.training import splits
    from cvdl.training.checkpoint import Run, prepare_run

    console = status_console()
    problem = _PROBLEMS[kind]
    name, dataset = detector or problem.default, dataset or problem.dataset
    trainer = problem.trainer(name)
    chosen = _chosen_settings(trainer.settings, epochs, seed, device, settings)
    views = open_dataset(dataset, problem.labels, data, scenes, seed)
    more = [_extra(problem, text, views.names, seed + 1) for text in extra or []]
    if simulated:  # not the scenes to test on
        more.append(open_dataset("simulated", problem.labels, None, simulated, seed + 1))
    groups = getattr(views, "object_ids", None)
    by = By.image if groups is None else by
    groups = groups or views.names
    if folds:
        parts = splits.folds(groups, folds, by.value, validation, seed)
    else:
        parts = [splits.split(groups, validation, test, by.value, seed)]
    record = {
        "version": __version__,
        "detector": name,
        "dataset": dataset,
        "data": None if data is None else str(data),
        "extra": extra or [],
        "simulated": simulated,
        "views": len(groups),
        "folds": folds,
        "by": by.value,
        "validation": validation,
        "test": 0 if folds else test,
        "seed": seed,
        # The device is not part of a run, which may go on elsewhere.
        "settings": chosen.model_dump(
            mode="json", exclude={"device": True, "training": {"device"}}
        ),
    }
    prepare_run(out, record, resume, overwrite)

    def train_and_score(part: Split, folder: Path) -> Any:
        train = problem.part(views, part.train, more)
        validate = problem.part(views, part.validation)
        model = trainer.train(train, validate, chosen, Run(folder / "training", resume, console))
        scores = problem.score(model, problem.part(views, part.test), console)
        counts = {"train_views": len(train), "test_views": len(part.test)}
        figures = problem.report([scores]).figures() if len(part.test) else {}
        model.save(folder / f"{name}.safetensors", _metadata(record, counts, figures))
        problem.complete(folder / f"{name}.safetensors")
        return scores

    scores = _run_parts(parts, folds, out, console, [views, *more], train_and_score)
    report = problem.report(scores)
    if problem.count(report):
        each = [problem.report([some]) for some in scores] if folds else []
        write_json(out / "results.json", {**record, **problem.content(report, each)})
        for picture, draw in problem.pictures(report, views, _WORST, each).items():
            draw(out / f"{picture}.png")
        tested = f"{folds} folds, {by.value}-wise" if folds else f"{by.value}-wise test"
        Console().print(problem.table(f"{name} on {dataset}: {tested}", report, each))
    typer.echo(f"run: {out}")
    if not folds:
        typer.echo(f"to use it: {problem.command(name, out / f'{name}.safetensors')}")
        if name in NETWORKS:
            weights = out / f"{name}.safetensors"
            _quantize(NETWORKS[name], weights, problem.part(views, parts[0].train, more), console)


def _quantize(network: Network, weights: Path, views: Any, console: Console) -> None:
    """Write the files that ONNX Runtime runs, beside the weights of a run."""
    from cvdl.exporting.calibration import spread_over
    from cvdl.exporting.export import export

    with console.status("writing the ONNX files that run on a CPU"):
        exportable = network.exportable(weights)
        export(exportable, weights, weights.with_suffix(".onnx"), spread_over(views), typer.echo)


def _chosen_settings(
    model: type[Any], epochs: int | None, seed: int, device: str, settings: Iterable[str] | None
) -> Any:
    """The settings of a training, from --set and from the options with names of their own."""
    from cvdl.core.config import ConfigError, load_settings

    values: dict[str, Any] = {"seed": seed}
    if device != "auto":
        values["device"] = device
    if epochs is not None:
        values["epochs"] = epochs
    # Models that the common loop trains have its settings one level deeper.
    inner = model.model_fields.get("training")
    for name in values:
        if name not in (inner.annotation if inner else model).model_fields:
            raise ConfigError(f"--{name} does not apply: this model has no such setting")
    values = {"training": values} if inner else values
    return load_settings(model, overrides=settings or (), values=values)


def _extra(problem: Problem[Any, Any], text: str, names: Sequence[str], seed: int) -> Any:
    """A data set to train on, from --extra; none of its views may be in the one to test on.

    Args:
        problem: what is trained.
        text: DATASET=DIR, or DATASET=SCENES of a simulated one.
        names: of the views to test on.
        seed: of simulated scenes, another one than that of the scenes to test on.
    """
    from cvdl.core.errors import InputError
    from cvdl.datasets.registry import DATASETS

    dataset, separator, source = text.partition("=")
    if not separator:
        raise InputError(f"--extra is {text!r}; expected DATASET=DIR, such as cornell_rgb=DIR")
    if DATASETS[dataset].is_simulated:
        if not source.isdecimal() or not int(source):
            raise InputError(
                f"--extra is {text!r}; expected {dataset}=SCENES, such as {dataset}=500"
            )
        return open_dataset(dataset, problem.labels, None, int(source), seed)
    data = open_dataset(dataset, problem.labels, Path(source))
    both = sorted(set(data.names) & set(names))
    if both:
        raise InputError(f"--extra {text}: {both[0]} is also in the test data")
    return data


def _metadata(
    record: Mapping[str, Any], counts: Mapping[str, int], figures: Mapping[str, float]
) -> dict[str, str]:
    """What the weights say of the run and of its test."""
    run = {key: str(value) for key, value in record.items() if key not in ("settings", "folds")}
    tested = {f"test/{name}": f"{value:.4f}" for name, value in figures.items()}
    return {**run, **{key: str(value) for key, value in counts.items()}, **tested}


def _run_parts(
    parts: Sequence[Split],
    folds: int,
    out: Path,
    console: Console,
    data: Iterable[object],
    train_and_score: Callable[[Split, Path], Any],
) -> list[Any]:
    """Train on the one split in the run's folder, or fold by fold in sub-folders.

    An earlier run that this one replaces is removed only when this one has trained something.
    """
    from cvdl.training.checkpoint import settle_run

    scores = []
    try:
        for views in data:
            _keep_simulated(views, console)
        for number, part in enumerate(parts, 1):
            if folds:
                console.print(f"fold {number} of {folds}", highlight=False)
            scores.append(train_and_score(part, out / f"fold{number}" if folds else out))
    except KeyboardInterrupt:
        goes_on = settle_run(out)
        what = "the same command with --resume continues" if goes_on else "nothing is trained yet"
        typer.echo(f"interrupted: {what}", err=True)
        raise typer.Exit(130) from None
    except BaseException:
        settle_run(out)
        raise
    settle_run(out)
    return scores


def _keep_simulated(views: object, console: Console) -> None:
    """Make simulated views once, on several processes, with a progress bar."""
    from cvdl.datasets.dataset import tracked
    from cvdl.datasets.simulated.scenes import SimulatedDataset

    if isinstance(views, SimulatedDataset):
        total = len(views)
        views.keep(lambda made: tracked(made, "simulating", console, total))
