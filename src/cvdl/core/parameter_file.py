"""Reads ROS 2 parameter files as ROS itself does.

A file has sections by node name. In a name, ``*`` stands for one part between slashes and ``**``
for any number of them; the parts may also be levels of the file. Every section that matches a
node applies to it, in the order of the file: later ones win.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

__all__ = ["fits", "full_name", "plain_keys", "sections", "warn_of_unread"]

_log = logging.getLogger(__name__)

_PARAMETERS = "ros__parameters"
_TRUE = frozenset(["Y", "y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"])
_FALSE = frozenset(["N", "n", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"])
_INTEGER = re.compile(r"([+-]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)")
_FLOAT = re.compile(r"[+-]?((\d+\.?\d*|\.\d+)(e[+-]?\d+)?|\.?inf|\.?nan)", re.IGNORECASE | re.ASCII)
_LARGEST = 2**63 - 1  # ROS integers have 64 bits


def sections(text: str) -> dict[str, dict[str, Any] | None]:
    """Return the sections of a parameter file in order; empty for any other file.

    Args:
        text: of the file.

    Returns:
        For each node name, as written in the file, the values by dotted parameter name; None if
        ``ros__parameters`` does not hold parameters.

    Raises:
        yaml.YAMLError: if the text is not YAML.
    """
    found: dict[str, dict[str, Any] | None] = {}
    for document in yaml.compose_all(text, yaml.SafeLoader):
        for name, parameters in _nodes(document, ""):
            if not isinstance(parameters, yaml.MappingNode):
                found.setdefault(name, None)
                continue
            # ROS merges a repeated section into the first one.
            found[name] = {**(found.get(name) or {}), **dict(_values(parameters, ""))}
    return found


def plain_keys(text: str) -> set[str]:
    """Return the keys of the first level that have no section below them.

    Raises:
        yaml.YAMLError: if the text is not YAML.
    """
    return {
        key
        for document in yaml.compose_all(text, yaml.SafeLoader)
        for key, value in _items(document)
        if not any(_nodes(value, key))
    }


def full_name(name: str) -> str:
    """Return the name of a node or of a section with a leading slash."""
    return f"/{name.removeprefix('/')}"


def fits(section: str, node: str) -> bool:
    """Return whether a section applies to a node.

    Args:
        section: name in the file, possibly with wildcards.
        node: full name, such as "/perception/perception_node".
    """
    pattern = re.escape(full_name(section))
    pattern = pattern.replace(r"/\*\*", r"(/\w+)*").replace(r"/\*", r"/\w+")
    return re.fullmatch(pattern, node, re.ASCII) is not None


def warn_of_unread(
    path: Path, names: Collection[str], node: str, others: Iterable[str] = ()
) -> None:
    """Warn if no section applies to a node, or if some look as if they were meant to.

    Args:
        path: of the file.
        names: of its sections.
        node: full name of the node.
        others: full names of nodes whose sections may be mistaken for those of the node.
    """
    bare = node.rpartition("/")[2]
    if not any(fits(name, node) for name in names):
        _log.warning(
            "%s: no section applies to the node %s, so the file has no effect. Its sections: "
            "%s. Accepted: %s, or with wildcards /**/%s or /** (every node)",
            *(path, node, ", ".join(map(full_name, names)), node, bare),
        )
        return
    close = {f"/{bare}", *others}
    near = [name for name in names if not fits(name, node) and any(fits(name, o) for o in close)]
    if near:
        _log.warning(
            "%s: sections that do not apply to the node %s: %s",
            *(path, node, ", ".join(map(full_name, near))),
        )


def _nodes(level: yaml.Node | None, name: str) -> Iterator[tuple[str, yaml.Node]]:
    """Yield each ``ros__parameters`` below a level with the name of its node."""
    for key, value in _items(level):
        if key == _PARAMETERS:
            yield name, value
        else:
            yield from _nodes(value, f"{name}{'/' * (name[-1:] not in ('', '/'))}{key}")


def _values(level: yaml.Node, prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in _items(level):
        if isinstance(value, yaml.MappingNode):
            yield from _values(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", _value(value)


def _items(level: yaml.Node | None) -> Iterator[tuple[str, yaml.Node]]:
    """Yield all keys and values of a mapping, repeated keys included."""
    if isinstance(level, yaml.MappingNode):
        yaml.SafeLoader("").flatten_mapping(level)  # resolves <<
        for key, value in level.value:
            if isinstance(key, yaml.ScalarNode):
                yield key.value, value


def _value(node: yaml.Node) -> Any:
    """A value, typed by the rules of ROS, which differ from those of YAML."""
    if isinstance(node, yaml.SequenceNode):
        return [_value(each) for each in node.value]
    if not isinstance(node, yaml.ScalarNode):
        return dict(_values(node, ""))
    text: str = node.value
    if node.style in ("'", '"'):
        return text
    if not text:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if match := _INTEGER.fullmatch(text):
        sign, digits = match.groups()
        base = 16 if digits[:2] in ("0x", "0X") else 8 if digits[0] == "0" else 10
        value = int(digits, base) * (-1 if sign == "-" else 1)
        return value if abs(value) <= _LARGEST else float(value)
    if _FLOAT.fullmatch(text):
        return float(re.sub(r"\.(?=[a-z])", "", text.lower()))  # .inf
    return text
