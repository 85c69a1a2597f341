"""``cvdl evaluate``: quality on labelled data."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cvdl.cli import evaluate_detector, evaluate_semantic, grasps
from cvdl.cli.options import (
    Config,
    Device,
    JsonFile,
    ReplaceOutputs,
    Scenes,
    Sheet,
    StageSettings,
    UnseenSeed,
    Worst,
    write_json,
)
from cvdl.core.files import keep_outputs

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["app"]

app = typer.Typer(help="Measure quality on labelled data.", no_args_is_help=True)

_COLUMNS = {
    "overlap_f": "F",
    "overlap_precision": "P",
    "overlap_recall": "R",
    "boundary_f": "edge F",
    "boundary_precision": "edge P",
    "boundary_recall": "edge R",
    "detected": "found",
}


class Dataset(str, Enum):
    """Layouts of labelled data."""

    osd = "osd"


class Split(str, Enum):
    """Parts of a data set."""

    all = "all"
    tune = "tune"
    report = "report"


@app.callback()
def _root() -> None:
    pass


@app.command()
def segmentation(
    data: Annotated[Path, typer.Option(help="Folder of the labelled frames.")],
    dataset: Annotated[Dataset, typer.Option(help="Layout of the folder.")] = Dataset.osd,
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

    Predicted and labelled objects are matched one to one.

    P, R, F: precision, recall and F-measure of the pixels of objects.

    edge: the same for the outlines.

    found: share of the labelled objects with F > 0.75.
    """
    from rich.console import Console
    from rich.progress import track

    from cvdl import __version__
    from cvdl.cli.console import status_console
    from cvdl.core.config import load_config
    from cvdl.datasets import OsdDataset
    from cvdl.evaluation.segmentation_dataset import (
        evaluate_dataset,
        segmentation_report,
        worst_frames,
    )
    from cvdl.pipeline import Perception
    from cvdl.viz.pictures import write_png

    keep_outputs((json_path, sheet), overwrite)
    loaded = load_config(config, settings or [])
    frames = OsdDataset(data, split.value)
    perception = Perception(loaded.segmentation_only())
    progress = track(
        evaluate_dataset(frames, perception),
        description="evaluating",
        total=len(frames),
        console=status_console(),
        transient=True,
    )
    results = list(progress)
    content = {
        "version": __version__,
        "dataset": dataset.value,
        "data": str(data),
        "split": split.value,
        "settings": loaded.model_dump(),
        **segmentation_report(results),
    }
    console = Console()
    console.print(_table(content))
    for stage, latency in content["latency_ms"].items():
        console.print(f"{stage}: median {latency['median']:.1f} ms, p95 {latency['p95']:.1f} ms")
    if json_path is not None:
        write_json(json_path, content)
        typer.echo(f"figures: {json_path}")
    if sheet is not None:
        write_png(sheet, worst_frames(frames, perception, results, worst))
        typer.echo(f"worst frames: {sheet}")


#: Data sets that the package's grasp detectors were trained on, in part.
_LEARNT_FROM = (grasps.Dataset.cornell, grasps.Dataset.cornell_rgb)


@app.command(no_args_is_help=True)
def grasp(
    data: Annotated[Path | None, typer.Option(help="Folder of the labelled views.")] = None,
    dataset: Annotated[
        grasps.Dataset, typer.Option(help="Layout of the folder.")
    ] = grasps.Dataset.cornell,
    detector: Annotated[
        grasps.Detector, typer.Option(help="Grasp detector.")
    ] = grasps.Detector.cascade,
    weights: Annotated[
        Path | None,
        typer.Option(help="Weights of the detector (.safetensors); default: the package's."),
    ] = None,
    scenes: Scenes = 100,
    seed: UnseenSeed = 10_000,
    device: Device = "auto",
    json_path: JsonFile = None,
    sheet: Sheet = None,
    worst: Worst = 48,
    curves: Annotated[
        Path | None, typer.Option(help="Write precision over recall and ROC to this PNG file.")
    ] = None,
    overwrite: ReplaceOutputs = False,
) -> None:
    """Score a grasp detector on whole images.

    top-1: share of the views whose best rectangle is right: some good rectangle
    differs by at most 30 degrees and has a higher Jaccard index (intersection over
    union) with it than the one given.

    recognition: share of the labelled rectangles, good and bad, that a score of
    0.5 classifies correctly.

    In --sheet, good rectangles are thin and blue; the prediction is thick, green if
    right and red if wrong.
    """
    from rich.console import Console

    from cvdl import __version__
    from cvdl.cli.console import status_console
    from cvdl.core.errors import InputError
    from cvdl.core.tally import counted
    from cvdl.datasets.cornell import CornellDataset
    from cvdl.evaluation.grasping import score_grasp_detector
    from cvdl.grasping import load_detector

    outputs = {"figures": json_path, "worst views": sheet, "curves": curves}
    keep_outputs(outputs.values(), overwrite)
    console = status_console()
    views = grasps.open_dataset(dataset.value, data, scenes, seed)
    scores = score_grasp_detector(load_detector(detector.value, weights, device), views, console)
    if not scores.results:
        raise InputError(f"{data or dataset.value}: no view has a good rectangle to compare with")
    content = {
        "version": __version__,
        "detector": detector.value,
        "weights": None if weights is None else str(weights),
        "dataset": dataset.value,
        "data": None if data is None else str(data),
        **scores.report(),
    }
    Console().print(grasps.scores_table(f"{detector.value} on {dataset.value}", scores))
    if isinstance(views, CornellDataset) and views.skipped:
        typer.echo(f"skipped, a number is missing: {counted(views.skipped, 'rectangle')}")
    if weights is None and dataset in _LEARNT_FROM:
        console.print(
            "The package's weights were trained on Cornell's folder 01 and cornell_rgb, so "
            "scores on these views are too high. docs/grasping.md has cross-validated scores.",
            style="yellow",
            highlight=False,
        )
    if json_path is not None:
        write_json(json_path, content)
    grasps.write_pictures(scores, views, sheet, curves, worst)
    for what, path in outputs.items():
        if path is not None:
            typer.echo(f"{what}: {path}")


app.command(no_args_is_help=True)(evaluate_detector.detector)
app.command(no_args_is_help=True)(evaluate_semantic.semantic)


def _table(content: dict[str, Any]) -> Table:
    from cvdl.cli.tables import empty_table

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
