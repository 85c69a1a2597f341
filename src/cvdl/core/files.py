"""Output files: none is overwritten without permission or left incomplete."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from cvdl.core.errors import InputError

__all__ = ["keep_outputs", "write_atomically"]


def keep_outputs(paths: Iterable[Path | None], overwrite: bool) -> None:
    """Check that output files can be written, before any work is done.

    Args:
        paths: The files to write; None is ignored.
        overwrite: Whether existing files may be replaced.

    Raises:
        InputError: If a path exists (without `overwrite`), is a folder, is given twice, or is
            where no file can be made.
    """
    given = [path for path in paths if path is not None]
    for path in given:
        if given.count(path) > 1:
            raise InputError(f"{path} is given for two outputs")
        if path.is_dir():
            raise InputError(f"{path} is a folder; expected a file to write")
        if path.exists() and not overwrite:
            raise InputError(f"{path} already exists; use --overwrite to replace it")
        above = next(folder for folder in path.absolute().parents if folder.exists())
        if not above.is_dir():
            raise InputError(f"{path} cannot be written: {above} is a file, not a folder")
        if not os.access(above, os.W_OK):
            raise InputError(f"{path} cannot be written: no permission to write to {above}")


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file; a process killed meanwhile leaves the old content or the new one.

    Missing parent folders are created.

    Raises:
        OSError: If the file cannot be written. It names the file, whose old content is kept.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    try:
        part.write_bytes(content)
    except OSError as error:
        part.unlink(missing_ok=True)
        error.filename = str(path)  # the error of a full disk has none
        raise
    os.replace(part, path)
