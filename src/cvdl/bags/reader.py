"""Read any kind of bag."""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from rosbags.rosbag1 import Reader as Reader1

from cvdl.bags.members import STORAGES, has_log, member_files, readable, storage_of
from cvdl.bags.realsense import RealSenseSource, is_recording
from cvdl.bags.scans import McapScan, SqliteScan
from cvdl.bags.sources import Bytes, Ros1Source, Source, ros2_sources
from cvdl.bags.topic import BagError, Topic
from cvdl.bags.typestore import typestore
from cvdl.messages.images import MessageError

__all__ = ["BagReader"]

_log = logging.getLogger(__name__)

_ACCEPTED = (
    "accepted: a rosbag2 folder, a .mcap or .db3 file, or a ROS 1 .bag file; "
    "the first two also compressed, as .mcap.zstd or .db3.zstd"
)
_ROS1 = (".bag", ".bag.active")  # the latter of a killed recorder
_SCANS = {".mcap": McapScan, ".db3": SqliteScan}


class BagReader:
    """A rosbag2 (MCAP or SQLite, also compressed) or a ROS 1 bag, to use in a with statement.

    A damaged bag is read up to the damage, with one warning in the log. Messages of a ROS 1 bag
    are converted to the types and serialization of ROS 2.

    Attributes:
        path: the folder or file.
        kind: such as "rosbag2 (MCAP)".
        topics: all of them, in order of their names.
        start_ns: time of the first message, nanoseconds.
        duration_ns: from the first to the last message.

    Raises:
        BagError: if there is no bag, or nothing of it can be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._unread: dict[tuple[int, int], int] = {}  # by source and topic
        self._warned: set[int] = set()
        with ExitStack() as stack:
            self.kind, self._sources = _open(path, stack)
            self._copies = stack.pop_all()
        self._merged: dict[tuple[str, str], Topic] = {}
        for source in self._sources:
            for topic in source.topics.values():
                key = (topic.name, topic.type)
                known = self._merged.get(key, replace(topic, count=0))
                self._merged[key] = replace(known, count=known.count + topic.count)
        self.topics = tuple(self._merged[key] for key in sorted(self._merged))
        with_messages = [s for s in self._sources if any(t.count for t in s.topics.values())]
        self.start_ns = min((source.start_ns for source in with_messages), default=0)
        end_ns = max((source.end_ns for source in with_messages), default=0)
        self.duration_ns = end_ns - self.start_ns

    def __enter__(self) -> BagReader:
        return self

    def __exit__(self, *exception: object) -> None:
        for source in self._sources:
            source.close()
        self._copies.close()

    def messages(self, names: Collection[str] | None = None) -> Iterator[tuple[Topic, int, Bytes]]:
        """Yield topic, time of reception (nanoseconds) and serialized message (CDR), by time.

        Args:
            names: of the topics; default: all.
        """
        for number, source in enumerate(self._sources):
            wanted = {k: t for k, t in source.topics.items() if names is None or t.name in names}
            if not wanted:
                continue
            topics = {key: self._merged[topic.name, topic.type] for key, topic in wanted.items()}
            unread = {(number, key): topic.count for key, topic in wanted.items()}
            total = sum(unread.values())
            for place in unread:
                self._unread.pop(place, None)
            try:
                for key, stamp_ns, data in source.messages(wanted):
                    unread[number, key] -= 1
                    yield topics[key], stamp_ns, data
            except Exception as error:  # damage causes errors of many types
                self._unread.update(unread)
                if number not in self._warned:
                    _log.warning(
                        "%s cannot be read beyond message %d of %d: %s",
                        self.path / source.file_name if self.path.is_dir() else self.path,
                        total - sum(unread.values()),
                        total,
                        error,
                    )
                self._warned.add(number)

    @property
    def unread(self) -> int:
        """Number of messages after damage, of each topic in its last reading."""
        return sum(self._unread.values())

    def decode(self, topic: Topic, data: Bytes) -> Any:
        """Decode a serialized message to an object with its fields.

        Raises:
            MessageError: if the data does not match the type.
        """
        try:
            return typestore().deserialize_cdr(data, topic.type)
        except Exception as error:
            raise MessageError("undecodable message", f"{topic.type}: {error}") from error


def _open(path: Path, stack: ExitStack) -> tuple[str, list[Source]]:
    """The kind of a bag and its files; the stack removes temporary copies."""
    if not path.exists():
        raise BagError(f"there is no bag {path}")
    if path.is_dir():
        files = member_files(path)
        return _kind(files), _open_folder(path, files, stack)
    if path.name.endswith(_ROS1):
        source = _open_ros1(path)
        is_recording_of_sdk = isinstance(source, RealSenseSource)
        return "ROS 1 bag" + " (RealSense SDK)" * is_recording_of_sdk, [source]
    return _kind([path]), _open_ros2(path, stack)


def _open_folder(path: Path, files: list[Path], stack: ExitStack) -> list[Source]:
    metadata = path / "metadata.yaml"
    if not files and not metadata.exists():
        raise BagError(f"the folder {path} holds no bag: {_what_instead(path)}")
    if any(map(has_log, files)):
        # The metadata does not count the rows in the log; `readable` reports them.
        reason = ""
    elif not metadata.exists():  # of a killed recorder
        reason = "there is no metadata.yaml"
    else:
        try:
            sources = ros2_sources(path)
        except Exception as error:  # damage causes errors of many types
            reason = str(error).rstrip(".")
            if not files or _has_unknown_compression(metadata):
                raise BagError(f"{path} is not a readable bag: {reason}; {_ACCEPTED}") from error
        else:
            read = {source.file_name for source in sources}
            for file in files:
                if file.name.removesuffix(".zstd") not in read:
                    _log.warning("%s is skipped: metadata.yaml does not list it", file)
            return list(sources)
    if reason:
        _log.warning("%s: %s; its files are read one by one", path, reason)
    opened: list[Source] = []
    refusals: list[BagError] = []
    for file in files:
        sources_or_refusal = _try_ros2(file, stack)
        if isinstance(sources_or_refusal, BagError):
            refusals.append(sources_or_refusal)
        else:
            opened += sources_or_refusal
    if not opened:
        raise refusals[0]
    for refusal in refusals:
        _log.warning("a file of the bag is skipped: %s", refusal)
    return opened


def _what_instead(folder: Path) -> str:
    """What a folder without a rosbag2 lacks, and what to give instead."""
    bags = sorted(file.name for file in folder.iterdir() if file.name.endswith(_ROS1))
    if bags:
        return f"give the ROS 1 bag itself, {folder / bags[0]}"
    return (
        f"neither metadata.yaml nor {' nor '.join(STORAGES)} files; `cvdl bag from-images "
        f"{folder} BAG` makes a bag of a folder of images"
    )


def _has_unknown_compression(metadata: Path) -> bool:
    found = re.search(
        r"^\s*compression_format:[ '\"]*(\w+)", metadata.read_text(errors="replace"), re.MULTILINE
    )
    return found is not None and found[1] not in ("none", "zstd")


def _open_ros2(path: Path, stack: ExitStack) -> list[Source]:
    """Open a file of a rosbag2."""
    storage = storage_of(path)
    if not storage:
        raise BagError(f"{path} is not a bag: its name ends in {path.suffix!r}; {_ACCEPTED}")
    file = readable(path, stack)
    try:
        return list(ros2_sources(file))
    except Exception as error:  # damage causes errors of many types
        return [_SCANS[storage](file, error, path)]


def _try_ros2(path: Path, stack: ExitStack) -> list[Source] | BagError:
    try:
        return _open_ros2(path, stack)
    except BagError as error:
        return error


def _open_ros1(path: Path) -> Source:
    try:
        reader = Reader1(path)
        reader.open()
        if is_recording({connection.topic for connection in reader.connections}):
            return RealSenseSource(reader)
        return Ros1Source(reader)
    except Exception as error:  # damage causes errors of many types
        raise BagError(
            f"{path} cannot be read: {error} (`rosbag reindex` of ROS 1 repairs truncated bags)"
        ) from error


def _kind(files: Iterable[Path]) -> str:
    is_sqlite = any(storage_of(file) == ".db3" for file in files)
    return "rosbag2 (SQLite)" if is_sqlite else "rosbag2 (MCAP)"
