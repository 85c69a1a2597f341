"""``cvdl live``: the perception node on a live ROS 2 graph."""

from __future__ import annotations

from typing import Annotated

import typer

from cvdl.cli.options import Config, PointsTopic, StageSettings

__all__ = ["command"]

_CAMERA = "/camera/color"


def command(
    ros_args: Annotated[
        list[str] | None,
        typer.Argument(help="ROS arguments, after --, such as --ros-args -p use_sim_time:=true."),
    ] = None,
    color_topic: Annotated[
        str, typer.Option(help="Topic of color images.")
    ] = f"{_CAMERA}/image_raw",
    depth_topic: Annotated[
        str,
        typer.Option(
            help="Topic of depth images; if not registered to color, with camera_info beside it."
        ),
    ] = "/camera/aligned_depth_to_color/image_raw",
    camera_info_topic: Annotated[
        str, typer.Option(help="Topic of the CameraInfo of color.")
    ] = f"{_CAMERA}/camera_info",
    points_topic: PointsTopic = None,
    namespace: Annotated[str, typer.Option(help="Namespace of the result topics.")] = "/perception",
    config: Config = None,
    settings: StageSettings = None,
    setup: Annotated[
        bool, typer.Option("--setup", help="Generate the messages that ROS wheels lack, then exit.")
    ] = False,
) -> None:
    """Find objects, their names and their grasps on a live ROS 2 graph, until Ctrl-C.

    Needs ROS 2: a sourced installation, or the extra "live" (pip install
    'cvdl\\[live]'); with the latter, run cvdl live --setup once.
    """
    from cvdl.core.errors import InputError
    from cvdl.core.extras import require
    from cvdl.ros.interfaces import (
        SOURCE_IT,
        generate_messages,
        message_type,
        missing_messages,
    )

    if ros_args and ros_args[0] != "--ros-args":
        raise InputError(
            f"unknown argument {ros_args[0]!r}; accepted: options, --set K=V among them, and, "
            "after --, --ros-args with what ROS takes"
        )
    require("live", "cvdl live", otherwise=SOURCE_IT)
    if setup:
        missing = " and ".join(missing_messages())
        if not missing:
            typer.echo("all messages already exist")
            return
        typer.echo(f"generating {missing} (about a minute, once)")
        generate_messages()
        typer.echo("done")
        return
    message_type("vision_msgs/msg/Detection2DArray")  # its error explains how to get it

    from cvdl.core.config import load_settings, ros_parameters
    from cvdl.ros.parameters import PerceptionNodeConfig, values_of

    prefix = f"/{namespace.strip('/')}".rstrip("/")
    node = f"{prefix}/perception_node"
    chosen = load_settings(PerceptionNodeConfig, config, settings or [], node=node)

    from rclpy.parameter import Parameter

    from cvdl.ros.nodes import PerceptionNode
    from cvdl.ros.process import run

    if points_topic:
        chosen = chosen.model_copy(update={"source": "points"})
    # ROS's own command line may set the others.
    values, defaults = values_of(chosen), values_of(type(chosen)())
    given = {name: value for name, value in values.items() if value != defaults[name]}
    if config is not None:
        given |= ros_parameters(config, node)
    overrides = [Parameter(name, value=value) for name, value in given.items()]
    remaps = {
        "color": color_topic,
        "depth": depth_topic,
        "camera_info": camera_info_topic,
        **({"points": points_topic} if points_topic else {}),
        "__ns": prefix or "/",
    }
    arguments = ["--ros-args"]
    for name, topic in remaps.items():
        arguments += ["-r", f"{name}:={topic}"]
    arguments += ["--", *(ros_args or [])]
    status = run(
        lambda: PerceptionNode(parameter_overrides=overrides), ["cvdl", *arguments], must=True
    )
    raise typer.Exit(status)
