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

__all__ = ["STORAGES", "decompressed", "has_log", "member_files", "readable", "storage_of"]

_log = logging.getLogger(__name__)

#: Suffixes of the files of a rosbag2.
STORAGES = (".mcap", ".db3")

_COMPRESSED = ".zstd"
# Serialised messages begin with 0, so that no message is taken for compressed data.
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
# What SQLite keeps beside a file until its rows are in the file, or back out of it.
_LOGS = ("-wal", "-journal")
_BLOCK_BYTES = 1 << 16


def storage_of(path: Path) -> str:
    """ ".mcap" or ".db3", also of a compressed file; empty for any other file."""
    suffix = Path(path.stem).suffix if path.suffix == _COMPRESSED else path.suffix
    return suffix if suffix in STORAGES else ""


def member_files(folder: Path) -> list[Path]:
    """The files of a bag in natural order.

    Of a file and its compressed copy it is the file: a recorder that was killed while it
    compressed leaves both, and only the copy can be incomplete.
    """
    files = {file for file in folder.iterdir() if storage_of(file)}
    return sorted(
        (file for file in files if file.suffix != _COMPRESSED or file.with_suffix("") not in files),
        key=lambda file: natural_key(file.name),
    )


def has_log(path: Path) -> bool:
    """Whether SQLite left changes of a file beside it, which a killed recorder does."""
    return any(map(_is_filled, _logs_of(path)))


def decompressed(data: bytes | memoryview) -> bytes | memoryview:
    """A message as it is, or decompressed if the recorder compressed each message with zstd."""
    return zstd.decompress(data) if data[:4] == _ZSTD_MAGIC else data


def readable(path: Path, stack: ExitStack) -> Path:
    """The file itself, or a temporary copy that is uncompressed and holds all rows.

    The file and its folder are not changed.

    Args:
        path: a file of a bag.
        stack: takes over the removal of the copy.

    Raises:
        BagError: if there is no room for the copy.
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
    """Also of a compressed file: it may have been compressed before its log was in it."""
    file = path.with_suffix("") if path.suffix == _COMPRESSED else path
    return [file.with_name(file.name + suffix) for suffix in _LOGS]


def _is_filled(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0


def _decompress(path: Path, target: Path) -> Path:
    """As much as can be decompressed: a copy that broke off is read like any other cut off file."""
    decompressor = zstd.ZstdDecompressor()
    with path.open("rb") as source, target.open("wb") as out:
        try:
            while data := source.read(_BLOCK_BYTES):
                while data:
                    if decompressor.eof:  # of one frame: another one follows
                        decompressor = zstd.ZstdDecompressor()
                    out.write(decompressor.decompress(data))
                    data = decompressor.unused_data
            reason = "" if decompressor.eof else "it is truncated"
        except zstd.ZstdError as error:
            reason = str(error)
    if reason:
        _log.warning("%s is only partly decompressed: %s", path, reason)
    return target


def _with_log(path: Path, file: Path, target: Path) -> Path:
    """A copy of `file`, which is `path` uncompressed, with what the log of `path` says."""
    shutil.copyfile(file, target)
    for log in filter(_is_filled, _logs_of(path)):
        shutil.copyfile(log, target.with_name(log.name))
    if not target.stat().st_size:  # SQLite drops the log of an empty file
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
