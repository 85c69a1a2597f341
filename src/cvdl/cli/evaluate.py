"""``cvdl evaluate``: quality of scenes, boxes, pixels and grasps on labeled data, as tables."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from cvdl import __version__
from cvdl.cli.console import status_console
from cvdl.cli.options import (
    Config,
    Data,
    Device,
    EngineName,
    JsonFile,
    ReplaceOutputs,
    Scenes,
    Sheet,
    StageSettings,
    UnseenSeed,
    Worst,
    names_option,
    write_json,
)
from cvdl.cli.problems import CAPTIONS, CLASSIFICATION, DETECTION, GRASPING, WORDS, Draw
from cvdl.cli.tables import empty_table, figures_table
from cvdl.core.errors import InputError
from cvdl.core.extras import require
from cvdl.core.files import keep_outputs
from cvdl.core.tally import counted, latency_report
from cvdl.datasets.dataset import tracked
from cvdl.datasets.registry import datasets_of, open_dataset
from cvdl.detection import DETECTORS
from cvdl.evaluation.physics.settings import PARTS, PhysicsSettings
from cvdl.grasping import GRASP_DETECTORS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from rich.table import Table

    from cvdl.core.frame import RgbdFrame

__all__ = ["app"]

app = typer.Typer(
    help="Measure quality on labeled data.", no_args_is_help=True, add_completion=False
)

_PHYSICS = "With --physics"
_COLUMNS = {
    "overlap_f": "F",
    "overlap_precision": "P",
    "overlap_recall": "R",
    "boundary_f": "edge F",
    "boundary_precision": "edge P",
    "boundary_recall": "edge R",
    "detected": "found",
}


class Split(str, Enum):
    """Parts of a data set."""

    all = "all"
    tune = "tune"
    report = "report"


class Proposals(str, Enum):
    """Where the boxes to look at come from, besides the detector's own."""

    none = "none"
    segments = "segments"


@app.command()
def segmentation(
    data: Annotated[Path, typer.Option(help="Folder of the labeled frames, in the layout of OSD.")],
    split: Annotated[
        Split,
        typer.Option(help="Scenes with an even number are for tuning, odd ones for reporting."),
    ] = Split.all,
    config: Config = None,
    settings: StageSettings = None,
    json_path: JsonFile = None,
    sheet: Sheet = None,
    worst: Worst = 8,
    overwrite: ReplaceOutputs = False,
) -> None:
    """Score the segmentation with the measures of unseen-object segmentation.

    Predicted and labeled objects are matched one to one.

    P, R, F: precision, recall and F-measure of the pixels of objects.

    edge: the same for the outlines.

    found: share of the labeled objects with F > 0.75.
    """
    require("evaluate", "cvdl evaluate")
    from cvdl.datasets import OsdDataset
    from cvdl.evaluation.segmentation_dataset import (
        evaluate_dataset,
        segmentation_report,
        worst_frames,
    )
    from cvdl.pipeline import Perception, load_config
    from cvdl.viz.pictures import write_png

    keep_outputs((json_path, sheet), overwrite)
    loaded = load_config(config, settings or [])
    frames = OsdDataset(data, split.value)
    perception = Perception(loaded.segmentation_only())
    each = evaluate_dataset(frames, perception)
    results = list(tracked(each, "evaluating", status_console(), len(frames)))
    content = {
        "dataset": "osd",
        "data": str(data),
        "split": split.value,
        "settings": loaded.model_dump(),
        **segmentation_report(results),
    }
    console = Console()
    console.print(_scenes_table(content))
    for stage, latency in content["latency_ms"].items():
        console.print(f"{stage}: median {latency['median']:.1f} ms, p95 {latency['p95']:.1f} ms")

    def draw(path: Path) -> None:
        write_png(path, worst_frames(frames, perception, results, worst))

    _write(json_path, content, {"worst frames": (sheet, draw)})


