"""Settings from a YAML file and the command line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeGuard, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from cvdl.errors import InputError
from cvdl.pipeline import PerceptionConfig

__all__ = ["ConfigError", "load_config", "load_settings", "nested"]

Model = TypeVar("Model", bound=BaseModel)


class ConfigError(InputError):
    """Settings that cannot be used; the message names each key, its value and what is accepted."""


def load_config(path: Path | None = None, overrides: Iterable[str] = ()) -> PerceptionConfig:
    """The settings of every stage: see ``load_settings``."""
    return load_settings(PerceptionConfig, path, overrides)


def load_settings(
    model: type[Model],
    path: Path | None = None,
    overrides: Iterable[str] = (),
    values: Mapping[str, Any] | None = None,
) -> Model:
    """Settings: the defaults, changed by values, by a file and by overrides, in this order.

    Args:
        model: of the settings; all its fields have defaults.
        path: a YAML file with its keys, any of which may be left out; or a parameter file of ROS,
            of which parameters that are no settings of the model are passed over.
        values: some of the settings, nested as in the file.
        overrides: ``key=value``, dots between the levels: ``segmentation.max_range=2.5``; the
            value is read as YAML.

    Raises:
        ConfigError: if the file cannot be read, a key is unknown or a value is not accepted.
    """
    # From all the defaults: those of an inner model may not be the ones it has by itself.
    settings = model().model_dump()
    _update(settings, values or {})
    if path is not None:
        _update(settings, _of_ros(model, _read(path)))
    for override in overrides:
        key, separator, text = override.partition("=")
        if not separator or not key.strip():
            raise ConfigError(f"{override!r}: expected key=value")
        _set(settings, key.strip().split("."), _parse(text, override))
    try:
        return model.model_validate(settings)
    except ValidationError as error:
        source = "settings" if path is None else f"{path}"
        problems = [_problem(model, detail["loc"], detail) for detail in error.errors()]
        raise ConfigError(f"{source}: " + "; ".join(problems)) from error


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values by names with dots, as ROS has its parameters, as settings have them."""
    settings: dict[str, Any] = {}
    for name, value in values.items():
        part: dict[str, Any] = {}
        _set(part, name.split("."), value)
        _update(settings, part)
    return settings


def _read(path: Path) -> dict[str, Any]:
    try:
        values = _parse(path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not a text file: {error}") from error
    if values is None:  # an empty file
        return {}
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: holds {values!r}; expected keys and values")
    return values


def _of_ros(model: type[BaseModel], values: dict[str, Any]) -> dict[str, Any]:
    """What a parameter file of ROS says for any of its nodes; other files as they are.

    Parameters are nested there or have dots in their names.
    """
    settings: dict[str, Any] = {}
    for node in values.values():
        parameters = node.get("ros__parameters") if isinstance(node, dict) else None
        if not isinstance(parameters, dict):
            return values
        known = (name for name in parameters if str(name).split(".")[0] in model.model_fields)
        _update(settings, nested({str(name): parameters[name] for name in known}))
    return settings


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
    """One complaint in a line: the key, the value found and the values accepted."""
    accepted = ""
    field = None
    for depth, key in enumerate(location):
        if field is not None and not _is_model(field.annotation):  # in a list of values
            accepted = ""
            break
        name = ".".join(map(str, location[: depth + 1]))
        field = model.model_fields.get(str(key))
        if field is None:
            return f"unknown key {name}; accepted: {', '.join(model.model_fields)}"
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
    """What a field takes, in words, from the same declaration that checks it; "" if unknown."""
    schema = model.model_json_schema()["properties"].get(key, {})
    if "enum" in schema:
        return "accepted: " + ", ".join(map(str, schema["enum"]))
    if "const" in schema:
        return f"accepted: {schema['const']}"
    words = {"exclusiveMinimum": ">", "minimum": ">=", "exclusiveMaximum": "<", "maximum": "<="}
    limits = [f"{sign} {schema[word]:g}" for word, sign in words.items() if word in schema]
    if "type" not in schema:
        return ""
    return f"accepted: {schema['type']} {' and '.join(limits)}".strip()
