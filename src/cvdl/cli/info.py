"""``cvdl info``: what is in a bag."""

from __future__ import annotations

from datetime import datetime, timezone

import typer

from cvdl.cli.options import Bag

__all__ = ["command"]


def command(bag: Bag) -> None:
    """Show what is in a bag, and which of its topics a replay uses."""
    from cvdl.bags import BagError, BagReader, describe_topics, find_topics, image_topics
    from cvdl.cli.console import status_console
    from cvdl.core.tally import counted

    status_console()
    with BagReader(bag) as reader:
        images = image_topics(reader)
        try:
            found = find_topics(reader)
            marks = {
                found.depth_info: "camera_info of depth",
                found.camera_info: "camera_info",
                found.depth: "depth",
                found.color: "color and depth" if found.is_cloud else "color",
            }
            verdict = "A replay uses the marked topics."
        except BagError as error:
            marks = {}
            reason = str(error).splitlines()[0].removesuffix(" Its topics:")
            verdict = (
                f"A replay fails: {reason}"
                if images
                else "There is nothing to replay: no topic holds images."
            )
        start = datetime.fromtimestamp(reader.start_ns // 10**9, timezone.utc).replace(tzinfo=None)
        count = sum(topic.count for topic in reader.topics)
        typer.echo(f"{bag}: {reader.kind}")
        messages = counted(count, "message")
        typer.echo(f"{messages} in {reader.duration_ns / 1e9:.2f} s from {start} UTC")
        typer.echo(describe_topics(reader, images, marks))
        typer.echo(verdict)
