"""``cvdl replay``: run the perception on a bag."""

from __future__ import annotations

from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cvdl.cli.options import (
    Bag,
    Config,
    GalleryFolder,
    PointsTopic,
    ReplaceOutputs,
    StageSettings,
)
from cvdl.core.errors import InputError
from cvdl.messages.sync import DEFAULT_SLOP_S

if TYPE_CHECKING:
    from rich.table import Table

    from cvdl.replay import ReplaySummary

__all__ = ["command", "replay_table"]


def command(
    bag: Bag,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the rosbag2 to write.")],
    color_topic: Annotated[
        str | None, typer.Option(help="Topic of color images; default: found by type.")
    ] = None,
    depth_topic: Annotated[
        str | None, typer.Option(help="Topic of depth images; default: found by type.")
    ] = None,
    camera_info_topic: Annotated[
        str | None, typer.Option(help="Topic of the CameraInfo of color; default: found by type.")
    ] = None,
    points_topic: PointsTopic = None,
    slop: Annotated[
        float,
        typer.Option(
            min=0, max=10, help="Largest difference between the stamps of color and depth, seconds."
        ),
    ] = DEFAULT_SLOP_S,
    config: Config = None,
    settings: StageSettings = None,
    gallery: GalleryFolder = None,
    only_results: Annotated[
        bool, typer.Option("--only-results", help="Do not copy the input's messages.")
    ] = False,
    points: Annotated[
        bool,
        typer.Option(
            "--points", help="Write colored points with their labels, too (20 bytes a pixel)."
        ),
    ] = False,
    pictures: Annotated[
        Path | None, typer.Option(help="Folder for an overlay of each frame (PNG).")
    ] = None,
    rerun: Annotated[Path | None, typer.Option(help="File for a rerun recording (.rrd).")] = None,
    overlap: Annotated[
        bool,
        typer.Option(help="Segment a frame while objects and grasps are found in the one before."),
    ] = True,
    limit: Annotated[int | None, typer.Option(min=1, help="Stop after this many frames.")] = None,
    overwrite: ReplaceOutputs = False,
) -> None:
    """Find objects, their names and their grasps in each frame; write the results as a rosbag2.

    Topics that are not given are found by type. Depth in another coordinate frame is
    registered to color, with its own camera_info and the transform of tf. The output
    holds the input's messages and the results, on topics below /perception.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as TimeLeft

    from cvdl.cli.console import status_console
    from cvdl.pipeline import load_config
    from cvdl.replay import ReplayOptions, replay
    from cvdl.warm_up import warmed_up

    console = status_console()
    loaded = load_config(config, settings or [])
    if gallery is not None:
        if not gallery.exists():
            raise InputError(f"{gallery}: no such gallery; cvdl teach makes one")
        if not loaded.gallery.enable:
            raise InputError("--gallery needs gallery.enable, which the settings make false")
        named = loaded.gallery.model_copy(update={"path": str(gallery)})
        loaded = loaded.model_copy(update={"gallery": named})
    perception = warmed_up(loaded)
    options = ReplayOptions(
        color_topic=color_topic,
        depth_topic=depth_topic,
        camera_info_topic=camera_info_topic,
        points_topic=points_topic,
        slop_s=slop,
        only_results=only_results,
        pictures=pictures,
        rerun=rerun,
        limit=limit,
        overwrite=overwrite,
        overlap=overlap,
        points=points,
    )
    rate = TextColumn("{task.fields[rate]:.1f} frames/s")
    columns = (TextColumn("replaying"), BarColumn(), MofNCompleteColumn(), rate, TimeLeft())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=None, rate=0.0)

        def show(done: int, expected: int) -> None:
            rate = progress.tasks[0].finished_speed or progress.tasks[0].speed or 0.0
            progress.update(task, completed=done, total=max(done, expected), rate=rate)

        summary = replay(bag, out, perception, options, show)
    if summary.problem:
        typer.echo(f"error: no frame was processed: {summary.problem}", err=True)
        raise typer.Exit(1)
    Console().print(replay_table(summary))
    if summary.registration:
        typer.echo(summary.registration)
    for name, path in (("bag", out), ("pictures", pictures), ("recording", rerun)):
        if path is not None:
            typer.echo(f"{name}: {path}")
    if summary.interrupted:
        typer.echo("interrupted: the outputs are complete up to here", err=True)
        raise typer.Exit(130)


def replay_table(summary: ReplaySummary) -> Table:
    """A summary as a table."""
    import numpy as np

    from cvdl.cli.tables import empty_table
    from cvdl.core.tally import counted
    from cvdl.evaluation.figures import median_of_defined

    rate = summary.frames / max(summary.seconds, 1e-9)
    title = f"{counted(summary.frames, 'frame')} in {summary.seconds:.1f} s, {rate:.1f} frames/s"
    table = empty_table(title, "stage", "median ms", "p95 ms")
    for stage, (median, p95) in summary.latency_ms.items():
        table.add_row(stage, f"{median:.1f}", f"{p95:.1f}")
    table.add_section()
    found = summary.found
    without_plane = found.plane_causes.total()
    share = f" ({without_plane / summary.frames:.0%})" if without_plane else ""
    table.add_row("frames without a support plane", f"{without_plane}{share}", "")
    if without_plane:
        median = median_of_defined(np.array(found.planeless_depths))
        if not isnan(median):
            table.add_row("their median depth (m)", f"{median:.3g}", "")
        for cause, count in found.plane_causes.most_common():
            table.add_row(f"likely cause: {cause}", str(count), "")
    if not {"detect", "recognize"}.isdisjoint(summary.latency_ms):
        for name, count in found.objects.most_common():
            taught = found.taught[name]
            by = f" ({taught} by the gallery)" if taught else ""
            table.add_row(f"objects: {name or 'without a class'}", f"{count}{by}", "")
        for reason, count in found.unnamed.most_common():
            table.add_row(f"not named by the gallery: {reason}", str(count), "")
        table.add_row("detections without an object", str(found.unmatched), "")
        table.add_row("detections off the support", str(found.off_support), "")
        for reason, count in found.refused_detections.most_common():
            table.add_row(f"detections refused: {reason}", str(count), "")
    else:
        table.add_row("objects", str(found.objects.total()), "")
    table.add_section()
    if "grasp" in summary.latency_ms:
        table.add_row("grasps", str(found.grasps), "")
        for reason, count in found.refused.most_common():
            table.add_row(f"no grasp: {reason}", str(count), "")
        table.add_section()
    for cause, count in summary.dropped.items() or (("nothing", 0),):
        table.add_row(f"dropped: {cause}", str(count), "")
    return table
