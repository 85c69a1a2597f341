"""``cvdl bag``: makes bags."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from cvdl.cli.options import ReplaceOutputs

__all__ = ["app"]

app = typer.Typer(help="Make bags.", no_args_is_help=True, add_completion=False)


@app.callback()
def _root() -> None:
    pass


@app.command()
def from_images(
    folder: Annotated[Path, typer.Argument(help="Folder of color and depth images.")],
    out: Annotated[Path, typer.Argument(help="Folder of the rosbag2 to write.")],
    fps: Annotated[
        float, typer.Option(min=0.01, max=1000, help="Frames per second of the bag.")
    ] = 15.0,
    overwrite: ReplaceOutputs = False,
) -> None:
    """Make a bag from a folder of RGB-D images.

    Either one sub-folder per frame with color.png and depth.png, and camera.json; or
    pairs NNNNNN-color.png and NNNNNN-depth.png, and camera_params.json.
    """
    from cvdl.bags import BagWriter, prepare_output, write_frames
    from cvdl.cli.console import status_console
    from cvdl.core.tally import counted
    from cvdl.datasets import DatasetError, ImageFolder
    from cvdl.datasets.dataset import tracked

    frames = ImageFolder(folder)
    prepare_output(out, overwrite)
    progress = tracked(frames, "writing", status_console())
    try:
        with BagWriter(out) as bag:
            write_frames(bag, progress, fps)
    except DatasetError:  # half a folder as a bag looks whole
        shutil.rmtree(out)
        raise
    typer.echo(f"{counted(len(frames), 'frame')} in {out}")
