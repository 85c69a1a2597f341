"""Files that the rosbags library cannot read, read from front to back without their index.

They are damaged, or hold more than ROS 2 messages.
"""

from __future__ import annotations

import logging
import sqlite3
from abc import abstractmethod
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from mcap.records import Channel, Message, Schema
from mcap.stream_reader import StreamReader
from rosbags.rosbag2.metadata import parse_qos

from cvdl.bags.members import decompressed
from cvdl.bags.sources import Bytes, Source
from cvdl.bags.topic import BagError, Topic, described

__all__ = ["McapScan", "SqliteScan"]

_log = logging.getLogger(__name__)


class _Scan(Source):
    """The messages of a file up to the damage.

    Args:
        path: the file.
        reason: why the library cannot read it, for the warning.
        original: the file of the bag, if `path` is a temporary copy of it.

    Raises:
        BagError: if no ROS 2 message can be read.
    """

    def __init__(self, path: Path, reason: object, original: Path | None = None) -> None:
        self._path = path
        name = original or path
        self.file_name = path.name
        self.topics = {}
        self.start_ns, self.end_ns = 2**63 - 1, 0
        counts: Counter[int] = Counter()
        for key, stamp_ns, _ in self.messages():
            counts[key] += 1
            self.start_ns = min(self.start_ns, stamp_ns)
            self.end_ns = max(self.end_ns, stamp_ns)
        if not counts:
            raise BagError(f"{name} holds no readable ROS 2 message: {reason}")
        self.topics = {key: replace(topic, count=counts[key]) for key, topic in self.topics.items()}
        _log.warning(
            "%s is read without its index (%s): %d ROS 2 messages are found",
            name,
            str(reason).rstrip("."),
            counts.total(),
        )

    def messages(self, keys: Collection[int] | None = None) -> Iterator[tuple[int, int, Bytes]]:
        """See the base class; messages of all topics by default."""
        try:
            for key, stamp_ns, data in self._scan():
                if keys is None or key in keys:
                    yield key, stamp_ns, decompressed(data)
        except Exception as error:  # damage causes errors of many types
            _log.debug("%s ends with %r", self._path, error)

    @abstractmethod
    def _scan(self) -> Iterator[tuple[int, int, bytes]]:
        """Yield messages until the damage raises any error; add their topics to `topics`."""


class McapScan(_Scan):
    """An MCAP file with ROS 2 messages, and possibly others."""

    def _scan(self) -> Iterator[tuple[int, int, bytes]]:
        schemas: dict[int, Schema] = {}
        with self._path.open("rb") as file:
            for record in StreamReader(file).records:
                if isinstance(record, Schema):
                    schemas[record.id] = record
                elif isinstance(record, Channel) and record.message_encoding == "cdr":
                    schema = schemas[record.schema_id]
                    qos = tuple(parse_qos(record.metadata.get("offered_qos_profiles", "")))
                    definition = schema.data.decode()
                    topic = Topic(record.topic, schema.name, definition, "", qos)
                    self.topics.setdefault(record.id, topic)
                elif isinstance(record, Message) and record.channel_id in self.topics:
                    yield record.channel_id, record.log_time, record.data


class SqliteScan(_Scan):
    """A SQLite file of a rosbag2."""

    def _scan(self) -> Iterator[tuple[int, int, bytes]]:
        address = f"{self._path.absolute().as_uri()}?immutable=1"
        with closing(sqlite3.connect(address, uri=True)) as database:
            # Without this, SQLite refuses a file that is shorter than its header says.
            database.execute("PRAGMA writable_schema = ON")
            topics = database.execute("SELECT id, name, type, offered_qos_profiles FROM topics")
            for key, name, kind, qos in topics:
                topic = Topic(name, kind, *described(kind), tuple(parse_qos(qos)))
                self.topics.setdefault(key, topic)
            yield from database.execute(
                "SELECT topic_id, timestamp, data FROM messages ORDER BY id"
            )
