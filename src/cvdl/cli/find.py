"""``cvdl find``: the objects that a phrase is about, with their grasps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cvdl.cli.looking import look_at
from cvdl.cli.options import (
    Config,
    JsonFile,
    PointsTopic,
    ReplaceOutputs,
    StageSettings,
    write_json,
)
from cvdl.core.errors import InputError
from cvdl.language.aligner import FITS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from rich.table import Table

    from cvdl.core.frame import RgbdFrame
    from cvdl.core.scene import Scene
    from cvdl.language.finder import FrameFindings

__all__ = ["command"]

_ROWS = 12  # frames that are listed
_PICTURES = 12  # frames on the picture


def command(
    phrase: Annotated[str, typer.Argument(help="What to find, such as 'the red mug'.")],
    source: Annotated[
        Path,
        typer.Argument(help="Bag, as of cvdl replay; or folder of RGB-D images (docs/data.md)."),
    ],
    picture: Annotated[
        Path | None, typer.Option(help="Write frames with what is found to this PNG file.")
    ] = None,
    json_path: JsonFile = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Stop after this many frames.")] = None,
    min_score: Annotated[
        float, typer.Option(min=0, max=1, help="Chance from which an object is found.")
    ] = FITS,
    weights: Annotated[
        str, typer.Option(help="File of weights (.onnx); default: the package's.")
    ] = "",
    points_topic: PointsTopic = None,
    config: Config = None,
    settings: StageSettings = None,
    overwrite: ReplaceOutputs = False,
) -> None:
    """Find the objects that a phrase is about, likeliest first, with their grasps.

    A phrase names a kind ("the mug", "something to eat"), a color, size, material
    or place ("the smallest red thing", "the leftmost box"), or a relation to another
    object ("the box left of the banana", "the spoon in the bowl"). Names that were
    taught are words, too ("my_drill", "the box left of my_drill").

        cvdl find "the red mug" BAG --picture found.png

    If nothing fits, the result is empty, and the likeliest object is named with its
    chance.
    """
    from rich.console import Console

    from cvdl.cli.console import status_console
    from cvdl.core.files import keep_outputs
    from cvdl.language.aligner import load_aligner
    from cvdl.language.finder import Finder
    from cvdl.pipeline import load_config
    from cvdl.viz.pictures import contact_sheet, overlay, write_png
    from cvdl.warm_up import warmed_up

    keep_outputs((picture, json_path), overwrite)
    if not source.exists():
        raise InputError(f"{source}: no such bag or folder")
    aligner = load_aligner(weights)
    aligner.read(phrase)  # before any work
    perceive = warmed_up(load_config(config, settings or []))
    taught = perceive.recognition.names if perceive.recognition is not None else ()
    finder = Finder(aligner, phrase, min_score, taught)
    unknown = finder.unknown
    if unknown:
        status_console().print(f"unknown: {', '.join(unknown)}", style="yellow", highlight=False)
    frames: list[FrameFindings] = []
    pictures: list[NDArray[np.uint8]] = []
    captions: list[str] = []

    def look(frame: RgbdFrame) -> Scene:
        scene = perceive(frame)
        frames.append(finder(frame, scene))
        if picture is not None and frames[-1].found and len(pictures) < _PICTURES:
            pictures.append(overlay(frame, frames[-1].shown(scene)))
            captions.append(f"{phrase}, frame {len(frames)}")
        return scene

    look_at(source, look, limit, points_topic)
    Console().print(_table(phrase, frames))
    if not any(each.found for each in frames):
        best = max(frames, key=lambda each: each.ranking[0].score if each.ranking else 0.0)
        typer.echo(best.sentence())
    if json_path is not None:
        reports = [each.report() for each in frames]
        write_json(json_path, {"phrase": phrase, "unknown": unknown, "frames": reports})
        typer.echo(f"findings: {json_path}")
    if pictures and picture is not None:
        write_png(picture, contact_sheet(pictures, captions))
        typer.echo(f"picture: {picture}")


def _table(phrase: str, frames: Sequence[FrameFindings]) -> Table:
    """The objects that are found, frame by frame."""
    from cvdl.cli.tables import empty_table
    from cvdl.core.tally import counted

    found = [(number, frame) for number, frame in enumerate(frames, 1) if frame.found]
    title = f"{phrase}: found in {len(found)} of {counted(len(frames), 'frame')}"
    columns = ("frame", "object", "class", "chance", "grasps", "best grasp at (m)")
    table = empty_table(title, *columns)
    for number, frame in found[:_ROWS]:
        for each in frame.found:
            at = ""
            if each.grasps:
                at = ", ".join(f"{value:.3f}" for value in each.grasps[0].position)
            table.add_row(
                str(number), str(each.item.label), each.item.class_name or "-",
                f"{each.score:.2f}", str(len(each.grasps)), at,
            )  # fmt: skip
    if len(found) > _ROWS:
        table.add_row("...", f"and in {counted(len(found) - _ROWS, 'more frame')}")
    return table