@app.command(no_args_is_help=True)
def grasp(
    data: Data = None,
    dataset: Annotated[
        str | None,
        names_option(
            [each.name for each in datasets_of("grasps")],
            f"Layout of the folder; default: {GRASPING.dataset}, with --physics simulated.",
        ),
    ] = None,
    detector: Annotated[
        str, names_option(GRASP_DETECTORS.names, "Grasp detector.")
    ] = GRASPING.default,
    weights: Annotated[
        str,
        typer.Option(help="File of its weights (.safetensors, .onnx); default: the package's."),
    ] = "",
    scenes: Scenes = 100,
    seed: UnseenSeed = 10_000,
    device: Device = "auto",
    engine: EngineName = "auto",
    json_path: JsonFile = None,
    sheet: Sheet = None,
    worst: Worst = 48,
    curves: Annotated[
        Path | None, typer.Option(help="Write precision over recall and ROC to this PNG file.")
    ] = None,
    physics: Annotated[
        bool,
        typer.Option(
            "--physics",
            help="Execute the published grasps in MuJoCo, on simulated scenes.",
            rich_help_panel=_PHYSICS,
        ),
    ] = False,
    friction: Annotated[
        float,
        typer.Option(min=0, help="Of the pads of the gripper.", rich_help_panel=_PHYSICS),
    ] = PhysicsSettings.friction,
    density: Annotated[
        float, typer.Option(min=1, help="Of the objects, kg/m³.", rich_help_panel=_PHYSICS)
    ] = PhysicsSettings.density,
    force: Annotated[
        float, typer.Option(min=0.1, help="Of each finger, N.", rich_help_panel=_PHYSICS)
    ] = PhysicsSettings.force,
    parts: Annotated[
        str,
        typer.Option(
            help="What is executed, with commas between: control (the simulation's own grasps), "
            "published, baseline (straight down over the middle of each object), clearing (of the "
            "whole table).",
            metavar="PART,...",
            rich_help_panel=_PHYSICS,
        ),
    ] = ",".join(PARTS),
    video: Annotated[
        Path | None,
        typer.Option(
            help="Write films of first grasps that fail to this MP4 file, at most --worst.",
            rich_help_panel=_PHYSICS,
        ),
    ] = None,
    reliability: Annotated[
        Path | None,
        typer.Option(
            help="Write which share holds over the published score to this PNG file.",
            rich_help_panel=_PHYSICS,
        ),
    ] = None,
    config: Config = None,
    settings: StageSettings = None,
    overwrite: ReplaceOutputs = False,
) -> None:
    """Score a grasp detector on whole images, or execute grasps in a physics simulation.

    top-1: share of the views whose best rectangle is right: some good rectangle
    differs by at most 30 degrees and has a higher Jaccard index (intersection over
    union) with it than the one given.

    recognition: share of the labeled rectangles, good and bad, that a score of
    0.5 classifies correctly.

    In --sheet, good rectangles are thin and blue; the prediction is thick, green if
    right and red if wrong.

    With --physics, all stages run on simulated scenes, and a free-flying gripper of
    the configured size executes their grasps: from 12 cm back straight in, close,
    lift 20 cm, shake. Clearing a table ends after two failures in a row. In --sheet
    and --video are first grasps of an object that failed.
    """
    require("evaluate", "cvdl evaluate")
    keep_outputs((json_path, sheet, curves, video, reliability), overwrite)
    if physics:
        require("physics", "cvdl evaluate grasp --physics")
        from cvdl.cli.physics import PhysicsOutputs, domain_of, execute, parts_of
        from cvdl.pipeline import load_config

        if data is not None or curves is not None:
            raise InputError("--physics simulates its scenes: it takes no --data and no --curves")
        chosen = {"detector": detector, "weights": weights, "device": device, "engine": engine}
        usual = {"detector": GRASPING.default, "weights": "", "device": "auto", "engine": "auto"}
        overrides = [f"grasp.{key}={chosen[key]}" for key in usual if chosen[key] != usual[key]]
        loaded = load_config(config, overrides + (settings or []))
        forces = PhysicsSettings(friction, density, force)
        outputs = PhysicsOutputs(sheet, video, reliability, worst)
        content, pictures = execute(
            domain_of(dataset), loaded, forces, scenes, seed, parts_of(parts), outputs
        )
        _write(json_path, content, pictures)
        return
    if config is not None or settings:
        raise InputError("--config and --set are for --physics")
    if video is not None or reliability is not None or parts != ",".join(PARTS):
        raise InputError("--video, --reliability and --parts are for --physics")
    if PhysicsSettings(friction, density, force) != PhysicsSettings():
        raise InputError("--friction, --density and --force are for --physics")
    dataset = dataset or GRASPING.dataset
    console = status_console()
    views = open_dataset(dataset, "grasps", data, scenes, seed)
    model = GRASP_DETECTORS[detector]
    scores = GRASPING.score(model.load(weights, device, engine), views, console)
    if not scores.results:
        raise InputError(f"{data or dataset}: no view has a good rectangle to compare with")
    Console().print(GRASPING.table(f"{detector} on {dataset}", scores))
    if getattr(views, "skipped", 0):
        typer.echo(f"skipped, a number is missing: {counted(views.skipped, 'rectangle')}")
    if not weights and dataset in model.trained_on:
        console.print(
            f"The package's weights were trained on {' and '.join(model.trained_on)}, so scores on "
            "these views are too high. docs/grasping.md has cross-validated scores.",
            style="yellow",
            highlight=False,
        )
    content = {"detector": detector, **_inputs(weights, dataset, data), **scores.report()}
    draw = GRASPING.pictures(scores, views, worst)
    pictures = {"worst views": (sheet, draw["sheet"]), "curves": (curves, draw["curves"])}
    _write(json_path, content, pictures)


