"""Where a bag's messages come from: ROS 2 and ROS 1 files, read through the rosbags library."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from rosbags.convert.converter import (
    STATIC_MSGTYPE_RENAMES,
    is_same_wireformat,
    migrate_bytes,
)
from rosbags.interfaces import Connection
from rosbags.rosbag1 import Reader as Reader1
from rosbags.rosbag2 import Reader as Reader2
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from cvdl.bags.topic import LATCHED, Topic, described
from cvdl.bags.typestore import new_typestore

__all__ = ["Bytes", "Ros1Source", "Ros2Source", "Source"]

_log = logging.getLogger(__name__)

Bytes = bytes | memoryview


class Source(ABC):
    """A file or a folder of messages.

    Attributes:
        topics: by the keys that messages come with; one name may have several.
        start_ns: time of the first message, nanoseconds.
        end_ns: time of the last message.
    """

    topics: dict[int, Topic]
    start_ns: int
    end_ns: int

    @abstractmethod
    def messages(self, keys: Collection[int]) -> Iterator[tuple[int, int, Bytes]]:
        """Key, time (nanoseconds) and serialised message (CDR) of these topics, in order."""

    def close(self) -> None:  # noqa: B027 (not every source has something to close)
        """Let go of the files."""


class _RosbagsSource(Source):
    """What both of the library's readers have in common."""

    def __init__(self, reader: Reader1 | Reader2) -> None:
        reader.open()
        self._reader = reader
        self._connections: dict[int, Connection] = {c.id: c for c in reader.connections}
        self.topics = {}
        self.start_ns = reader.start_time
        self.end_ns = reader.end_time - 1

    def messages(self, keys: Collection[int]) -> Iterator[tuple[int, int, Bytes]]:
        """See the base class."""
        wanted = [self._connections[key] for key in keys]
        faulty = set()
        for connection, stamp_ns, data in self._reader.messages(wanted):
            key = connection.id
            try:
                converted = self._to_ros2(key, data)
            except Exception as error:  # whatever the library makes of a faulty message
                if key not in faulty:
                    _log.warning("%s: messages are left out: %s", connection.topic, error)
                faulty.add(key)
            else:
                yield key, stamp_ns, converted

    def close(self) -> None:
        """See the base class."""
        self._reader.close()

    def _to_ros2(self, key: int, data: Bytes) -> Bytes:
        return data


class Ros2Source(_RosbagsSource):
    """A rosbag2 folder with its metadata.yaml, or a single .mcap or .db3 file.

    The types of the bag are copied along, not parsed: a strange type on a topic that nobody
    asks for must not keep the others from being read.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(Reader2(path))
        for key, connection in self._connections.items():
            ext: Any = connection.ext
            if ext.serialization_format != "cdr":
                _log.warning(
                    "%s: %s is left out: its messages are %s, not a ROS 2 type's",
                    path,
                    connection.topic,
                    ext.serialization_format,
                )
                continue
            definition, digest = connection.msgdef.data, connection.digest
            if not definition:  # SQLite bags of Humble and before hold none
                definition, digest = described(connection.msgtype)
            self.topics[key] = Topic(
                connection.topic,
                connection.msgtype,
                definition,
                digest,
                tuple(ext.offered_qos_profiles),
                connection.msgcount,
            )


class Ros1Source(_RosbagsSource):
    """A ROS 1 bag, its messages converted to ROS 2's types and serialisation as they are read."""

    def __init__(self, path: Path) -> None:
        reader = Reader1(path)
        super().__init__(reader)
        self._ros1 = get_typestore(Stores.EMPTY)
        self._ros2 = new_typestore()
        self._converters: dict[int, Callable[[Bytes], Bytes]] = {}
        counts: Counter[int] = Counter()
        for chunk in reader.chunk_infos:
            counts.update(chunk.connection_counts)
        for key, connection in self._connections.items():
            try:
                kind = self._register(connection)
            except Exception as error:  # the parser's own, and plenty of others
                _log.warning(
                    "%s: %s is left out, as its type %s cannot be converted: %s",
                    path,
                    connection.topic,
                    connection.msgtype,
                    error,
                )
                continue
            publisher: Any = connection.ext
            self._converters[key] = self._converter(connection.msgtype, kind)
            self.topics[key] = Topic(
                "/" + connection.topic.lstrip("/"),
                kind,
                self._ros2.generate_msgdef(kind, ros_version=2)[0],
                self._ros2.hash_rihs01(kind),
                (LATCHED,) if publisher.latching else (),
                counts[key],
            )

    def _register(self, connection: Connection) -> str:
        """Make the type known on both sides; its name in ROS 2."""
        name = connection.msgtype
        self._ros1.register(get_types_from_msg(connection.msgdef.data, name))
        kind = STATIC_MSGTYPE_RENAMES.get(name, name)
        if kind not in self._ros2.types:
            definition, _ = self._ros1.generate_msgdef(name, ros_version=2)
            found = get_types_from_msg(definition, kind)
            self._ros2.register({k: v for k, v in found.items() if k not in self._ros2.types})
        return kind

    def _converter(self, name: str, kind: str) -> Callable[[Bytes], Bytes]:
        if is_same_wireformat(self._ros1, self._ros2, name, kind):
            return partial(self._ros2.ros1_to_cdr, typename=kind)
        migrate: Any = partial(migrate_bytes, self._ros1, self._ros2, name, kind, {})
        return partial(migrate, src_is2=False, dst_is2=True)

    def _to_ros2(self, key: int, data: Bytes) -> Bytes:
        return self._converters[key](data)
