"""The base class of all settings."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

__all__ = ["Settings", "limits", "setting"]


class Settings(BaseModel):
    """Base class of all settings. Unknown keys are errors; instances are immutable.

    A path may begin with ``~``, the user's home folder.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    @field_validator("*")
    @classmethod
    def _expand_user(cls, value: Any) -> Any:
        if isinstance(value, str | Path) and str(value).startswith("~"):
            return type(value)(os.path.expanduser(value))
        return value


def setting(default: Any, description: str, *, load_time: bool = False, **limits: Any) -> Any:
    """Declare a field of settings.

    Args:
        default: its default value.
        description: a sentence for help, docs and ROS parameters.
        load_time: whether it is read only when a node is configured, as networks are loaded and
            topics are subscribed to. All other fields can be changed while a node runs.
        limits: ``ge``, ``gt``, ``le``, ``lt`` as of ``pydantic.Field``.
    """
    extra: dict[str, Any] | None = {"load_time": True} if load_time else None
    return Field(default, description=description, json_schema_extra=extra, **limits)


def limits(schema: Mapping[str, Any]) -> list[str]:
    """The limits of a number in the JSON schema of its field, such as ``["> 0", "<= 1"]``."""
    signs = {"exclusiveMinimum": ">", "minimum": ">=", "exclusiveMaximum": "<", "maximum": "<="}
    return [f"{sign} {schema[word]:g}" for word, sign in signs.items() if word in schema]
