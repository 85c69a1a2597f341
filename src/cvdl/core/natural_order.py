"""Names with numbers in the order that a person expects."""

from __future__ import annotations

import re

__all__ = ["natural_key"]


def natural_key(name: str) -> tuple[str | int, ...]:
    """Sorts the numbers in a name by value: learn2 before learn10."""
    return tuple(int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name))
