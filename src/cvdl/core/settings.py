"""The base class of all settings."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, field_validator

__all__ = ["LOAD_TIME", "Settings"]

#: ``json_schema_extra`` of a field that is read only when a node is configured, as networks are
#: loaded and topics subscribed to. All other fields can be changed while a node runs.
LOAD_TIME: dict[str, Any] = {"load_time": True}


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
