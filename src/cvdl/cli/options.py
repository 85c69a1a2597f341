"""Options that several commands share."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from cvdl.core.files import write_atomically

__all__ = [
    "Bag",
    "Config",
    "Data",
    "Device",
    "EngineName",
    "GalleryFolder",
    "JsonFile",
    "PointsTopic",
    "ReplaceOutputs",
    "Scenes",
    "Sheet",
    "StageSettings",
    "UnseenSeed",
    "Worst",
    "names_option",
    "write_json",
]

Bag = Annotated[
    Path, typer.Argument(help="rosbag2 folder, .mcap or .db3 file, or ROS 1 .bag file.")
]
Config = Annotated[Path | None, typer.Option(help="YAML file of settings, or of ROS parameters.")]
Data = Annotated[
    Path | None,
    typer.Option(help="Folder of the labeled views; for coco, also a file of annotations."),
]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda; auto: a GPU if there is one.")]
EngineName = Annotated[
    str,
    typer.Option(
        "--engine",
        help="auto, torch or onnxruntime; auto: onnxruntime on a CPU, if the weights are exported "
        "(as the package's are).",
    ),
]
GalleryFolder = Annotated[
    Path | None,
    typer.Option(
        "--gallery",
        metavar="DIR",
        help="Folder of the gallery of taught things; default: that of the setting gallery.path.",
    ),
]
JsonFile = Annotated[Path | None, typer.Option("--json", help="Write all figures to this file.")]
PointsTopic = Annotated[
    str | None,
    typer.Option(help="Topic of an organized PointCloud2 with color, instead of color and depth."),
]
ReplaceOutputs = Annotated[bool, typer.Option("--overwrite", help="Replace existing outputs.")]
Scenes = Annotated[int, typer.Option(min=1, help="Number of scenes, with a simulated data set.")]
Sheet = Annotated[Path | None, typer.Option(help="Write the worst results to this PNG file.")]
StageSettings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="One setting, such as segmentation.max_range=2; repeatable. A wrong key lists all "
        "keys.",
        metavar="K=V",
    ),
]
UnseenSeed = Annotated[
    int,
    typer.Option(
        min=0,
        help="Random seed of simulated scenes; the package's weights are trained on low seeds.",
    ),
]
Worst = Annotated[int, typer.Option(min=1, help="Number of results in --sheet.")]


def names_option(names: Iterable[str], help: str, *flags: str) -> Any:
    """An option that takes a registered name; a wrong one is an error of the registry."""
    return typer.Option(*flags, help=help, metavar=f"[{'|'.join(dict.fromkeys(names))}]")


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write indented JSON; the folders above it are made."""
    text = json.dumps(content, indent=2, allow_nan=False)
    write_atomically(path, f"{text}\n".encode())
