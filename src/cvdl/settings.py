"""What all settings have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

__all__ = ["Settings"]


class Settings(BaseModel):
    """Settings: a key that is none is an error, and nothing changes once they are made."""

    model_config = ConfigDict(extra="forbid", frozen=True)