@app.command(no_args_is_help=True)
def detector(
    data: Data = None,
    dataset: Annotated[
        str, names_option([each.name for each in datasets_of("boxes")], "Layout of the folder.")
    ] = DETECTION.dataset,
    name: Annotated[
        str, names_option(DETECTORS.names, "Detector.", "--detector")
    ] = DETECTION.default,
    weights: Annotated[
        str,
        typer.Option(
            help="File of weights, an ONNX file, or the name of weights of torchvision, such as "
            "COCO_V1; default: the package's, for rgbd_rcnn, segnet and yolo."
        ),
    ] = "",
    proposals: Annotated[
        Proposals, typer.Option(help="segments: the detector gets the boxes of the segmentation.")
    ] = Proposals.none,
    class_agnostic: Annotated[
        bool,
        typer.Option("--class-agnostic", help="Score boxes without their class names; for osd."),
    ] = False,
    scenes: Scenes = 200,
    seed: UnseenSeed = 10_000,
    device: Device = "auto",
    engine: EngineName = "auto",
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

    AP50: average precision, where a box is right if it overlaps an object by 0.5 or more.

    AP50:95: the mean of the average precision over the overlaps 0.50, 0.55, ... 0.95.

    AR: the mean recall over the same overlaps. All three are means over the classes
    that detector and data have in common, by name.

    Mistakes and confusion matrix use the score threshold with the best F1. In --sheet,
    labeled boxes are blue and wrong detections red: "loose" detections overlap an
    object of their class by less than 0.5, "second" ones repeat a detection, "false"
    ones overlap no object of their class.
    """
    require("evaluate", "cvdl evaluate")
    from cvdl.evaluation.detection import score_detector

    pictures = {"sheet": sheet, "curves": curves, "confusion": confusion}
    keep_outputs((json_path, *pictures.values()), overwrite)
    console = status_console()
    views = open_dataset(dataset, "boxes", data, scenes, seed)
    proposer = None
    if proposals is Proposals.segments:
        from cvdl.detection.proposals import TabletopProposals

        proposer = TabletopProposals()
    model = DETECTORS[name].load(weights, device, engine)
    samples = tracked(views, "detecting", console)
    result = score_detector(model, samples, views.classes, proposer, class_agnostic)
    if result.unknown:
        console.print(
            f"not scored, unknown to {name}: {', '.join(result.unknown)}",
            style="yellow",
            highlight=False,
        )
    report = result.scores.report()
    if not report.boxes:
        raise InputError(f"{data or dataset}: no view has a box to compare with")
    table = DETECTION.table(f"{name} on {dataset}", report)
    for stage, (median, p95) in result.latency_ms.items():
        table.add_row(f"{stage}: median, p95", f"{median:.1f} ms, {p95:.1f} ms")
    Console().print(table)
    content = {
        "detector": name,
        **_inputs(weights, dataset, data),
        "proposals": proposals.value,
        "class_agnostic": class_agnostic,
        "not_scored": list(result.unknown),
        "latency_ms": latency_report(result.latency_ms),
        **report.report(),
    }
    draw = DETECTION.pictures(report, views, worst)
    _write(json_path, content, {name: (pictures[name], draw[name]) for name in draw})
    if sheet is not None and not report.mistakes:
        typer.echo(f"no mistakes: {sheet} is not written")


@app.command(no_args_is_help=True)
def classifier(
    weights: Annotated[
        str, typer.Option(help="File of weights of cvdl train classifier or of the detector rcnn.")
    ],
    data: Data = None,
    dataset: Annotated[
        str, names_option([each.name for each in datasets_of("boxes")], "Layout of the folder.")
    ] = CLASSIFICATION.dataset,
    scenes: Scenes = 200,
    seed: UnseenSeed = 10_000,
    device: Device = "auto",
    json_path: JsonFile = None,
    sheet: Sheet = None,
    worst: Worst = 48,
    curves: Annotated[
        Path | None, typer.Option(help="Write the ROC curve of each class to this PNG file.")
    ] = None,
    confusion: Annotated[
        Path | None, typer.Option(help="Write the confusion matrix to this PNG file.")
    ] = None,
    overwrite: ReplaceOutputs = False,
) -> None:
    """Score the classifier of crops on labeled boxes, and on as many of the background.

    top-1: share of the objects whose class is the most probable one; top-5: whose
    class is among the five most probable. Nothing, for the background, is a class
    like the others.

    Objects of classes that the classifier does not know are left out.
    """
    require("evaluate", "cvdl evaluate")
    require("torch", "cvdl evaluate classifier")

    pictures = {"sheet": sheet, "curves": curves, "confusion": confusion}
    keep_outputs((json_path, *pictures.values()), overwrite)
    views = open_dataset(dataset, "boxes", data, scenes, seed)
    model = DETECTORS[CLASSIFICATION.default].load(weights, device)
    scores = CLASSIFICATION.score(model, views, status_console())
    if not CLASSIFICATION.count(scores):
        raise InputError(f"{data or dataset}: no view has a box to classify")
    Console().print(CLASSIFICATION.table(f"classifier on {dataset}", scores))
    content = {**_inputs(weights, dataset, data), **scores.report()}
    draw = CLASSIFICATION.pictures(scores, views, worst)
    _write(json_path, content, {name: (pictures[name], draw[name]) for name in draw})
    if sheet is not None and "sheet" not in draw:
        typer.echo(f"no mistakes: {sheet} is not written")


@app.command(no_args_is_help=True)
def semantic(
    data: Data = None,
    dataset: Annotated[
        str,
        names_option(
            [each.name for each in datasets_of("masks")],
            "Layout of the folder; its views need masks.",
        ),
    ] = "coco",
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

    mean IoU: intersection over union of labeled and predicted pixels, the mean
    over the classes; pixels without a class count as one more class.

    class accuracy: share of each class's pixels that is right, the mean over the
    classes; pixel accuracy: share of all pixels that is right.

    outline F: share of the classes' outlines that lie within 0.75 % of the
    image's diagonal of the other's, both ways; the mean over the images.
    """
    require("evaluate", "cvdl evaluate")
    from cvdl.evaluation.semantic import score_class_maps
    from cvdl.evaluation.semantic_pictures import worst_views
    from cvdl.evaluation.shared_classes import SharedClasses
    from cvdl.viz.pictures import write_png

    keep_outputs((json_path, sheet), overwrite)
    views = open_dataset(dataset, "masks", data, scenes, seed)
    model = DETECTORS["segnet"].load(weights, device)
    shared = SharedClasses.between(model.classes, views.classes)
    if shared.unknown:
        raise InputError(
            f"{data or dataset}: the weights do not know {', '.join(shared.unknown)}; they "
            f"know {', '.join(model.classes)}"
        )

    def class_map(frame: RgbdFrame) -> NDArray[np.uint8]:
        return shared.class_map(model.class_map(frame))

    samples = tracked(views, "looking", status_console())
    report = score_class_maps(class_map, samples, views.classes)
    if not report.pixels[:-1].any():
        raise InputError(f"{data or dataset}: no view has a labeled pixel to compare with")
    words = {
        "mean_iou": "mean IoU",
        "class_accuracy": "class accuracy",
        "pixel_accuracy": "pixel accuracy",
        "outline_f": "outline F",
    }
    table = figures_table(f"segnet on {dataset}", words, report.figures(), (), "all views")
    table.add_row("images", str(len(report.views)))
    table.add_section()
    for name, iou in zip((*report.classes, "no class"), report.iou, strict=True):
        table.add_row(f"IoU of {name}", "-" if isnan(iou) else f"{iou:.3f}")
    Console().print(table)

    def draw(path: Path) -> None:
        write_png(path, worst_views(class_map, views, report, worst))

    content = {**_inputs(weights, dataset, data), **report.report()}
    _write(json_path, content, {"worst views": (sheet, draw)})


@app.command()
def words(
    dataset: Annotated[
        str, names_option([each.name for each in datasets_of("words")], "Data set.")
    ] = WORDS.dataset,
    weights: Annotated[
        str, typer.Option(help="File of its weights (.onnx); default: the package's.")
    ] = "",
    scenes: Scenes = 200,
    seed: UnseenSeed = 10_000,
    json_path: JsonFile = None,
    overwrite: ReplaceOutputs = False,
) -> None:
    """Score how well words are understood, on objects that the perception has found.

    right object: share of the phrases whose likeliest object is the one that they
    single out, by its kind ("the mug"), one attribute ("the red thing") or a
    relation ("the box left of the banana"). An object that the segmentation has
    not found counts as wrong.

    R@N: share of the sentences whose frame is among the N that fit them best, and
    of the frames that have a sentence among the N that fit best.
    """
    require("evaluate", "cvdl evaluate")
    from cvdl.evaluation.words import score_words
    from cvdl.language.aligner import load_aligner

    keep_outputs((json_path,), overwrite)
    aligner = load_aligner(weights)
    views = open_dataset(dataset, "words", None, scenes, seed)
    samples = tracked(views.on_processes(), "looking", status_console(), len(views))
    report = score_words(aligner, samples)
    Console().print(WORDS.table(f"words on {dataset}", report))
    _write(json_path, {**_inputs(weights, dataset, None), **report.report()}, {})


@app.command()
def captions(
    data: Data = None,
    dataset: Annotated[
        str, names_option([each.name for each in datasets_of("captions")], "Data set.")
    ] = CAPTIONS.dataset,
    weights: Annotated[
        str, typer.Option(help="File of its weights (.onnx); default: the package's.")
    ] = "",
    scenes: Scenes = 200,
    seed: UnseenSeed = 10_000,
    json_path: JsonFile = None,
    overwrite: ReplaceOutputs = False,
) -> None:
    """Score sentences about frames, on objects that the perception has found.

    true: share of the stated facts that are true in simulated scenes, by kind of
    fact. What is said of an object that is none is false.

    BLEU, ROUGE-L, CIDEr: how much a sentence is like those that others have written
    about the frame. CIDEr is also measured of each of these against the others.
    """
    require("evaluate", "cvdl evaluate")
    from cvdl.evaluation.captions import score_captions
    from cvdl.language.captioner import load_captioner

    keep_outputs((json_path,), overwrite)
    captioner = load_captioner(weights)
    views = open_dataset(dataset, "captions", data, scenes, seed)
    made = views.on_processes() if hasattr(views, "on_processes") else views
    report = score_captions(captioner, tracked(made, "looking", status_console(), len(views)))
    Console().print(CAPTIONS.table(f"captions on {dataset}", report))
    _write(json_path, {**_inputs(weights, dataset, data), **report.report()}, {})


def _inputs(weights: str, dataset: str, data: Path | None) -> dict[str, str | None]:
    """What the figures are of, for JSON."""
    path = None if data is None else str(data)
    return {"weights": weights or None, "dataset": dataset, "data": path}


def _write(
    json_path: Path | None,
    content: Mapping[str, Any],
    pictures: Mapping[str, tuple[Path | None, Draw]],
) -> None:
    """Write the figures and the pictures that are asked for, and report where they are."""
    if json_path is not None:
        write_json(json_path, {"version": __version__, **content})
        typer.echo(f"figures: {json_path}")
    for name, (path, draw) in pictures.items():
        if path is not None:
            draw(path)
            typer.echo(f"{name}: {path}")


def _scenes_table(content: Mapping[str, Any]) -> Table:
    title = f"{content['data']}, {content['split']} scenes"
    table = empty_table(title, "scene", *_COLUMNS.values(), "objects")

    def add(name: str, figures: dict[str, float], objects: int) -> None:
        table.add_row(name, *(f"{figures[key]:.3f}" for key in _COLUMNS), str(objects))

    for scene in content["scenes"]:
        add(scene["name"], scene, scene["objects"])
    table.add_section()
    add("mean", content["mean"], content["objects"])
    add("pooled", content["pooled"], content["objects"])
    return table
