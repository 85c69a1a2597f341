"""The subscriptions of an active node: the camera, tf, and another node's segmentation."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from time import monotonic, monotonic_ns
from typing import Any, Generic, TypeVar

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from cvdl.core.errors import InputError
from cvdl.messages.arrivals import LARGE_IMAGES
from cvdl.messages.config import NodeConfig
from cvdl.messages.points import POINTS
from cvdl.messages.reading import stamp_ns
from cvdl.messages.segments import Segmented
from cvdl.messages.source import RgbdSource
from cvdl.messages.sync import Match
from cvdl.messages.topics import (
    BOXES_TOPIC,
    LABEL_INFO_TOPIC,
    LABELS_TOPIC,
    OBJECTS_TOPIC,
    SUPPORT_TOPIC,
    TOPICS,
)
from cvdl.messages.transform_tree import TransformTree
from cvdl.ros.interfaces import message_type
from cvdl.ros.subscriptions import Subscriptions, quiet_subscription
from cvdl.runner import NOT_NAMED, NOT_SEGMENTED

__all__ = [
    "NO_SEGMENTATION",
    "SILENCE_S",
    "CameraInput",
    "SegmentationInput",
    "TfInput",
    "camera_source",
]

#: Seconds without a match after which a node reports why.
SILENCE_S = 5.0
#: Why a frame is dropped while the node that segments sends nothing.
NO_SEGMENTATION = "no segmentation"

_INFO = "sensor_msgs/msg/CameraInfo"
_DEPTH_INFO = "depth_camera_info"
_SETTLING_S = 2.0  # in which transforms and the camera_info of depth may still arrive
_SEGMENTED = (LABELS_TOPIC, OBJECTS_TOPIC, SUPPORT_TOPIC)
_WAITING = 10  # messages of a kind that wait for those of the same stamp
_TF_DEPTH = 100  # as in tf2's own listeners: several nodes publish static transforms at once

Item = TypeVar("Item")


class TfInput:
    """Receives /tf and /tf_static.

    Without tf2_msgs the tree stays empty, and ``problem`` says so.

    Args:
        node: the node that subscribes.

    Attributes:
        tree: transforms received so far. The executor's thread fills it; `TransformTree.lookup`
            may be called from any thread.
        problem: why nothing is received; empty while the node subscribes.
    """

    def __init__(self, node: Node) -> None:
        self.tree = TransformTree()
        self.problem = ""
        self._node = node
        self._subscriptions: list[Any] = []
        try:
            kind = message_type("tf2_msgs/msg/TFMessage")
        except InputError as error:
            self.problem = str(error)
            return
        # A best-effort, volatile subscription matches every publisher. Static transforms sent
        # before the node started need a transient-local subscription, which in turn does not match
        # volatile publishers, such as some players of bags.
        any_publisher = QoSProfile(depth=_TF_DEPTH, reliability=ReliabilityPolicy.BEST_EFFORT)
        latched = QoSProfile(depth=_TF_DEPTH, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._subscriptions = [
            quiet_subscription(node, kind, topic, self.tree.add, qos)
            for topic, qos in (
                ("/tf_static", latched),
                ("/tf_static", any_publisher),
                ("/tf", any_publisher),
            )
        ]

    def close(self) -> None:
        """Unsubscribe; the tree stays as it is."""
        for each in self._subscriptions:
            self._node.destroy_subscription(each)
        self._subscriptions.clear()


def camera_source(node: Node, settings: NodeConfig, tf: TfInput) -> RgbdSource:
    """The source of frames for a node's topics.

    They are its ``color``, ``depth`` and ``camera_info``, or ``points`` and, optionally,
    ``camera_info``. The CameraInfo of depth is on ``depth_camera_info`` or, unless that is
    remapped, next to depth.
    """
    info, points = (str(node.resolve_topic_name(name)) for name in ("camera_info", "points"))
    color, depth, depth_info = points, points, ""
    if settings.source != "points":
        color = _image_topic(node, "color", settings.image_transport)
        depth = _image_topic(node, "depth", settings.depth_image_transport)
        depth_info = _depth_info(node, info)
    return RgbdSource(
        color,
        depth,
        info,
        depth_info,
        tf.tree,
        tf_problem=tf.problem,
        slop_s=settings.slop,
        queue_size=settings.queue_size,
        settling_s=_SETTLING_S,
    )


def _image_topic(node: Node, name: str, transport: str) -> str:
    topic = str(node.resolve_topic_name(name))
    return topic if transport == "raw" else f"{topic}/{transport}"


def _image_kind(transport: str) -> str:
    return f"sensor_msgs/msg/{'Image' if transport == 'raw' else 'CompressedImage'}"


def _depth_info(node: Node, camera_info: str) -> str:
    """The CameraInfo topic of depth; empty if it is that of color."""
    plain = f"{node.get_namespace().rstrip('/')}/{_DEPTH_INFO}"
    topic = str(node.resolve_topic_name(_DEPTH_INFO))
    if topic == plain:
        depth = str(node.resolve_topic_name("depth"))
        topic = f"{depth.rpartition('/')[0]}/camera_info"
    return "" if topic == camera_info else topic


class CameraInput:
    """Subscribes to the topics of a source and watches over them.

    Args:
        node: the node that subscribes.
        settings: settings of the node.
        source: pairs the messages.
        on_match: called with each match, on the executor's thread.
    """

    def __init__(
        self,
        node: Node,
        settings: NodeConfig,
        source: RgbdSource,
        on_match: Callable[[Match], None],
    ) -> None:
        self._node, self.source, self._on_match = node, source, on_match
        self._has_reported_registration = False
        self._silent_since = monotonic()
        self._complained: set[str] = set()  # since the last match
        self._has_warned = False  # of silence, since the last match
        self._doubted: set[str] = set()
        self._subscriptions = Subscriptions(node)
        kinds = {source.camera_info: _INFO}
        if source.is_cloud:
            kinds[source.color] = POINTS
        else:
            kinds[source.color] = _image_kind(settings.image_transport)
            kinds[source.depth] = _image_kind(settings.depth_image_transport)
        if source.depth_info:
            kinds[source.depth_info] = _INFO
        for topic, kind in kinds.items():
            # As qos_profile_sensor_data, but a profile of its own: overrides change it in place.
            sensor = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
            self._subscriptions.add(topic, kind, partial(self._add, topic), sensor)

    def silence(self) -> str:
        """Why no match has come for some seconds; empty while they come."""
        if monotonic() - self._silent_since < SILENCE_S:
            return ""
        more = "more " if self.source.pairs else ""  # as after a single image
        topics = ", ".join(self.source.topics)
        return self.source.sync.complaint() or f"no {more}messages on {topics}"

    def doubt(self) -> str:
        """What is wrong with the input although matches come; else empty."""
        return self.source.sync.doubt()

    def watch(self) -> None:
        """Get what new publishers have kept; warn once if nothing matches or is in doubt."""
        self._subscriptions.watch()
        note = self.source.registration.note
        if note and not self._has_reported_registration:
            self._has_reported_registration = True
            self._node.get_logger().info(note)
        if silence := self.silence():
            hints = "".join(f"; {hint}" for hint in self._hints(silence))
            # Lost images are reported once, whether or not a match comes now and then.
            reported = self._doubted if LARGE_IMAGES in silence else self._complained
            sentence = f"no frame for {SILENCE_S:g} s: {silence}{hints}"
            self._has_warned |= self._warn(silence, hints, sentence, reported)
        elif doubt := self.doubt():
            self._warn(doubt, "", f"{doubt} (reported once)", self._doubted)

    def close(self) -> None:
        """Unsubscribe."""
        self._subscriptions.close()

    def _warn(self, problem: str, hints: str, sentence: str, reported: set[str]) -> bool:
        """Log a sentence unless that is no news; returns whether it was."""
        cause = re.sub(r"\d[\d.e+-]*", "", problem.partition(" (")[0])  # whatever the numbers
        if cause + hints in reported:  # fewer hints, e.g. after a publisher came, are no news
            return False
        reported |= {cause, cause + hints}
        self._node.get_logger().warning(sentence)
        return True

    def _hints(self, silence: str) -> Iterator[str]:
        """What the graph tells about the topics."""
        subject, others, _ = silence.partition(" (but ")
        silent = subject.split() if others or self.source.is_cloud else ()
        kind = "clouds" if self.source.is_cloud else "images"
        for topic in self.source.topics:
            if topic in self._subscriptions.misfits:
                yield f"{topic}: incompatible QoS ({self._subscriptions.misfits[topic]})"
            elif not self._node.count_publishers(topic):
                yield f"{topic}: it has no publisher"
            elif topic in self.source.topics[:2] and topic in silent:
                yield (
                    f"{topic}: it has a publisher; if it sends {kind}, they are lost in "
                    f"transport: {LARGE_IMAGES}"
                )

    def _add(self, topic: str, message: Any) -> None:
        for match in self.source.add(topic, message, arrived_ns=monotonic_ns()):
            self._silent_since = monotonic()
            self._complained.clear()
            if self._has_warned:
                self._has_warned = False
                self._node.get_logger().info("frames come again")
            self._on_match(match)


class SegmentationInput(Generic[Item]):
    """Pairs what other nodes publish about a frame with the items that wait for it.

    That is the segmentation and, as long as names are asked for, the named boxes.

    Args:
        node: the node that subscribes.
        on_complete: called with an item and the messages of its stamp.
        on_drop: called with an item that has waited too long, and why nothing came:
            `NO_SEGMENTATION`, or that the other nodes skip frames.
    """

    def __init__(
        self,
        node: Node,
        on_complete: Callable[[Item, Segmented], None],
        on_drop: Callable[[Item, str], None],
    ) -> None:
        self._node, self._on_complete, self._on_drop = node, on_complete, on_drop
        self._newest = -1  # stamp of the last complete item
        self._latest = -1  # stamp of the last item
        self._segmented_s = monotonic()  # when the last segmentation came
        self._waiting: dict[str, OrderedDict[int, Any]] = {
            name: OrderedDict() for name in (*_SEGMENTED, BOXES_TOPIC, "item")
        }
        self._subscriptions = Subscriptions(node)
        self._add_topics(self._subscriptions, _SEGMENTED)
        self._names: Subscriptions | None = None
        self._are_required = False
        self._named_s = 0.0  # when the last names came
        self._is_nameless = (
            False  # whether an item has waited for names in vain, and none came since
        )
        self._classes: tuple[str, ...] = ()

    @property
    def is_published(self) -> bool:
        """Whether another node publishes segmentations."""
        return self._node.count_publishers(LABELS_TOPIC) > 0

    def ask_for_names(self, are_asked: bool, are_required: bool) -> None:
        """Let items wait for the names of their objects, from now on, or not any more.

        While nobody asks, nothing is subscribed to: the names would be found for nobody.

        Args:
            are_asked: whether names are of use.
            are_required: whether items without names are of no use. Others wait for some seconds,
                and then not at all until names come.
        """
        self._are_required = are_required
        if are_asked and self._names is None:
            self._names, self._is_nameless = Subscriptions(self._node), False
            self._add_topics(self._names, [BOXES_TOPIC])
            kind, qos = TOPICS[LABEL_INFO_TOPIC].type, QoSProfile(depth=1)
            self._names.add(LABEL_INFO_TOPIC, kind, self._on_classes, qos)
        elif not are_asked and self._names is not None:
            self._names.close()
            self._names = None

    def wait(self, stamp: int, item: Item) -> None:
        """Let an item wait for the messages of its stamp, nanoseconds.

        An older stamp than the last one means that the clock has restarted: all waiting items are
        dropped.
        """
        if stamp < self._latest:
            for late, (_, dropped) in self._waiting["item"].items():
                self._on_drop(dropped, self._why(late))
            for each in self._waiting.values():
                each.clear()
            self._newest = -1
        self._latest = stamp
        for late, (_, dropped) in self._add("item", stamp, (monotonic(), item)):
            self._on_drop(dropped, self._why(late))

    def watch(self) -> None:
        """Let items go on that wait in vain for names; to be called periodically."""
        if self._names is not None:
            self._names.watch()
        for stamp, (since_s, _) in list(self._waiting["item"].items()):
            is_old = monotonic() - since_s > SILENCE_S
            self._is_nameless |= is_old and since_s > self._named_s and self._is_segmented(stamp)
            self._complete(stamp)

    def close(self) -> None:
        """Unsubscribe."""
        self._subscriptions.close()
        self.ask_for_names(False, False)

    def _add_topics(self, subscriptions: Subscriptions, topics: Iterable[str]) -> None:
        for topic in topics:
            callback = partial(self._on_message, topic)
            subscriptions.add(topic, TOPICS[topic].type, callback, QoSProfile(depth=10))

    def _on_message(self, topic: str, message: Any) -> None:
        if topic == BOXES_TOPIC:
            self._named_s, self._is_nameless = monotonic(), False
        else:
            self._segmented_s = monotonic()
        self._add(topic, stamp_ns(message), message)

    def _on_classes(self, message: Any) -> None:
        self._classes = tuple(each.class_name for each in message.class_map)

    @property
    def _awaits_names(self) -> bool:
        if self._names is None or not self._node.count_publishers(BOXES_TOPIC):
            return False
        return self._are_required or not self._is_nameless

    def _is_segmented(self, stamp: int) -> bool:
        return all(stamp in self._waiting[name] for name in _SEGMENTED)

    def _add(self, name: str, stamp: int, value: Any) -> list[tuple[int, Any]]:
        """Add a message or an item, pass on what is complete; returns what waited too long."""
        self._waiting[name][stamp] = value
        self._complete(stamp)
        late = len(self._waiting[name]) - _WAITING
        return [self._waiting[name].popitem(last=False) for _ in range(late)]

    def _complete(self, stamp: int) -> None:
        waiting = self._waiting
        is_named = stamp in waiting[BOXES_TOPIC] or not self._awaits_names
        if stamp in waiting["item"] and self._is_segmented(stamp) and is_named:
            labels, objects, support = (waiting[name].pop(stamp) for name in _SEGMENTED)
            boxes, (_, item) = waiting[BOXES_TOPIC].pop(stamp, None), waiting["item"].pop(stamp)
            self._newest = stamp
            segmented = Segmented(labels, objects, support, boxes, self._classes)
            self._on_complete(item, segmented)

    def _why(self, stamp: int) -> str:
        """Why an item of this stamp has waited in vain."""
        if self._is_segmented(stamp):
            return NOT_NAMED
        is_skipped = stamp < self._newest or monotonic() - self._segmented_s < SILENCE_S
        return NOT_SEGMENTED if is_skipped else NO_SEGMENTATION
