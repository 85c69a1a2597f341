"""``cvdl describe``: sentences about frames and their objects."""

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

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from rich.table import Table

    from cvdl.core.frame import RgbdFrame
    from cvdl.core.scene import Scene
    from cvdl.language.describer import FrameDescription

__all__ = ["command"]

_ROWS = 6  # frames that are listed
_PICTURES = 12  # frames on the picture


def command(
    source: Annotated[
        Path,
        typer.Argument(help="Bag, as of cvdl replay; or folder of RGB-D images (docs/data.md)."),
    ],
    picture: Annotated[
        Path | None, typer.Option(help="Write frames with their sentences to this PNG file.")
    ] = None,
    json_path: JsonFile = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Stop after this many frames.")] = None,
    weights: Annotated[
        str, typer.Option(help="File of weights (.onnx); default: the package's.")
    ] = "",
    points_topic: PointsTopic = None,
    config: Config = None,
    settings: StageSettings = None,
    overwrite: ReplaceOutputs = False,
) -> None:
    """Write a sentence about each frame, and about each of its objects.

        cvdl describe BAG --picture described.png

    What is not sure is not said. To hear more, or less: --set words.sure=0.5 (or 0.9).
    """
    from rich.console import Console

    from cvdl.core.files import keep_outputs
    from cvdl.language.captioner import load_captioner
    from cvdl.language.describer import Describer
    from cvdl.pipeline import load_config
    from cvdl.viz.pictures import contact_sheet, overlay, write_png
    from cvdl.warm_up import warmed_up

    keep_outputs((picture, json_path), overwrite)
    if not source.exists():
        raise InputError(f"{source}: no such bag or folder")
    loaded = load_config(config, settings or [])
    describe = Describer(load_captioner(weights), loaded.words)  # before any work
    perceive = warmed_up(loaded)
    frames: list[FrameDescription] = []
    pictures: list[NDArray[np.uint8]] = []

    def look(frame: RgbdFrame) -> Scene:
        scene = perceive(frame, grasp=False)
        frames.append(describe(frame, scene))
        if picture is not None and len(pictures) < _PICTURES:
            pictures.append(overlay(frame, frames[-1].shown(scene)))
        return scene

    look_at(source, look, limit, points_topic)
    Console().print(_table(source.name, frames))
    if json_path is not None:
        write_json(json_path, {"frames": [each.report() for each in frames]})
        typer.echo(f"descriptions: {json_path}")
    if pictures and picture is not None:
        captions = [f"frame {number}" for number in range(1, len(pictures) + 1)]
        write_png(picture, contact_sheet(pictures, captions, columns=3, width=640))
        typer.echo(f"picture: {picture}")


def _table(name: str, frames: Sequence[FrameDescription]) -> Table:
    """The sentences, frame by frame."""
    from cvdl.cli.tables import empty_table
    from cvdl.core.tally import counted

    table = empty_table(f"{name}: {counted(len(frames), 'frame')}", "frame", "object", "sentence")
    table.columns[-1].justify = "left"
    for number, frame in enumerate(frames[:_ROWS], 1):
        table.add_row(str(number), "", frame.text or "-")
        for item, text in frame.objects:
            table.add_row("", str(item.label), text or "-")
    if len(frames) > _ROWS:
        table.add_row("...", "", f"and {counted(len(frames) - _ROWS, 'more frame')}")
    return table
