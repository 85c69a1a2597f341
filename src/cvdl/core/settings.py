"""What all settings have in common."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, field_validator

__all__ = ["Settings"]


class Settings(BaseModel):
    """Settings: an unknown key is an error, and nothing changes once they are made.

    A path may begin with ``~``, the user's home folder.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    @field_validator("*")
    @classmethod
    def _expand_user(cls, value: Any) -> Any:
        if isinstance(value, str | Path) and str(value).startswith("~"):
            return type(value)(os.path.expanduser(value))
        return value
