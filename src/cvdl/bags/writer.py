"""Write a rosbag2 for ROS 2 tools and viewers."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from time import sleep
from typing import Any

import yaml
from rosbags.interfaces import Connection
from rosbags.rosbag2 import StoragePlugin, Writer, WriterError

from cvdl.bags.topic import LATCHED, BagError, Topic, described
from cvdl.bags.typestore import typestore

__all__ = ["BagWriter", "check_output", "prepare_output"]

# Left free on the disk, for the index of a bag that fills it.
_RESERVE_BYTES = 16 * 2**20
# Messages that wait for the disk: a few frames, so that a slow disk does not stop the stages.
_QUEUE_LENGTH = 32


def check_output(path: Path, overwrite: bool) -> None:
    """Check that a bag may be written to a folder, without changing anything.

    Raises:
        BagError: if something must stay there: an older bag unless ``overwrite``, anything else
            always.
    """
    if path.suffix in {".bag", ".db3", ".mcap"}:
        raise BagError(f"cannot write {path}: the output is a folder (a rosbag2), not a file")
    if path.is_symlink():
        raise BagError(f"cannot write {path}: it is a link; give the folder itself")
    if path.resolve() == Path.cwd():
        raise BagError(f"cannot write {path}: it is the working folder; give a new folder")
    if not path.exists():
        return
    if not path.is_dir():
        raise BagError(f"cannot write {path}: it exists and is not a bag")
    own, found = _own_files(path), sorted(file.name for file in path.iterdir())
    others = [name for name in found if name not in own]
    if others:
        raise BagError(f"cannot write {path}: it holds {others[0]}, which is not of this bag")
    if found and not overwrite:
        raise BagError(f"{path} already exists; use --overwrite to replace it")


def prepare_output(path: Path, overwrite: bool) -> None:
    """Remove an older bag if ``overwrite``; nothing else is ever removed.

    Raises:
        BagError: see `check_output`.
    """
    check_output(path, overwrite)
    if path.exists():
        shutil.rmtree(path)


def _own_files(bag: Path) -> set[str]:
    """Names of the files of a bag in its folder; a folder may also hold other bags."""
    metadata = bag / "metadata.yaml"
    own = {metadata.name, f"{bag.name}.mcap"}  # all that a killed writer leaves
    try:
        content = yaml.safe_load(metadata.read_text(encoding="utf-8"))
        own.update(content["rosbag2_bagfile_information"]["relative_file_paths"])
    except (OSError, ValueError, TypeError, LookupError, yaml.YAMLError):
        pass  # no metadata, or damaged
    return own


class BagWriter:
    """A rosbag2 of one MCAP file, to use in a with statement.

    A thread writes in the background. A Ctrl-C only interrupts the main thread and so cannot cut a
    message in two. Leaving the with statement, also by an exception, completes the file.

    Args:
        path: folder to create; must not exist (see `prepare_output`).

    Raises:
        BagError: if the bag cannot be created or, from any method, written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        # Version 8 is the last one that Humble reads.
        self._writer = Writer(path, version=8, storage_plugin=StoragePlugin.MCAP)
        # Not a Queue, which is Python code: a Ctrl-C in the middle of it loses a wake-up.
        self._queue: SimpleQueue[tuple[Topic, int, bytes | memoryview] | None] = SimpleQueue()
        self._thread = Thread(target=self._work, name="bag writer")
        self._error: Exception | None = None
        self._topics: dict[str, Topic] = {}
        self._connections: dict[tuple[str, str], Connection] = {}

    def __enter__(self) -> BagWriter:
        try:
            self._writer.open()
        except (OSError, WriterError) as error:
            raise BagError(f"cannot write {self.path}: {error}") from error
        self._thread.start()
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self._queue.put(None)
        self._thread.join()
        if error is None:
            self._check()

    def write(self, topic: str, stamp_ns: int, message: Any, latched: bool = False) -> None:
        """Write a message.

        Args:
            topic: its name.
            stamp_ns: time of reception, nanoseconds.
            message: of a class of `message_type`.
            latched: whether late subscribers get the last message (QoS transient local); the
                first message of a topic decides.
        """
        kind = message.__msgtype__
        if topic not in self._topics:
            qos = (LATCHED,) if latched else ()
            self._topics[topic] = Topic(topic, kind, *described(kind), qos)
        self.copy(self._topics[topic], stamp_ns, typestore().serialize_cdr(message, kind))

    def copy(self, topic: Topic, stamp_ns: int, data: bytes | memoryview) -> None:
        """Write a serialized message unchanged."""
        self._check()
        while self._queue.qsize() >= _QUEUE_LENGTH:
            sleep(0.001)
        self._queue.put((topic, stamp_ns, data))

    def _check(self) -> None:
        if self._error is None:
            return
        if isinstance(self._error, OSError) and self._error.errno == errno.ENOSPC:
            raise BagError(
                f"the disk is full: {self.path} holds the messages written before"
            ) from self._error
        raise BagError(f"cannot write {self.path}: {self._error}") from self._error

    def _work(self) -> None:
        """Write until the end, then complete the bag; runs in the thread."""
        while (item := self._queue.get()) is not None:
            if self._error is None:
                self._guarded(self._write, *item)
        self._guarded(self._writer.close)
        if self._error is not None:
            self._guarded(self._writer.abort)  # closes a file that could not be completed

    def _guarded(self, action: Any, *arguments: Any) -> None:
        try:
            action(*arguments)
        except Exception as error:  # any error is raised in the main thread
            self._error = self._error or error

    def _write(self, topic: Topic, stamp_ns: int, data: bytes | memoryview) -> None:
        if shutil.disk_usage(self.path).free < len(data) + _RESERVE_BYTES:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
        key = (topic.name, topic.type)
        if key not in self._connections:
            self._connections[key] = self._connect(topic)
        self._writer.write(self._connections[key], stamp_ns, data)

    def _connect(self, topic: Topic) -> Connection:
        connection = self._writer.add_connection(
            topic.name,
            topic.type,
            msgdef=topic.definition,
            rihs01=topic.digest or "unknown",
            offered_qos_profiles=topic.qos,
        )
        if not topic.digest:
            # The writer requires a hash, but readers take an empty one for an unknown one.
            connection = connection._replace(digest="")
            self._writer.connections[-1] = connection
        return connection
