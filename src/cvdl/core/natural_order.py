"""Natural sort order of names with numbers."""

from __future__ import annotations

import re

__all__ = ["natural_key"]


def natural_key(name: str) -> tuple[str | int, ...]:
    """Sort key that orders the numbers in names by value: learn2 before learn10."""
    return tuple(int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name))
