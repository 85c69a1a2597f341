"""The parameter file and the tables of docs/ros.md, written from the configuration models.

python -m cvdl.ros.documentation    # in the root of the source: rewrites both
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from textwrap import wrap
from typing import Any

import yaml

from cvdl.messages.factory import LABEL_INFO_TOPIC, SCENE_TOPICS
from cvdl.ros.parameters import ParameterSpec, PerceptionNodeConfig, parameters_of

__all__ = ["DOCS", "PARAMETER_FILE", "main", "parameter_file", "renew"]

#: What is written, from the root of the source.
PARAMETER_FILE = Path("config/perception.yaml")
DOCS = Path("docs/ros.md")

_WIDTH = 100
_HEADER = """\
# The parameters of the nodes with their defaults. Written from the configuration models by
# `python -m cvdl.ros.documentation`: to change values, edit a copy and name it with params_file:=.
"""
_ROS_TYPES = {bool: "bool", int: "integer", float: "double", str: "string"}

# What each topic holds, for a reader who is about to subscribe to it.
_CONTENTS = {
    "segmentation/labels": "`mono16`: 0 nothing, 1 the support plane, 2 and up one number an "
    "object",
    "segmentation/objects": "oriented 3-D boxes, the third axis along the plane's normal; `id` is "
    "the label number; class and score where detection has named it",
    "segmentation/plane": "the support plane, in the frame of `segmentation/objects`, its normal "
    "towards the camera; absent where none is in view",
    "detection/boxes": "class, score and upright box, best first; `id` is the label number of the "
    "object that it is, empty where it is none, `off_support` where the depth shows "
    "it off the support",
    "detection/tracks": "with `detector.track`: the same detections; `id` is the track's number",
    "detection/label_info": "names of the classes; transient local, so late joiners get it too",
    "grasp/rectangles": "grasps in the image, best first: `size_x` the opening, `size_y` the "
    "plates, `theta` from right to down; `id` is the object's label number",
    "grasp/poses": "the same grasps in space, in the same order: the middle between the tips, z "
    "the approach, x the opening",
    "grasp/detections": "the same poses with score, opening in metres (`bbox.size.x`) and `id`",
    "markers": "plane, boxes, names and grippers, for RViz and Foxglove",
    "overlay": "`rgb8`: the image with all results drawn on it",
}


def parameter_file() -> str:
    """The text of config/perception.yaml."""
    lines = [f"{_HEADER}/**:", "  ros__parameters:"]
    group: list[str] = []
    for spec in parameters_of(PerceptionNodeConfig):
        *above, name = spec.name.split(".")
        indent = "  " * (2 + len(above))
        if above and above != group:
            lines.append(f"{indent[2:]}{above[-1]}:")
        group = above
        text = spec.description
        if _range(spec):
            text += f" {_range(spec).capitalize()}."
        lines += wrap(text, _WIDTH, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# ")
        lines.append(f"{indent}{name}: {_yaml(spec.default)}")
    return "\n".join(lines) + "\n"


def renew(text: str) -> str:
    """The text of docs/ros.md with its tables written anew.

    A table stands between the lines ``<!-- name -->`` and ``<!-- end -->``.

    Raises:
        ValueError: if one of the tables has no place in the text.
    """
    for name, table in _tables().items():
        begin, end = f"<!-- {name} -->\n", "<!-- end -->\n"
        before, found, rest = text.partition(begin)
        _, closed, after = rest.partition(end)
        if not found or not closed:
            raise ValueError(f"no place for the table of {name}: {begin.strip()} ... {end.strip()}")
        text = f"{before}{begin}\n{table}\n{end}{after}"
    return text


def main() -> None:
    """Write both files."""
    PARAMETER_FILE.write_text(parameter_file(), encoding="utf-8")
    DOCS.write_text(renew(DOCS.read_text(encoding="utf-8")), encoding="utf-8")


def _tables() -> dict[str, str]:
    types = {**SCENE_TOPICS, LABEL_INFO_TOPIC: "vision_msgs/msg/LabelInfo"}
    topics = [
        (f"`{name}`", types[name].replace("/msg/", "/"), _CONTENTS[name]) for name in sorted(types)
    ]
    parameters = [
        (
            f"`{spec.name}`",
            _ROS_TYPES[type(spec.default)],
            f"`{_yaml(spec.default)}`",
            _range(spec),
            "yes" if spec.live else "",
            spec.description,
        )
        for spec in parameters_of(PerceptionNodeConfig)
    ]
    return {
        "topics": _markdown(("topic", "type", "content"), topics),
        "parameters": _markdown(("parameter", "type", "default", "range", "live", ""), parameters),
    }


def _markdown(heading: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    heading = tuple(heading)
    cells = [heading, ["---"] * len(heading), *rows]
    return "".join(f"| {' | '.join(row)} |\n" for row in cells)


def _range(spec: ParameterSpec) -> str:
    """What a number may be, in words; empty where everything of the type may be."""
    if spec.low is None or spec.high is None:
        return ""
    return f"from {spec.low:g} to {spec.high:g}"


def _yaml(value: Any) -> str:
    return yaml.safe_dump(value).removesuffix("...\n").strip()


if __name__ == "__main__":
    main()
