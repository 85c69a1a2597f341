"""``cvdl evaluate``: quality on labelled data."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

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
    config: Annotated[Path | None, typer.Option(help="YAML file of settings.")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="One setting, as segmentation.max_range=2.5; repeatable.", metavar="K=V"
        ),
    ] = None,
    json_path: Annotated[
        Path | None, typer.Option("--json", help="Write every figure to this file.")
    ] = None,
    sheet: Annotated[
        Path | None, typer.Option(help="Write a picture of the worst frames, as PNG.")
    ] = None,
    worst: Annotated[int, typer.Option(min=1, help="Frames in that picture.")] = 8,
) -> None:
    """Score the segmentation as the unseen-object literature does.

    Predicted and labelled objects are matched one to one.

    P, R, F: share of the predicted and of the labelled object pixels that the pairs agree on.

    edge: the same of the outlines.

    found: share of the labelled objects with F > 0.75.
    """
    import json

    from rich.console import Console
    from rich.progress import track

    from cvdl import __version__
    from cvdl.cli.console import status_console
    from cvdl.config import load_config
    from cvdl.datasets import OsdDataset
    from cvdl.evaluation.dataset import evaluate_dataset, report, worst_sheet
    from cvdl.pictures import write_png
    from cvdl.pipeline import Perception

    loaded = load_config(config, settings or [])
    frames = OsdDataset(data, split.value)
    perception = Perception(loaded)
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
        **report(results),
    }
    console = Console()
    console.print(_table(content))
    for stage, latency in content["latency_ms"].items():
        console.print(f"{stage}: median {latency['median']:.1f} ms, p95 {latency['p95']:.1f} ms")
    if json_path is not None:
        json_path.parent.mkdir(parents=True, exist_ok=True)
        json_path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        typer.echo(f"figures: {json_path}")
    if sheet is not None:
        write_png(sheet, worst_sheet(frames, perception, results, worst))
        typer.echo(f"worst frames: {sheet}")


def _table(content: dict[str, Any]) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(title=f"{content['dataset']}, {content['split']} scenes", box=SIMPLE_HEAD)
    table.add_column("scene", no_wrap=True)
    for heading in [*_COLUMNS.values(), "objects"]:
        table.add_column(heading, justify="right")

    def add(name: str, figures: dict[str, float], objects: int) -> None:
        table.add_row(name, *(f"{figures[key]:.3f}" for key in _COLUMNS), str(objects))

    for scene in content["scenes"]:
        add(scene["name"], scene, scene["objects"])
    table.add_section()
    add("mean", content["mean"], content["objects"])
    add("pooled", content["pooled"], content["objects"])
    return table
