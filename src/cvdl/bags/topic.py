"""A topic of a bag, and what goes wrong with bags."""

from __future__ import annotations

from dataclasses import dataclass

from rosbags.interfaces import Qos

from cvdl.bags.typestore import typestore

__all__ = ["BagError", "Topic", "known_topic"]


class BagError(Exception):
    """A bag that cannot be read or written; the message says which one and why."""


@dataclass(frozen=True, eq=False)
class Topic:
    """One topic of a bag.

    Attributes:
        name: such as "/camera/color/image_raw".
        type: of its messages, such as "sensor_msgs/msg/Image".
        definition: of the type, as ROS 2 tools write it; empty where nobody knows it.
        digest: the type's RIHS01 hash; empty where nobody knows it.
        qos: what its publishers offered; empty for ROS 2's default.
        count: number of messages.
    """

    name: str
    type: str
    definition: str
    digest: str
    qos: tuple[Qos, ...] = ()
    count: int = 0


def known_topic(name: str, kind: str, qos: tuple[Qos, ...] = (), count: int = 0) -> Topic:
    """A topic of one of the types in `typestore`, or without a definition where it is not."""
    store = typestore()
    if kind not in store.types:
        return Topic(name, kind, "", "", qos, count)
    definition, _ = store.generate_msgdef(kind, ros_version=2)
    return Topic(name, kind, definition, store.hash_rihs01(kind), qos, count)
