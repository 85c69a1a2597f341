"""Writes the parameter file, and the tables of topics and parameters in the docs.

python -m cvdl.ros.documentation    # in the root of the source
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from textwrap import wrap
from typing import Any

import yaml

from cvdl.messages.topics import TOPICS
from cvdl.ros.parameters import ParameterSpec, PerceptionNodeConfig, parameters_of

__all__ = ["DOCS", "PARAMETER_FILE", "main", "parameter_file", "renew"]

#: The files, relative to the root of the source.
PARAMETER_FILE = Path("config/perception.yaml")
DOCS = (Path("docs/ros.md"), Path("README.md"))

_WIDTH = 100
_HEADER = """\
# The parameters of the nodes with their defaults. Written from the configuration models by
# `python -m cvdl.ros.documentation`: to change values, edit a copy and name it with params_file:=.
"""
_ROS_TYPES = {bool: "bool", int: "integer", float: "double", str: "string"}


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
    """Return the text of a page with its tables written again.

    A table stands between the lines ``<!-- table of NAME -->`` and ``<!-- end -->``.

    Raises:
        KeyError: if a table has no such name.
        ValueError: if the text has no table, or a table has no end.
    """
    first, *parts = text.split("<!-- table of ")
    if not parts:
        raise ValueError("no table in the text")
    tables, end = _tables(), "<!-- end -->\n"
    for part in parts:
        name, _, rest = part.partition(" -->\n")
        _, closed, after = rest.partition(end)
        if not closed:
            raise ValueError(f"the table of {name} has no end: {end.strip()}")
        first += f"<!-- table of {name} -->\n\n{tables[name]}\n{end}{after}"
    return first


def main() -> None:
    """Write all files."""
    PARAMETER_FILE.write_text(parameter_file(), encoding="utf-8")
    for page in DOCS:
        page.write_text(renew(page.read_text(encoding="utf-8")), encoding="utf-8")


def _tables() -> dict[str, str]:
    topics = [
        (f"`{topic.name}`", topic.type.replace("/msg/", "/"), topic.content)
        for topic in sorted(TOPICS.values(), key=lambda topic: topic.name)
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
    """The range of a number in words; empty if there is none."""
    if spec.low is None or spec.high is None:
        return ""
    return f"from {spec.low:g} to {spec.high:g}"


def _yaml(value: Any) -> str:
    return yaml.safe_dump(value).removesuffix("...\n").strip()


if __name__ == "__main__":
    main()
