"""What an active node listens to: the camera, and another node's segmentation."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import Any, Generic, TypeVar

from rclpy.node import Node
from rclpy.qos import QoSProfile, qos_policy_name_from_kind, qos_profile_sensor_data
from rclpy.qos_overriding_options import QoSOverridingOptions

from cvdl.ros.interfaces import message_type
from cvdl.ros.messages import SCENE_TOPICS
from cvdl.ros.parameters import NodeConfig
from cvdl.ros.reading import is_rectified, stamp_ns
from cvdl.sync import Match, RgbdSync

try:
    from rclpy.event_handler import SubscriptionEventCallbacks
except ModuleNotFoundError:  # ROS 2 Humble has it under its older name
    from rclpy.qos_event import SubscriptionEventCallbacks

__all__ = ["SILENCE_S", "CameraInput", "SegmentationInput"]

#: Seconds without a pair of images after which a node says why.
SILENCE_S = 5.0

_LABELS, _OBJECTS = "segmentation/labels", "segmentation/objects"
_WAITING = 10  # of a kind that wait for those of the same stamp

Item = TypeVar("Item")


class _Subscriptions:
    """Subscriptions that say which publisher's quality of service does not fit.

    Attributes:
        misfits: by topic, the policy that does not fit.
    """

    def __init__(self, node: Node) -> None:
        self.misfits: dict[str, str] = {}
        self._node = node
        self._made: list[Any] = []

    def add(self, topic: str, kind: str, callback: Callable[[Any], None], qos: QoSProfile) -> None:
        self._made.append(
            self._node.create_subscription(
                message_type(kind),
                topic,
                callback,
                qos,
                event_callbacks=SubscriptionEventCallbacks(
                    incompatible_qos=partial(self._on_misfit, topic)
                ),
                qos_overriding_options=QoSOverridingOptions.with_default_policies(),
            )
        )

    def close(self) -> None:
        for each in self._made:
            self._node.destroy_subscription(each)
        self._made.clear()

    def _on_misfit(self, topic: str, event: Any) -> None:
        policy = qos_policy_name_from_kind(event.last_policy_kind)
        self.misfits[topic] = policy
        self._node.get_logger().warning(
            f"{topic}: a publisher's QoS does not fit ({policy}), nothing comes from it; set "
            f"qos_overrides.{topic}.subscription.{policy.lower()}"
        )


class CameraInput:
    """Colour, depth and camera_info, paired by stamp.

    Args:
        node: that listens; the topics are its ``color``, ``depth`` and ``camera_info``.
        settings: transports, slop and queue.
        on_match: called with each pair, on the executor's thread.

    Attributes:
        topics: full names of the three.
        is_rectified: see `cvdl.ros.reading.is_rectified`.
    """

    def __init__(self, node: Node, settings: NodeConfig, on_match: Callable[[Match], None]) -> None:
        self._node, self._on_match = node, on_match
        topics, kinds = [], []
        for name, transport in (
            ("color", settings.image_transport),
            ("depth", settings.depth_image_transport),
        ):
            raw = transport == "raw"
            topic = str(node.resolve_topic_name(name))
            topics.append(topic if raw else f"{topic}/{transport}")
            kinds.append(f"sensor_msgs/msg/{'Image' if raw else 'CompressedImage'}")
        color, depth = topics
        info = str(node.resolve_topic_name("camera_info"))
        self.topics = (color, depth, info)
        self.is_rectified = is_rectified(color)
        self._sync = RgbdSync(color, depth, info, settings.slop, settings.queue_size)
        self._silent_since = monotonic()
        self._complained: set[str] = set()
        self._subscriptions = _Subscriptions(node)
        sensor = qos_profile_sensor_data
        self._subscriptions.add(info, "sensor_msgs/msg/CameraInfo", self._add_info, sensor)
        self._subscriptions.add(color, kinds[0], self._add_color, sensor)
        self._subscriptions.add(depth, kinds[1], self._add_depth, sensor)

    @property
    def pairs(self) -> int:
        """Number of pairs so far."""
        return self._sync.matched

    @property
    def dropped(self) -> Counter[str]:
        """Number of messages that found no partner, by cause."""
        return self._sync.dropped

    def silence(self) -> str:
        """Why no pair has come for some seconds; empty while they come."""
        if monotonic() - self._silent_since < SILENCE_S:
            return ""
        return self._sync.complaint() or f"nothing comes on {', '.join(self.topics)}"

    def watch(self) -> None:
        """Warn where nothing pairs, once a cause."""
        sentence = self.silence()
        cause = sentence.partition(" (")[0]
        if not cause or cause in self._complained:
            return
        self._complained.add(cause)
        hints = []
        for topic in self.topics:
            if topic in self._subscriptions.misfits:
                hints.append(f"{topic}: QoS does not fit ({self._subscriptions.misfits[topic]})")
            elif not self._node.count_publishers(topic):
                hints.append(f"{topic}: nobody publishes it")
        self._node.get_logger().warning(
            "; ".join([f"no frame for {SILENCE_S:g} s: {sentence}", *hints])
        )

    def close(self) -> None:
        """Listen no longer."""
        self._subscriptions.close()

    def _add_color(self, message: Any) -> None:
        self._hand_on(self._sync.add_color(stamp_ns(message), message))

    def _add_depth(self, message: Any) -> None:
        self._hand_on(self._sync.add_depth(stamp_ns(message), message))

    def _add_info(self, message: Any) -> None:
        self._hand_on(self._sync.add_camera_info(message))

    def _hand_on(self, matches: list[Match]) -> None:
        for match in matches:
            self._silent_since = monotonic()
            self._complained.clear()
            self._on_match(match)


class SegmentationInput(Generic[Item]):
    """Labels and objects of another node, put together with what waits for them.

    Args:
        node: that listens.
        on_complete: called with an item and the two messages of its stamp.
        on_drop: called with an item that has waited too long, and whether a later one has got its
            segmentation.
    """

    def __init__(
        self,
        node: Node,
        on_complete: Callable[[Item, tuple[Any, Any]], None],
        on_drop: Callable[[Item, bool], None],
    ) -> None:
        self._node, self._on_complete, self._on_drop = node, on_complete, on_drop
        self._newest = -1  # stamp that was complete
        self._latest = -1  # stamp that an item came with
        self._waiting: dict[str, OrderedDict[int, Any]] = {
            name: OrderedDict() for name in (_LABELS, _OBJECTS, "item")
        }
        self._subscriptions = _Subscriptions(node)
        for topic in (_LABELS, _OBJECTS):
            callback = partial(self._on_message, topic)
            self._subscriptions.add(topic, SCENE_TOPICS[topic], callback, QoSProfile(depth=10))

    @property
    def is_published(self) -> bool:
        """Whether another node publishes segmentations."""
        return self._node.count_publishers(_LABELS) > 0

    def wait(self, stamp: int, item: Item) -> None:
        """Have an item wait for the segmentation of its stamp, nanoseconds.

        An older stamp than the last one's means that the clock has started again: what still waits
        then waits in vain.
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
        """Listen no longer."""
        self._subscriptions.close()

    def _on_message(self, topic: str, message: Any) -> None:
        self._add(topic, stamp_ns(message), message)

    def _add(self, name: str, stamp: int, value: Any) -> list[tuple[int, Any]]:
        """Adds one of the three, hands on what is complete, and returns what waited too long."""
        waiting = self._waiting
        waiting[name][stamp] = value
        if all(stamp in each for each in waiting.values()):
            labels, objects, item = (each.pop(stamp) for each in waiting.values())
            self._newest = stamp
            self._on_complete(item, (labels, objects))
        late = len(waiting[name]) - _WAITING
        return [waiting[name].popitem(last=False) for _ in range(late)]
