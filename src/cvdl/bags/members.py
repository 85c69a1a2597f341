"""The files of a rosbag2, made readable: compressed ones, and SQLite files of killed recorders."""

from __future__ import annotations

import logging
import shutil
import sqlite3
import sys
from contextlib import ExitStack, closing
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir

from cvdl.bags.topic import BagError
from cvdl.core.natural_order import natural_key

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = ["STORAGES", "decompressed", "has_log", "member_files", "readable", "storage_of", "zstd"]

_log = logging.getLogger(__name__)

#: Suffixes of the files of a rosbag2.
STORAGES = (".mcap", ".db3")

_COMPRESSED = ".zstd"
# Serialized messages begin with 0, so that no message looks like compressed data.
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
# SQLite keeps these next to a file until their changes are committed or rolled back.
_LOGS = ("-wal", "-journal")


def storage_of(path: Path) -> str:
    """ ".mcap" or ".db3", also for a compressed file; empty for any other file."""
    suffix = Path(path.stem).suffix if path.suffix == _COMPRESSED else path.suffix
    return suffix if suffix in STORAGES else ""


def member_files(folder: Path) -> list[Path]:
    """The files of a bag in natural order, without compressed copies of files that are there.

    A recorder that is killed while it compresses leaves both, and only the copy can be incomplete.
    """
    files = {file for file in folder.iterdir() if storage_of(file)}
    return sorted(
        (file for file in files if file.suffix != _COMPRESSED or file.with_suffix("") not in files),
        key=lambda file: natural_key(file.name),
    )


def has_log(path: Path) -> bool:
    """Whether SQLite left changes of a file next to it, as a killed recorder does."""
    return bool(_logs_of(path))


def decompressed(data: bytes | memoryview) -> bytes | memoryview:
    """A message, decompressed if the recorder compressed each message with zstd."""
    return zstd.decompress(data) if data[:4] == _ZSTD_MAGIC else data


def readable(path: Path, stack: ExitStack) -> Path:
    """The file itself, or a temporary copy that is uncompressed and has all rows.

    The file and its folder stay unchanged.

    Args:
        path: a file of a bag.
        stack: removes the copy.

    Raises:
        BagError: if there is no space for the copy.
    """
    if path.suffix != _COMPRESSED and not has_log(path):
        return path
    folder = Path(stack.enter_context(TemporaryDirectory(prefix="cvdl-")))
    try:
        file = path
        if path.suffix == _COMPRESSED:
            file = _decompress(path, folder / path.stem)
        if has_log(path):
            whole = folder / "whole"
            whole.mkdir()
            file = _with_log(path, file, whole / file.name)
        return file
    except OSError as error:
        raise BagError(
            f"cannot make a temporary copy of {path} in {gettempdir()}: {error} (set TMPDIR to "
            "use another folder)"
        ) from error


def _logs_of(path: Path) -> list[Path]:
    """The logs that are not empty; also of a file that is compressed without its log."""
    file = path.with_suffix("") if path.suffix == _COMPRESSED else path
    logs = [file.with_name(file.name + suffix) for suffix in _LOGS]
    return [log for log in logs if log.is_file() and log.stat().st_size]


def _decompress(path: Path, target: Path) -> Path:
    """Decompress up to the damage, like any other truncated file is read."""
    reason = ""
    with zstd.open(path) as source, target.open("wb") as out:
        try:
            while data := source.read1():
                out.write(data)
        except EOFError:
            reason = "it is truncated"
        except zstd.ZstdError as error:
            reason = str(error)
    if reason:
        _log.warning("%s is only partly decompressed: %s", path, reason)
    return target


def _with_log(path: Path, file: Path, target: Path) -> Path:
    """Copy `file`, which is `path` uncompressed, and apply the log of `path`."""
    shutil.copyfile(file, target)
    for log in _logs_of(path):
        shutil.copyfile(log, target.with_name(log.name))
    if not target.stat().st_size:  # SQLite ignores the log of an empty file
        target.write_bytes(bytes(512))
    try:
        with closing(sqlite3.connect(target)) as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            rows = database.execute("SELECT count(*) FROM messages").fetchone()[0]
    except sqlite3.Error as error:
        _log.warning("%s: its SQLite log cannot be read: %s", path, error)
        shutil.copyfile(file, target)
    else:
        _log.warning(
            "%s: its recorder was killed; with its SQLite log it holds %d messages", path, rows
        )
    return target
