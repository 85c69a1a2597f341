"""Where the messages of a bag come from: ROS 2 and ROS 1 files, read with the rosbags library."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from mcap.records import Message
from mcap.stream_reader import StreamReader
from rosbags.convert.converter import STATIC_MSGTYPE_RENAMES, is_same_wireformat, migrate_bytes
from rosbags.interfaces import Connection
from rosbags.rosbag1 import Reader as Reader1
from rosbags.rosbag2 import Reader as Reader2
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from cvdl.bags.members import decompressed
from cvdl.bags.topic import LATCHED, BagError, Topic, described
from cvdl.bags.typestore import new_typestore

__all__ = ["Bytes", "Ros1Source", "Ros2Source", "Source", "ros2_sources"]

_log = logging.getLogger(__name__)

Bytes = bytes | memoryview

_DIGEST_OF_NO_FIELDS = "d41d8cd98f00b204e9800998ecf8427e"


class Source(ABC):
    """A file or a folder of messages.

    Attributes:
        topics: by the key of their messages; one name may have several.
        start_ns: time of the first message, nanoseconds.
        end_ns: time of the last message, nanoseconds.
        file_name: of the file in the folder of a bag, uncompressed; empty for a ROS 1 bag.
    """

    topics: dict[int, Topic]
    start_ns: int
    end_ns: int
    file_name = ""

    @abstractmethod
    def messages(self, keys: Collection[int]) -> Iterator[tuple[int, int, Bytes]]:
        """Yield key, time (nanoseconds) and serialized message (CDR) of these topics, in order."""

    def close(self) -> None:  # noqa: B027 (not every source has something to close)
        """Close the files."""


class _RosbagsSource(Source):
    """A source that reads with the library.

    Args:
        reader: an open reader of the library: of a ROS 1 bag, or of a file of a rosbag2.
        close: closes the files; default: the method of the reader.
    """

    def __init__(self, reader: Any, close: Callable[[], None] | None = None) -> None:
        self._reader = reader
        self._close = close or reader.close
        self._connections: dict[int, Connection] = {c.id: c for c in reader.connections}
        self._faulty: set[int] = set()
        self.topics = {}

    def messages(self, keys: Collection[int]) -> Iterator[tuple[int, int, Bytes]]:
        """See the base class."""
        wanted = [self._connections[key] for key in keys if key in self._connections]
        for key, stamp_ns, data in self._raw(wanted) if wanted else ():
            converted = self._try_to_convert(key, stamp_ns, data)
            if converted is not None:
                yield key, stamp_ns, converted

    def close(self) -> None:
        """See the base class."""
        self._close()

    def _raw(self, wanted: list[Connection]) -> Iterator[tuple[int, int, Bytes]]:
        """Yield key, time and data of each message as in the file."""
        for connection, stamp_ns, data in self._reader.messages(wanted):
            yield connection.id, stamp_ns, data

    def _try_to_convert(self, key: int, stamp_ns: int, data: Bytes) -> Bytes | None:
        try:
            return self._converted(key, stamp_ns, data)
        except Exception as error:  # faulty messages cause errors of many types
            if key not in self._faulty:
                name = self._connections[key].topic
                _log.warning("%s: messages that cannot be converted are skipped: %s", name, error)
            self._faulty.add(key)
            return None

    @abstractmethod
    def _converted(self, key: int, stamp_ns: int, data: Bytes) -> Bytes:
        """A message in the serialization of ROS 2."""


class Ros2Source(_RosbagsSource):
    """One file of a rosbag2.

    The types of the bag are copied without parsing: an unknown type on an unused topic does not
    prevent reading the others.

    Args:
        reader: of the file, open.
        announced: topics in the metadata of the bag, if any: with hashes of types, and also topics
            without messages.
        close: closes the files.

    Raises:
        BagError: if the index does not list all topics.
    """

    def __init__(
        self,
        reader: Any,
        announced: Sequence[Connection] = (),
        close: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(reader, close)
        self.file_name = str(reader.path.name)
        indexed = sum(connection.msgcount for connection in reader.connections)
        if hasattr(reader, "chunks") and indexed < reader.metadata.message_count:
            raise BagError(f"the index of {self.file_name} does not list all topics")
        self.start_ns = reader.metadata.start_time
        self.end_ns = reader.metadata.end_time - 1
        known = {(c.topic, c.msgtype): c for c in announced}
        for key, connection in self._connections.items():
            ext: Any = connection.ext
            if ext.serialization_format != "cdr":
                _log.warning(
                    "%s: %s is skipped: its messages are serialized as %s; accepted: cdr",
                    reader.path,
                    connection.topic,
                    ext.serialization_format,
                )
                continue
            announcement = known.pop((connection.topic, connection.msgtype), connection)
            self.topics[key] = _topic_of(connection, announcement)
        for number, connection in enumerate(known.values(), start=1):
            self.topics[-number] = replace(_topic_of(connection, connection), count=0)

    def _raw(self, wanted: list[Connection]) -> Iterator[tuple[int, int, Bytes]]:
        if getattr(self._reader, "chunks", True):
            yield from super()._raw(wanted)
            return
        # An MCAP without chunks has no index. The library reads it only if times never go back,
        # which happens with several publishers, and from a position that all readers share.
        keys = {connection.id for connection in wanted}
        with self._reader.path.open("rb") as file:
            for record in StreamReader(file).records:
                if isinstance(record, Message) and record.channel_id in keys:
                    yield record.channel_id, record.log_time, record.data

    def _converted(self, key: int, stamp_ns: int, data: Bytes) -> Bytes:
        return decompressed(data)


def ros2_sources(path: Path) -> list[Ros2Source]:
    """The files of a rosbag2 folder with its metadata.yaml, or a single .mcap or .db3 file."""
    reader = Reader2(path)
    reader.open()
    if not path.is_dir():
        return [Ros2Source(reader.storage)]
    folder: Any = reader.storage
    # The folder closes all files, and removes its temporary copies.
    closers = [folder.close, *[lambda: None] * (len(folder.storages) - 1)]
    return [
        Ros2Source(storage, reader.connections, close)
        for storage, close in zip(folder.storages, closers, strict=True)
    ]


def _topic_of(connection: Connection, announcement: Connection) -> Topic:
    """A topic as in its file, or else as in the metadata of the bag."""
    definition, digest = connection.msgdef.data, connection.digest or announcement.digest
    if not definition:  # SQLite bags up to Humble have none
        definition, digest = described(connection.msgtype)
    profiles = [
        getattr(each.ext, "offered_qos_profiles", ()) for each in (connection, announcement)
    ]
    return Topic(
        connection.topic,
        connection.msgtype,
        definition,
        digest,
        tuple(profiles[0] or profiles[1]),
        connection.msgcount,
    )


class Ros1Source(_RosbagsSource):
    """A ROS 1 bag whose messages are converted to the types and serialization of ROS 2.

    Args:
        reader: of the bag, open.
    """

    def __init__(self, reader: Reader1) -> None:
        super().__init__(reader)
        self.start_ns = reader.start_time
        self.end_ns = reader.end_time - 1
        self._ros1 = get_typestore(Stores.EMPTY)
        self._ros2 = new_typestore()
        self._converters: dict[int, Callable[[Bytes], Bytes]] = {}
        refused: dict[str, str] = {}
        for key, connection in self._connections.items():
            error = self._try_to_add(key, connection)
            if error is not None:
                refused[connection.msgtype] = str(error)
        if refused:
            _log.warning(
                "%s: topics are skipped, because their types cannot be converted: %s",
                reader.path,
                "; ".join(f"{kind} ({reason})" for kind, reason in sorted(refused.items())),
            )

    def _try_to_add(self, key: int, connection: Connection) -> Exception | None:
        try:
            self._add(key, connection)
        except Exception as error:  # the parser raises errors of many types
            return error
        return None

    def _add(self, key: int, connection: Connection) -> None:
        """Register the type of a topic on both sides, and add the topic."""
        name = connection.msgtype
        self._ros1.register(_definitions(connection))
        kind = STATIC_MSGTYPE_RENAMES.get(name, name)
        if kind not in self._ros2.types:
            definition, _ = self._ros1.generate_msgdef(name, ros_version=2)
            found = get_types_from_msg(definition, kind)
            self._ros2.register({k: v for k, v in found.items() if k not in self._ros2.types})
        publisher: Any = connection.ext
        if is_same_wireformat(self._ros1, self._ros2, name, kind):
            self._converters[key] = partial(self._ros2.ros1_to_cdr, typename=kind)
        else:
            migrate: Any = partial(migrate_bytes, self._ros1, self._ros2, name, kind, {})
            self._converters[key] = partial(migrate, src_is2=False, dst_is2=True)
        self.topics[key] = Topic(
            "/" + connection.topic.lstrip("/"),
            kind,
            self._ros2.generate_msgdef(kind, ros_version=2)[0],
            self._ros2.hash_rihs01(kind),
            (LATCHED,) if publisher.latching else (),
            connection.msgcount,
        )

    def _converted(self, key: int, stamp_ns: int, data: Bytes) -> Bytes:
        return self._converters[key](data)


def _definitions(connection: Connection) -> Any:
    """A ROS 1 type and those it uses; standard types are known even if the bag has none."""
    name, text = connection.msgtype, connection.msgdef.data
    reason: Exception = ValueError("the bag does not define it")
    if text.strip() or connection.digest == _DIGEST_OF_NO_FIELDS:
        try:
            return get_types_from_msg(text, name)
        except Exception as error:  # the parser raises errors of many types
            reason = error
    standard = get_typestore(Stores.ROS1_NOETIC)
    if name not in standard.types:
        raise reason
    return get_types_from_msg(standard.generate_msgdef(name)[0], name)
