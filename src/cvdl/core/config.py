"""Reads settings from a YAML file, a ROS parameter file and the command line."""

from __future__ import annotations

import logging
import os
from collections.abc import Collection, Iterable, Mapping
from copy import deepcopy
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeGuard, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from cvdl.core import parameter_file
from cvdl.core.errors import InputError
from cvdl.core.settings import limits

__all__ = ["NODE", "ConfigError", "load_settings", "nested", "ros_parameters"]

Model = TypeVar("Model", bound=BaseModel)

_log = logging.getLogger(__name__)

#: The node whose sections of a ROS parameter file are read by default.
NODE = "/perception/perception_node"

#: The nodes that replace it, one per stage.
_SEPARATE = ("segmentation_node", "detection_node", "grasp_node")

#: Parameters, or the first parts of their names, that every ROS node has.
_OF_ROS = ("use_sim_time", "qos_overrides", "start_type_description_service")


class ConfigError(InputError):
    """Raised for invalid settings; the message names each key, its value and the accepted ones."""


def load_settings(
    model: type[Model],
    path: Path | None = None,
    overrides: Iterable[str] = (),
    values: Mapping[str, Any] | None = None,
    node: str = NODE,
    ignored: Collection[str] = (),
) -> Model:
    """Load settings: the defaults, updated by ``values``, the file, then ``overrides``.

    Args:
        model: class of the settings; all fields have defaults.
        path: a YAML file with any of the keys; or a ROS parameter file, of which the sections that
            apply to the node are read.
        overrides: ``key=value`` with dots between the levels, such as
            ``segmentation.max_range=2.5``; the value is YAML.
        values: some of the settings, nested as in the file.
        node: full name of the node for ROS parameter files.
        ignored: parameters of that node that are no settings of the model.

    Raises:
        ConfigError: if the file cannot be read, a key is unknown or a value is not accepted.
    """
    given = deepcopy(dict(values or {}))
    if path is not None:
        _update(given, _from_file(path, model, node, ignored))
    for override in overrides:
        key, separator, text = override.partition("=")
        if not separator or not key.strip():
            raise ConfigError(f"{override!r}: expected key=value")
        _set(given, key.strip().split("."), _parse(text, override))
    # All defaults are filled in: an outer model may have other defaults for an inner one, and they
    # may depend on the settings beside it.
    settings = _defaults(model, given)
    _update(settings, given)
    try:
        return model.model_validate(settings)
    except ValidationError as error:
        source = "settings" if path is None else f"{path}"
        problems = [_problem(model, detail["loc"], detail) for detail in error.errors()]
        raise ConfigError(f"{source}: " + "; ".join(problems)) from error


def _defaults(model: type[BaseModel], given: Mapping[str, Any]) -> dict[str, Any]:
    """All defaults, where the settings that are no sections are the given ones."""
    single = {key: value for key, value in given.items() if not isinstance(value, dict | None)}
    try:
        return model.model_validate(single).model_dump()
    except ValidationError:  # it is reported with all others
        return model().model_dump()


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """Nest values by dotted names, such as ROS parameters, as settings are nested."""
    settings: dict[str, Any] = {}
    for name, value in values.items():
        part: dict[str, Any] = {}
        _set(part, name.split("."), value)
        _update(settings, part)
    return settings


def ros_parameters(path: Path, node: str = NODE) -> dict[str, Any]:
    """Read the parameters that every ROS node has from a parameter file.

    Args:
        path: the file; one that is not a ROS parameter file has none.
        node: full name of the node.

    Returns:
        Values by dotted names, such as ``use_sim_time``.

    Raises:
        ConfigError: if the file cannot be read.
    """
    _, sections = _read(path)
    parameters = {
        key: value
        for name, values in sections.items()
        if parameter_file.fits(name, node)
        for key, value in (values or {}).items()
    }
    return {key: value for key, value in parameters.items() if key.split(".")[0] in _OF_ROS}


def _read(path: Path) -> tuple[str, dict[str, dict[str, Any] | None]]:
    """Read a file: its text, and its sections if it is a ROS parameter file."""
    try:
        text = Path(os.path.expanduser(path)).read_text(encoding="utf-8")
        return text, parameter_file.sections(text)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not a text file: {error}") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise ConfigError(f"{path}: not YAML: {error}") from error


