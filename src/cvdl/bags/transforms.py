"""The coordinate frames in a bag."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from itertools import islice

from cvdl.bags.reader import BagReader
from cvdl.bags.sources import Bytes
from cvdl.bags.topic import Topic
from cvdl.messages.images import MessageError
from cvdl.messages.transform_tree import TransformTree

__all__ = ["add_transforms", "holds_transforms", "known_transforms"]

_TYPE = "tf2_msgs/msg/TFMessage"
_OLD_TYPE = "tf/msg/tfMessage"  # of old ROS 1 bags, with the same fields
_STATIC = "tf_static"
_MOVING = 1000  # messages of /tf after which every frame is known


def holds_transforms(topic: Topic) -> bool:
    """Whether the messages of a topic are transforms."""
    return topic.type in (_TYPE, _OLD_TYPE)


def add_transforms(tree: TransformTree, bag: BagReader, topic: Topic, data: Bytes) -> None:
    """Add a serialized message of a topic that `holds_transforms`; skip a damaged one."""
    with suppress(MessageError):
        tree.add(bag.decode(replace(topic, type=_TYPE), data))


def known_transforms(bag: BagReader) -> TransformTree:
    """All static transforms of a bag, and the others as they are at its start."""
    tree = TransformTree()
    topics = [topic for topic in bag.topics if holds_transforms(topic) and topic.count]
    for is_static in (False, True):
        names = [topic.name for topic in topics if topic.name.endswith(_STATIC) == is_static]
        for topic, _, data in islice(bag.messages(names), None if is_static else _MOVING):
            add_transforms(tree, bag, topic, data)
    return tree
