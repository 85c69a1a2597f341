"""``cvdl teach``: show a thing once, and its name is known; and what else a gallery needs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cvdl.cli.options import Config, GalleryFolder, ReplaceOutputs, StageSettings
from cvdl.core.errors import InputError

if TYPE_CHECKING:
    from cvdl.pipeline import PerceptionConfig
    from cvdl.recognition.gallery import Gallery
    from cvdl.recognition.teaching import Choose, Collector

__all__ = ["command"]

_NEAR = 0.02  # of the picture's width: as far beside an object a pixel may be


def command(
    name: Annotated[str | None, typer.Argument(help="Name of the thing to teach.")] = None,
    bag: Annotated[
        Path | None, typer.Option(help="Bag in which the thing is seen; it is followed through it.")
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option(
            help="Folder of RGB-D images (see cvdl bag from-images), in each of which one object "
            "is the thing; or of photographs that show little else."
        ),
    ] = None,
    number: Annotated[
        int | None,
        typer.Option(
            "--object",
            min=2,
            help="The thing is the object with this number in the first frame that has it.",
        ),
    ] = None,
    at: Annotated[
        tuple[int, int] | None,
        typer.Option(metavar="U V", help="The thing is the object at this pixel."),
    ] = None,
    largest: Annotated[
        bool, typer.Option("--largest", help="The thing is the object with the most pixels.")
    ] = False,
    show_list: Annotated[bool, typer.Option("--list", help="List what is known.")] = False,
    forget: Annotated[str | None, typer.Option(metavar="NAME", help="Forget a name.")] = None,
    rename: Annotated[
        tuple[str, str] | None, typer.Option(metavar="NAME NEW", help="Rename a thing.")
    ] = None,
    merge: Annotated[
        tuple[str, str] | None,
        typer.Option(metavar="NAME INTO", help="Give the views of a name to another name."),
    ] = None,
    show: Annotated[
        Path | None, typer.Option(metavar="SHEET.png", help="Write a picture of the gallery.")
    ] = None,
    gallery: GalleryFolder = None,
    config: Config = None,
    settings: StageSettings = None,
    overwrite: ReplaceOutputs = False,
) -> None:
    """Teach the name of a thing by a few of its views; no training.

    Without --object, --at and --largest, the thing is the object nearest to the middle of the
    picture. What is taught is added to what is known of the name. cvdl replay and the nodes
    use the same gallery, and name what they recognize.

    cvdl teach drill --bag BAG --at 320 240

    cvdl teach --list --show gallery.png
    """
    from cvdl.core.files import keep_outputs
    from cvdl.pipeline import load_config
    from cvdl.recognition.gallery import Gallery, default_folder

    if (name is None) != (bag is None and images is None):
        raise InputError(
            "nothing to teach from: give --bag or --images"
            if name
            else "give a name, as in: cvdl teach NAME --bag BAG"
        )
    if sum((number is not None, at is not None, largest)) > 1:
        raise InputError("give one of --object, --at and --largest")
    if not any((name, show_list, forget, rename, merge, show)):
        raise InputError("nothing to do; see cvdl teach --help")
    keep_outputs([show], overwrite)
    loaded = load_config(config, settings or [])
    folder = gallery or (Path(loaded.gallery.path) if loaded.gallery.path else default_folder())
    known = Gallery(folder)
    if forget is not None:
        known.forget(forget)
        typer.echo(f"forgotten: {forget}")
    if rename is not None:
        known.rename(*rename)
        typer.echo(f"{rename[0]} is now {rename[1]}")
    if merge is not None:
        typer.echo(f"{merge[1]} has {known.merge(*merge)} views now, with those of {merge[0]}")
    if name is not None:
        if bag is not None and images is not None:
            raise InputError("give one of --bag and --images")
        if images is not None and number is not None:
            raise InputError("--object needs --bag: the numbers of objects differ between images")
        if images is not None and (at is not None or largest) and not _have_depth(images):
            raise InputError(
                f"{images} has no images with depth, as --at and --largest need: a photograph is "
                "taken as a whole"
            )
        _teach(name, bag, images, folder, _chosen(number, at, largest), loaded)
    if show_list:
        _print_list(known)
    if show is not None:
        from cvdl.recognition.sheet import gallery_sheet
        from cvdl.viz.pictures import write_png

        write_png(show, gallery_sheet(known.read(report=_say)))
        typer.echo(f"picture: {show}")


def _chosen(number: int | None, at: tuple[int, int] | None, largest: bool) -> Choose:
    from cvdl.recognition import choosing

    if number is not None:
        return lambda frame, scene: next((o for o in scene.objects if o.label == number), None)
    if at is not None:
        u, v = at
        return lambda frame, scene: choosing.nearest_to_pixel(
            scene, u, v, _NEAR * frame.camera.width
        )
    if largest:
        return lambda frame, scene: choosing.largest(scene)
    return lambda frame, scene: choosing.in_the_middle(scene)


def _teach(
    name: str,
    bag: Path | None,
    images: Path | None,
    folder: Path,
    choose: Choose,
    loaded: PerceptionConfig,
) -> None:
    """Collect views, and add them to the gallery."""
    from cvdl.core.tally import counted
    from cvdl.recognition.embedder import load_embedder
    from cvdl.recognition.gallery import Gallery
    from cvdl.recognition.teaching import Collector, lookalike, unlike

    embedder = load_embedder()
    gallery = Gallery(folder, embedder.name)
    name = gallery.checked(name)  # before any work
    known = gallery.read(report=_say)
    collector = Collector(embedder, known.get(name))
    if bag is not None:
        source, frames = bag.name, _from_bag(bag, choose, collector, loaded)
    else:
        assert images is not None
        source, frames = images.name, _from_images(images, choose, collector, loaded)
    views = collector.views()
    reasons = "".join(f", {count} {why}" for why, count in collector.left_out.most_common())
    if not views:
        raise InputError(
            f"{source}: no view of {name} is kept: {counted(frames, 'frame')}{reasons}"
        )
    other = lookalike(views, known, name)
    total = gallery.add(name, views)
    typer.echo(
        f"{name}: {counted(len(views), 'view')} of {counted(frames, 'frame')} kept{reasons}; "
        f"{counted(total, 'view')} in {folder}"
    )
    if other:
        typer.echo(f"it looks like {other}: what looks like both gets neither name", err=True)
    if strange := unlike(views):
        typer.echo(
            f"{counted(strange, 'view')} unlike all others: look at --show, and delete pictures of "
            "other things",
            err=True,
        )


def _from_bag(bag: Path, choose: Choose, collector: Collector, config: PerceptionConfig) -> int:
    """Follow the object through a bag; returns the number of frames in which it was looked for."""
    from rich.progress import Progress

    from cvdl.cli.console import status_console
    from cvdl.recognition.naming import Limits
    from cvdl.recognition.teaching import Follower
    from cvdl.replay import ReplayOptions, replay
    from cvdl.warm_up import warmed_up

    console = status_console()
    limits = Limits(config.gallery.min_score, config.gallery.min_lead)
    segment = warmed_up(config.segmentation_only())
    follower = Follower(segment, choose, collector, bag.name, limits)
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("following", total=None)

        def show(done: int, expected: int) -> None:
            progress.update(task, completed=done, total=max(done, expected))

        summary = replay(bag, None, follower, ReplayOptions(overlap=False), show)
    if summary.problem:
        raise InputError(f"no frame was processed: {summary.problem}")
    if summary.interrupted:
        raise KeyboardInterrupt
    if not follower.frames:
        raise InputError(
            f"{bag}: there is no such object in any of {summary.frames} frames; the pictures of "
            "cvdl replay --pictures show the objects with their numbers"
        )
    if follower.lost:
        collector.left_out["without it"] += follower.lost
    return follower.frames


def _from_images(
    folder: Path, choose: Choose, collector: Collector, config: PerceptionConfig
) -> int:
    """Take the object in each RGB-D image of a folder, or photographs; returns their number."""
    from cvdl.cli.console import status_console
    from cvdl.datasets.dataset import tracked
    from cvdl.datasets.image_folder import ImageFolder
    from cvdl.datasets.photographs import Photographs
    from cvdl.pipeline import Perception

    console = status_console()
    if not _have_depth(folder):
        pictures = Photographs(folder)
        for title, picture in zip(
            pictures.names, tracked(pictures, "looking", console), strict=True
        ):
            collector.add_photograph(picture, f"{folder.name}/{title}")
        return len(pictures)
    frames, segment = ImageFolder(folder), Perception(config.segmentation_only())
    for title, frame in zip(frames.names, tracked(frames, "looking", console), strict=True):
        scene = segment(frame)
        item = choose(frame, scene)
        if item is None:
            collector.left_out["without such an object"] += 1
        else:
            collector.add(frame, scene, item, f"{folder.name}/{title}")
    return len(frames)


def _have_depth(folder: Path) -> bool:
    """Whether a folder holds RGB-D images, not photographs."""
    return any(True for pattern in ("*-depth.png", "*/depth.png") for _ in folder.glob(pattern))


def _say(name: str, error: Exception) -> None:
    """Say that a name is left out."""
    typer.echo(f"{name} is left out: {error}", err=True)


def _print_list(gallery: Gallery) -> None:
    from rich.console import Console

    from cvdl.cli.tables import empty_table
    from cvdl.recognition.sheet import size_in_words

    known = gallery.read(report=_say)
    if not known:
        typer.echo(f"{gallery.folder}: nothing is known")
        return
    table = empty_table(str(gallery.folder), "name", "views", "size", "taught last", "from")
    for name, taught in known.items():
        sources = dict.fromkeys(re.split("[,/]", source)[0] for source in taught.sources)
        last = max(taught.times).replace("T", " ")[:16]
        table.add_row(name, str(len(taught)), size_in_words(taught), last, ", ".join(sources))
    Console().print(table)
