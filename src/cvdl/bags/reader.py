"""Reads any kind of bag."""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from cvdl.bags.scans import McapScan, SqliteScan
from cvdl.bags.sources import Bytes, Ros1Source, Ros2Source, Source
from cvdl.bags.topic import BagError, Topic
from cvdl.bags.typestore import typestore
from cvdl.natural_order import natural_key
from cvdl.ros.reading import MessageError

__all__ = ["BagReader"]

_log = logging.getLogger(__name__)

_ACCEPTED = "accepted: a rosbag2 folder, a .mcap or .db3 file, or a ROS 1 .bag file"
_SCANS = {".mcap": McapScan, ".db3": SqliteScan}


class BagReader:
    """A rosbag2 (MCAP or SQLite; compressed too) or a ROS 1 bag, to be used in a with statement.

    A damaged bag is read up to the damage, with one warning in the log. Messages of a ROS 1 bag
    come converted to ROS 2's types and serialisation.

    Attributes:
        path: the folder or file.
        kind: such as "rosbag2 (MCAP)".
        topics: all of them, in order of their names.
        start_ns: time of the first message, nanoseconds.
        duration_ns: from the first to the last message.
        unread: how many of the messages wanted last lie behind damage.

    Raises:
        BagError: if there is no bag, or nothing of it can be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.unread = 0
        self.kind, self._sources = _open(path)
        merged: dict[tuple[str, str], Topic] = {}
        for source in self._sources:
            for topic in source.topics.values():
                key = (topic.name, topic.type)
                known = merged.get(key)
                merged[key] = replace(known, count=known.count + topic.count) if known else topic
        self._merged = merged
        self.topics = tuple(merged[key] for key in sorted(merged))
        with_messages = [s for s in self._sources if any(t.count for t in s.topics.values())]
        self.start_ns = min((source.start_ns for source in with_messages), default=0)
        end_ns = max((source.end_ns for source in with_messages), default=0)
        self.duration_ns = end_ns - self.start_ns

    def __enter__(self) -> BagReader:
        return self

    def __exit__(self, *exception: object) -> None:
        for source in self._sources:
            source.close()

    def messages(self, names: Collection[str] | None = None) -> Iterator[tuple[Topic, int, Bytes]]:
        """Topic, time of reception (nanoseconds) and serialised message (CDR), in order of time.

        Args:
            names: of the topics wanted; all of them if not given.
        """
        self.unread = 0
        for source in self._sources:
            keys = [k for k, t in source.topics.items() if names is None or t.name in names]
            topics = {k: self._merged[t.name, t.type] for k, t in source.topics.items()}
            if not keys:
                continue
            count = 0
            try:
                for key, stamp_ns, data in source.messages(keys):
                    count += 1
                    yield topics[key], stamp_ns, data
            except Exception as error:  # whatever the libraries make of damaged data
                total = sum(source.topics[key].count for key in keys)
                self.unread += total - count
                _log.warning(
                    "%s cannot be read beyond message %d of %d: %s", self.path, count, total, error
                )

    def decode(self, topic: Topic, data: Bytes) -> Any:
        """A serialised message to an object with its fields.

        Raises:
            MessageError: if the data is not of that type.
        """
        try:
            return typestore().deserialize_cdr(data, topic.type)
        except Exception as error:
            raise MessageError("undecodable message", f"{topic.type}: {error}") from error


def _open(path: Path) -> tuple[str, list[Source]]:
    """What kind of bag it is, and its files."""
    if not path.exists():
        raise BagError(f"there is no bag {path}")
    if not path.is_dir():
        return _kind([path]), [_open_file(path)]
    files = sorted(
        (file for file in path.iterdir() if file.suffix in _SCANS),
        key=lambda file: natural_key(file.name),
    )
    metadata = path / "metadata.yaml"
    if not files and not metadata.exists():
        raise BagError(
            f"the folder {path} holds no bag: neither metadata.yaml nor {' nor '.join(_SCANS)}; "
            f"of a folder of images, `cvdl bag from-images {path} BAG` makes one"
        )
    try:
        source = Ros2Source(path)
    except Exception as error:  # whatever the library makes of a damaged bag
        if not files or _says_compressed(metadata):
            raise BagError(f"{path} is no bag that can be read: {error}; {_ACCEPTED}") from error
        # A recorder that was killed leaves no metadata; those of a copy cut off do not fit it.
        _log.warning("%s: %s; its files are read one by one", path, str(error).rstrip("."))
        return _kind(files), [_open_file(file) for file in files]
    return _kind(path.iterdir()), [source]


def _says_compressed(metadata: Path) -> bool:
    """Whether messages need decompression of which their own file knows nothing."""
    text = metadata.read_text(errors="replace") if metadata.is_file() else ""
    return re.search(r"compression_mode: *['\"]?(file|message)", text, re.IGNORECASE) is not None


def _open_file(path: Path) -> Source:
    if path.suffix != ".bag" and path.suffix not in _SCANS:
        raise BagError(f"{path} is not a bag: its name ends in {path.suffix!r}; {_ACCEPTED}")
    try:
        return Ros1Source(path) if path.suffix == ".bag" else Ros2Source(path)
    except Exception as error:  # whatever the libraries make of a damaged file
        if path.suffix in _SCANS:
            return _SCANS[path.suffix](path, error)
        raise BagError(
            f"{path} cannot be read: {error} (ROS 1's `rosbag reindex` mends what was cut off)"
        ) from error


def _kind(files: Iterable[Path]) -> str:
    names = " ".join(file.name for file in files)
    if ".bag" in names:
        return "ROS 1 bag"
    return "rosbag2 (SQLite)" if ".db3" in names else "rosbag2 (MCAP)"