def _from_file(
    path: Path, model: type[BaseModel], node: str, ignored: Collection[str]
) -> dict[str, Any]:
    text, sections = _read(path)
    if sections:
        for key in parameter_file.plain_keys(text) & model.model_fields.keys():
            raise ConfigError(f"{path}: {key} is outside ros__parameters")
        return _of_ros(path, sections, model, node, ignored)
    values = _parse(text, str(path))
    if values is None:  # an empty file
        return {}
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: holds {values!r}; expected keys and values")
    return values


def _of_ros(
    path: Path,
    sections: Mapping[str, Mapping[str, Any] | None],
    model: type[BaseModel],
    node: str,
    ignored: Collection[str],
) -> dict[str, Any]:
    """The settings for a node in the sections of a ROS parameter file, nested."""
    settings: dict[str, Any] = {}
    namespace = node.rpartition("/")[0]
    separate = [f"{namespace}/{name}" for name in _SEPARATE]
    parameter_file.warn_of_unread(path, sections, node, separate)
    known = {*model.model_fields, *ignored, *_OF_ROS}
    for name, values in sections.items():
        if not parameter_file.fits(name, node):
            continue
        if values is None:
            raise ConfigError(f"{path}: ros__parameters of {name} holds no keys and values")
        for key, value in values.items():
            first = key.split(".")[0]
            if first in model.model_fields:
                _update(settings, nested({key: value}))
            elif first not in known:
                told = f"{path}: {name}: unknown key {key}{_meant(first, known)}"
                if "*" not in name:
                    raise ConfigError(f"{told}; accepted: {', '.join(sorted(known))}")
                if _meant(first, known):  # else it is for another of the nodes
                    _log.warning("%s; it is ignored", told)
    return settings


def _meant(key: str, known: Iterable[str]) -> str:
    """A hint at the most similar known key, or ""."""
    like = get_close_matches(key, list(known), 1, 0.75)
    return f" (did you mean {like[0]}?)" if like else ""


def _parse(text: str, where: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{where}: not YAML: {error}") from error


def _update(values: dict[str, Any], changes: Mapping[Any, Any]) -> None:
    for key, value in changes.items():
        inner = values.get(key)
        if isinstance(inner, dict) and isinstance(value, dict | None):  # None: an empty section
            _update(inner, value or {})
        else:
            values[key] = value


def _set(values: dict[str, Any], keys: list[str], value: Any) -> None:
    for key in keys[:-1]:
        inner = values.get(key)
        if not isinstance(inner, dict):
            inner = values[key] = {}
        values = inner
    values[keys[-1]] = value


def _problem(model: type[BaseModel], location: tuple[int | str, ...], detail: Any) -> str:
    """One problem in a line: the key, its value and the accepted values."""
    accepted = ""
    field = None
    for depth, key in enumerate(location):
        if field is not None and not _is_model(field.annotation):  # in a list of values
            accepted = ""
            break
        name = ".".join(map(str, location[: depth + 1]))
        field = model.model_fields.get(str(key))
        if field is None:
            accepted = ", ".join(model.model_fields)
            return f"unknown key {name}; accepted: {accepted}{_meant(str(key), model.model_fields)}"
        accepted = _accepted(model, str(key))
        if _is_model(field.annotation):
            model = field.annotation
            accepted = f"expected a section of settings: {', '.join(model.model_fields)}"
    is_section = field is None or _is_model(field.annotation)
    if is_section and isinstance(detail["input"], dict):  # its settings do not go together
        return detail["msg"].removeprefix("Value error, ")
    name = ".".join(map(str, location)) or "settings"
    return f"{name} is {detail['input']!r}: {accepted or detail['msg']}"


def _is_model(kind: Any) -> TypeGuard[type[BaseModel]]:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _accepted(model: type[BaseModel], key: str) -> str:
    """The accepted values of a field in words, from its JSON schema; "" if unknown."""
    schema = model.model_json_schema()["properties"].get(key, {})
    if "enum" in schema:
        return "accepted: " + ", ".join(map(str, schema["enum"]))
    if "const" in schema:
        return f"accepted: {schema['const']}"
    if "type" not in schema:
        return ""
    return f"accepted: {schema['type']} {' and '.join(limits(schema))}".strip()
