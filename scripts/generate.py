"""Writes what follows from the code: config/perception.yaml, and tables in README and docs.

make generate

A table in a page is between the lines ``<!-- table of NAME -->`` and ``<!-- end -->``. The names:
"topics", "parameters", "detectors", "grasp detectors", "settings of SECTION" (a stage),
"training of MODEL", and "modules".
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from textwrap import wrap
from typing import Any

import yaml
from pydantic import BaseModel

from cvdl.cli.problems import DETECTION, GRASPING, SEGMENTATION
from cvdl.core.registry import Model, Registry
from cvdl.core.settings import Settings, limits
from cvdl.detection import DETECTORS
from cvdl.grasping import GRASP_DETECTORS
from cvdl.messages.topics import TOPICS
from cvdl.pipeline import PerceptionConfig
from cvdl.ros.parameters import ParameterSpec, PerceptionNodeConfig, parameters_of

ROOT = Path(__file__).resolve().parents[1]
PARAMETER_FILE = ROOT / "config" / "perception.yaml"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

_WIDTH = 100
_HEADER = """\
# The parameters of the nodes with their defaults. Written from the configuration models by
# `make generate`: to change values, edit a copy and name it with params_file:=.
"""
_ROS_TYPES = {bool: "bool", int: "integer", float: "double", str: "string", tuple: "double array"}
_TABLE = re.compile(r"<!-- table of (.+?) -->\n.*?<!-- end -->\n", re.DOTALL)


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


def page(text: str) -> str:
    """A page with its tables written again.

    Raises:
        ValueError: if there is no table of a name.
    """
    return _TABLE.sub(
        lambda found: f"<!-- table of {found[1]} -->\n\n{table(found[1])}\n<!-- end -->\n", text
    )


def table(name: str) -> str:
    """A table in Markdown.

    Raises:
        ValueError: if there is none of this name.
    """
    kind, _, of = name.partition(" of ")
    if name == "topics":
        topics = sorted(TOPICS.values(), key=lambda topic: topic.name)
        rows = ((f"`{t.name}`", t.type.replace("/msg/", "/"), t.content) for t in topics)
        return _markdown(("topic", "type", "content"), rows)
    if name == "parameters":
        return _markdown(("parameter", "type", "default", "range", "live", ""), _parameters())
    if name == "detectors":
        return _models(DETECTORS)
    if name == "grasp detectors":
        return _models(GRASP_DETECTORS)
    if name == "modules":
        return _modules()
    if kind == "settings":
        return _settings(getattr(PerceptionConfig(), of))
    if kind == "training":
        problem = next(p for p in (DETECTION, GRASPING, SEGMENTATION) if of in p.trainable)
        return _settings(problem.trainer(of).settings())
    raise ValueError(f"no table of {name!r}")


def main() -> None:
    """Write all files."""
    PARAMETER_FILE.write_text(parameter_file(), encoding="utf-8")
    for path in PAGES:
        path.write_text(page(path.read_text(encoding="utf-8")), encoding="utf-8")


def _parameters() -> Iterator[tuple[str, ...]]:
    for spec in parameters_of(PerceptionNodeConfig):
        yield (
            f"`{spec.name}`",
            _ROS_TYPES[type(spec.default)],
            f"`{_yaml(spec.default)}`",
            _range(spec),
            "yes" if spec.live else "",
            spec.description,
        )


def _models(registry: Registry[Model]) -> str:
    rows = (
        (
            f"`{model.name}`",
            model.description,
            "yes" if model.weights else "",
            "yes" if model.trainer else "",
        )
        for model in registry
    )
    return _markdown(("name", "what it is", "weights in the package", "can be trained"), rows)


def _modules() -> str:
    """A table per package, with the first line of each module's docstring."""
    root, text = ROOT / "src", ""
    for init in sorted(root.rglob("__init__.py")):
        rows = [
            (f"`{file.stem}`", ast.get_docstring(tree).partition("\n")[0])
            for file in sorted(init.parent.glob("*.py"))
            if (tree := ast.parse(file.read_text(encoding="utf-8"))) and ast.get_docstring(tree)
        ]
        text += f"## {init.parent.relative_to(root).as_posix()}/\n\n"
        text += _markdown(("module", "content"), rows) + "\n"
    return text


def _settings(settings: Settings) -> str:
    return _markdown(("key", "default", "range", ""), _fields(type(settings), settings, ""))


def _fields(model: type[BaseModel], values: BaseModel, prefix: str) -> Iterator[tuple[str, ...]]:
    properties = model.model_json_schema()["properties"]
    for key, field in model.model_fields.items():
        value = getattr(values, key)
        if isinstance(value, BaseModel):
            yield from _fields(type(value), value, f"{prefix}{key}.")
            continue
        text, schema = field.description or "", properties[key]
        if "enum" in schema:
            text += f" One of: {', '.join(map(str, schema['enum']))}."
        bounds = ", ".join(limits(schema))
        yield f"`{prefix}{key}`", "" if value in (None, "") else f"`{_yaml(value)}`", bounds, text


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
    return yaml.safe_dump(value, default_flow_style=True).removesuffix("...\n").strip()


if __name__ == "__main__":
    main()
