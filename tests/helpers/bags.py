"""Bags as other programs write them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

from cvdl.bags.typestore import typestore

__all__ = ["write_rosbag2"]


def write_rosbag2(
    path: Path,
    topic: str,
    message_type: str,
    messages: Iterable[tuple[int, bytes]],
    storage: StoragePlugin = StoragePlugin.MCAP,
    compression: CompressionMode = CompressionMode.NONE,
) -> Path:
    """Write stamps and serialized messages of one topic to a rosbag2 and return its path."""
    writer = Writer(path, version=9, storage_plugin=storage)
    writer.set_compression(compression, CompressionFormat.ZSTD)
    with writer:
        connection = writer.add_connection(topic, message_type, typestore=typestore())
        for stamp, data in messages:
            writer.write(connection, stamp, data)
    return path
