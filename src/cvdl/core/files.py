"""Files that are written: none takes an older one's place unasked, or is left half."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from cvdl.core.errors import InputError

__all__ = ["keep_outputs", "write_atomically"]


def keep_outputs(paths: Iterable[Path | None], overwrite: bool) -> None:
    """Sees to it that nothing is replaced unless that was asked for.

    Args:
        paths: of what is to be written; None for what is not.
        overwrite: whether it was.

    Raises:
        InputError: naming one that exists, is a folder, or is there twice.
    """
    given = [path for path in paths if path is not None]
    for path in given:
        if given.count(path) > 1:
            raise InputError(f"{path} is given for two outputs")
        if path.is_dir():
            raise InputError(f"{path} is a folder; expected a file to write")
        if path.exists() and not overwrite:
            raise InputError(f"{path} already exists; use --overwrite to replace it")


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that a kill at any time leaves the old content or the new, never a part.

    Raises:
        OSError: naming the file, if it cannot be written; no part of it stays.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    try:
        part.write_bytes(content)
    except OSError as error:
        part.unlink(missing_ok=True)
        error.filename = str(path)  # a full disk names none
        raise
    os.replace(part, path)
