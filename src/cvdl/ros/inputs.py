"""The subscriptions of an active node: the camera, tf, and another node's segmentation."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Iterator
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
from cvdl.messages.source import RgbdSource
from cvdl.messages.sync import Match
from cvdl.messages.topics import LABELS_TOPIC, OBJECTS_TOPIC, SCENE_TOPICS
from cvdl.messages.transform_tree import TransformTree
from cvdl.ros.interfaces import message_type
from cvdl.ros.subscriptions import Subscriptions, quiet_subscription

__all__ = ["SILENCE_S", "CameraInput", "SegmentationInput", "TfInput", "camera_source"]

#: Seconds without a match after which a node reports why.
SILENCE_S = 5.0

_INFO = "sensor_msgs/msg/CameraInfo"
_DEPTH_INFO = "depth_camera_info"
_SETTLING_S = 2.0  # in which transforms and the camera_info of depth may still arrive
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
            self._warn(silence, hints, f"no frame for {SILENCE_S:g} s: {silence}{hints}", reported)
        elif doubt := self.doubt():
            self._warn(doubt, "", f"{doubt} (reported once)", self._doubted)

    def close(self) -> None:
        """Unsubscribe."""
        self._subscriptions.close()

    def _warn(self, problem: str, hints: str, sentence: str, reported: set[str]) -> None:
        cause = re.sub(r"\d[\d.e+-]*", "", problem.partition(" (")[0])  # whatever the numbers
        if cause + hints not in reported:  # fewer hints, e.g. after a publisher came, are no news
            reported |= {cause, cause + hints}
            self._node.get_logger().warning(sentence)

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
            self._on_match(match)


class SegmentationInput(Generic[Item]):
    """Pairs labels and objects of another node with the items that wait for them.

    Args:
        node: the node that subscribes.
        on_complete: called with an item and the two messages of its stamp.
        on_drop: called with an item that has waited too long, and whether a later one has received
            its segmentation.
    """

    def __init__(
        self,
        node: Node,
        on_complete: Callable[[Item, tuple[Any, Any]], None],
        on_drop: Callable[[Item, bool], None],
    ) -> None:
        self._node, self._on_complete, self._on_drop = node, on_complete, on_drop
        self._newest = -1  # stamp of the last complete item
        self._latest = -1  # stamp of the last item
        self._waiting: dict[str, OrderedDict[int, Any]] = {
            name: OrderedDict() for name in (LABELS_TOPIC, OBJECTS_TOPIC, "item")
        }
        self._subscriptions = Subscriptions(node)
        for topic in (LABELS_TOPIC, OBJECTS_TOPIC):
            callback = partial(self._on_message, topic)
            self._subscriptions.add(topic, SCENE_TOPICS[topic], callback, QoSProfile(depth=10))

    @property
    def is_published(self) -> bool:
        """Whether another node publishes segmentations."""
        return self._node.count_publishers(LABELS_TOPIC) > 0

    def wait(self, stamp: int, item: Item) -> None:
        """Let an item wait for the segmentation of its stamp, nanoseconds.

        An older stamp than the last one means that the clock has restarted: all waiting items are
        dropped.
        """
        if stamp < self._latest:
            for dropped in self._waiting["item"].values():
                self._on_drop(dropped, True)
            for each in self._waiting.values():
                each.clear()
            self._newest = -1
        self._latest = stamp
        for late, dropped in self._add("item", stamp, item):
            self._on_drop(dropped, late < self._newest)

    def close(self) -> None:
        """Unsubscribe."""
        self._subscriptions.close()

    def _on_message(self, topic: str, message: Any) -> None:
        self._add(topic, stamp_ns(message), message)

    def _add(self, name: str, stamp: int, value: Any) -> list[tuple[int, Any]]:
        """Add one of the three, pass on what is complete, and return what has waited too long."""
        waiting = self._waiting
        waiting[name][stamp] = value
        if all(stamp in each for each in waiting.values()):
            labels, objects, item = (each.pop(stamp) for each in waiting.values())
            self._newest = stamp
            self._on_complete(item, (labels, objects))
        late = len(waiting[name]) - _WAITING
        return [waiting[name].popitem(last=False) for _ in range(late)]
