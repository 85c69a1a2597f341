"""What files of weights say of themselves: text by name. Imports no torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from cvdl.core.errors import InputError

__all__ = ["WeightsError", "classes_of"]


class WeightsError(InputError):
    """Unusable weights; the message names the file, its content and what is expected."""


def classes_of(path: Path, metadata: Mapping[str, str]) -> tuple[str, ...]:
    """Return the class names in the metadata of weights, in the order of the class indices.

    Raises:
        WeightsError: if there are none.
    """
    try:
        names = json.loads(metadata.get("classes", ""))
    except ValueError:
        names = None
    if not isinstance(names, list) or not names or not all(isinstance(n, str) for n in names):
        raise WeightsError(f"{path}: names no classes; expected a list of them in its metadata")
    return tuple(names)
