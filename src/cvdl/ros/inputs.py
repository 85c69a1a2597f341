"""What an active node listens to: the camera, and another node's segmentation."""

from __future__ import annotations

import re
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterator
from functools import partial
from time import monotonic, monotonic_ns
from typing import Any, Generic, TypeVar

from rclpy.node import Node
from rclpy.qos import (
    DurabilityPolicy,
    QoSPolicyKind,
    QoSProfile,
    ReliabilityPolicy,
    qos_policy_name_from_kind,
)
from rclpy.qos_overriding_options import QoSOverridingOptions

from cvdl.messages.arrivals import LARGE_IMAGES
from cvdl.messages.depth_registration import DepthRegistration
from cvdl.messages.factory import SCENE_TOPICS
from cvdl.messages.points import POINTS, images_of
from cvdl.messages.reading import is_rectified, stamp_ns
from cvdl.messages.sync import Match, RgbdSync
from cvdl.ros.interfaces import message_type
from cvdl.ros.parameters import NodeConfig
from cvdl.ros.tf_input import TfInput

try:
    from rclpy.event_handler import SubscriptionEventCallbacks
except ModuleNotFoundError:  # ROS 2 Humble has it under its older name
    from rclpy.qos_event import SubscriptionEventCallbacks

__all__ = ["OVERRIDABLE", "SILENCE_S", "CameraInput", "SegmentationInput"]

#: Seconds without a pair of images after which a node says why.
SILENCE_S = 5.0

_INFO = "sensor_msgs/msg/CameraInfo"
_DEPTH_INFO = "depth_camera_info"
_SETTLING_S = 2.0  # in which transforms and the camera_info of depth still come
_LABELS, _OBJECTS = "segmentation/labels", "segmentation/objects"
#: What parameters can set of the QoS of a topic.
OVERRIDABLE = (
    QoSPolicyKind.HISTORY,
    QoSPolicyKind.DEPTH,
    QoSPolicyKind.RELIABILITY,
    QoSPolicyKind.DURABILITY,
)
#: By policy, what a subscription hears every publisher with.
_HEARS_ALL = {"RELIABILITY": "best_effort", "DURABILITY": "volatile"}
_WAITING = 10  # of a kind that wait for those of the same stamp

Item = TypeVar("Item")


class _Subscription:
    """One topic, heard whatever durability its publishers offer.

    A volatile subscription hears every publisher, but only what is sent from then on. Where a
    publisher keeps what it has sent (transient local), a second, transient-local subscription gets
    that, and is closed again once it has: a stream of images must not come twice. A durability set
    by parameter is obeyed: there is only the one subscription then.

    Args:
        node: that listens.
        topic: full name.
        kind: message type.
        callback: called once with each message.
        qos: unless parameters set it otherwise; changed in place where they do.
        on_misfit: called with the event of a publisher whose QoS does not fit.
    """

    def __init__(
        self,
        node: Node,
        topic: str,
        kind: str,
        callback: Callable[[Any], None],
        qos: QoSProfile,
        on_misfit: Callable[[Any], None],
    ) -> None:
        self._node, self._topic, self._kind, self._callback = node, topic, kind, callback
        overrides = node._parameter_overrides  # rclpy has no public name for them
        durability = overrides.get(f"qos_overrides.{topic}.subscription.durability")
        self._is_overridden = durability is not None
        if durability is not None and durability.value == "transient_local":
            qos.reliability = ReliabilityPolicy.RELIABLE  # best effort may miss what was kept
        self._depth = qos.depth
        self._keepers: set[bytes] = set()  # publishers that keep what they have sent
        self._kept: Any = None  # the second subscription
        self._has_kept = False  # whether it has heard something
        # What each of the two has heard lately, for the other one not to hand on again.
        self._live_heard: deque[Any] = deque(maxlen=self._depth)
        self._kept_heard: deque[Any] = deque(maxlen=self._depth)
        self._live = node.create_subscription(
            message_type(kind),
            topic,
            self._on_live,
            qos,
            event_callbacks=SubscriptionEventCallbacks(incompatible_qos=on_misfit),
            qos_overriding_options=QoSOverridingOptions(OVERRIDABLE),
        )
        self.watch()

    def watch(self) -> None:
        """Get what new publishers have kept; to be called from time to time."""
        if self._is_overridden:
            return
        keepers = {
            bytes(offer.endpoint_gid)
            for offer in self._node.get_publishers_info_by_topic(self._topic)
            if offer.qos_profile.durability == DurabilityPolicy.TRANSIENT_LOCAL
            and offer.qos_profile.reliability == ReliabilityPolicy.RELIABLE
        }
        if keepers - self._keepers:
            self._close_kept()
            self._kept = self._node.create_subscription(
                message_type(self._kind),
                self._topic,
                self._on_kept,
                QoSProfile(depth=self._depth, durability=DurabilityPolicy.TRANSIENT_LOCAL),
                # Without the default one, which warns of volatile publishers.
                event_callbacks=SubscriptionEventCallbacks(use_default_callbacks=False),
            )
        elif self._has_kept or not keepers:
            self._close_kept()
        self._keepers = keepers

    def close(self) -> None:
        """Listen no longer."""
        self._node.destroy_subscription(self._live)
        self._close_kept()

    def _close_kept(self) -> None:
        if self._kept is not None:
            self._node.destroy_subscription(self._kept)
        self._kept, self._has_kept = None, False
        self._kept_heard.clear()

    def _on_live(self, message: Any) -> None:
        if not _take(message, self._kept_heard):
            self._live_heard.append(message)
            self._callback(message)

    def _on_kept(self, message: Any) -> None:
        self._has_kept = True
        if not _take(message, self._live_heard):
            self._kept_heard.append(message)
            self._callback(message)


def _take(message: Any, heard: deque[Any]) -> bool:
    """Whether the same message is among those heard; it is then taken out."""
    for index, other in enumerate(heard):
        if message.header.stamp == other.header.stamp and message == other:
            del heard[index]
            return True
    return False


class _Subscriptions:
    """Subscriptions that say which publisher's quality of service does not fit.

    Attributes:
        misfits: by topic, the policy that does not fit.
    """

    def __init__(self, node: Node) -> None:
        self.misfits: dict[str, str] = {}
        self._node = node
        self._made: list[_Subscription] = []

    def add(self, topic: str, kind: str, callback: Callable[[Any], None], qos: QoSProfile) -> None:
        full = str(self._node.resolve_topic_name(topic))
        misfit = partial(self._on_misfit, full)
        self._made.append(_Subscription(self._node, full, kind, callback, qos, misfit))

    def watch(self) -> None:
        """See `_Subscription.watch`."""
        for each in self._made:
            each.watch()

    def close(self) -> None:
        for each in self._made:
            each.close()
        self._made.clear()

    def _on_misfit(self, topic: str, event: Any) -> None:
        policy = qos_policy_name_from_kind(event.last_policy_kind)
        self.misfits[topic] = policy
        remedy = ""
        if policy in _HEARS_ALL:
            name = f"qos_overrides.{topic}.subscription.{policy.lower()}"
            remedy = f"; set {name} to {_HEARS_ALL[policy]}"
        self._node.get_logger().warning(
            f"{topic}: the QoS of a publisher is incompatible ({policy}), so its messages do not "
            f"arrive{remedy}"
        )


class CameraInput:
    """Colour, depth and camera_info, paired by stamp; or organised point clouds with color.

    Args:
        node: that listens; the topics are its ``color``, ``depth`` and ``camera_info``, or
            ``points`` and, if there is one, ``camera_info``.
        settings: source, transports, slop and queue.
        on_match: called with each pair, on the executor's thread.
        tf: transforms, for depth that is not registered to color.

    Attributes:
        topics: full names of those that it needs.
        is_rectified: see `cvdl.messages.reading.is_rectified`.
        registration: of depth to color, where it is needed; it hears the CameraInfo of depth
            on the topic ``depth_camera_info``, or, where that is not remapped, beside depth.
    """

    def __init__(
        self, node: Node, settings: NodeConfig, on_match: Callable[[Match], None], tf: TfInput
    ) -> None:
        self._node, self._on_match = node, on_match
        self._is_cloud = settings.source == "points"
        info = str(node.resolve_topic_name("camera_info"))
        depth_info = "" if self._is_cloud else _depth_info(node, info)
        color, color_kind = _source(node, "color", settings.image_transport)
        depth, depth_kind = _source(node, "depth", settings.depth_image_transport)
        points = str(node.resolve_topic_name("points"))
        self.topics = (points,) if self._is_cloud else (color, depth, info)
        # Clouds are made of rectified depth.
        self.is_rectified = self._is_cloud or is_rectified(color)
        self._clouds = 0
        self._cloud_info: Any = None
        self.registration = DepthRegistration(
            depth, depth_info, tf.tree, tf.problem, settling_s=_SETTLING_S
        )
        self._has_told_registration = False
        self._sync = RgbdSync(color, depth, info, settings.slop, settings.queue_size)
        self._silent_since = monotonic()
        self._complained: set[str] = set()  # since the last pair
        self._doubted: set[str] = set()
        self._subscriptions = _Subscriptions(node)
        subscribed: list[tuple[str, str, Callable[[Any], None]]] = [(info, _INFO, self._add_info)]
        if self._is_cloud:
            subscribed += [(points, POINTS, self._add_points)]
        else:
            subscribed += [(color, color_kind, self._add_color)]
            subscribed += [(depth, depth_kind, self._add_depth)]
        if depth_info:
            subscribed += [(depth_info, _INFO, self._add_depth_info)]
        for topic, kind, callback in subscribed:
            # As qos_profile_sensor_data, but a profile of its own: overrides change it in place.
            sensor = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
            self._subscriptions.add(topic, kind, callback, sensor)

    @property
    def pairs(self) -> int:
        """Number of pairs so far."""
        return self._sync.matched + self._clouds

    @property
    def dropped(self) -> Counter[str]:
        """Number of messages that found no partner, by cause."""
        return self._sync.dropped

    def silence(self) -> str:
        """Why no pair has come for some seconds; empty while they come."""
        if monotonic() - self._silent_since < SILENCE_S:
            return ""
        more = "more " if self.pairs else ""  # as of who publishes a single picture
        return self._sync.complaint() or f"no {more}messages on {', '.join(self.topics)}"

    def doubt(self) -> str:
        """What is wrong with what comes, though pairs do; else empty."""
        return self._sync.doubt()

    def watch(self) -> None:
        """Get what new publishers have kept; warn where nothing pairs or is in doubt, once."""
        self._subscriptions.watch()
        if self.registration.note and not self._has_told_registration:
            self._has_told_registration = True
            self._node.get_logger().info(self.registration.note)
        if silence := self.silence():
            hints = "".join(f"; {hint}" for hint in self._hints(silence))
            # Lost images are told once, whether or not a pair comes now and then.
            said = self._doubted if LARGE_IMAGES in silence else self._complained
            self._warn(silence, hints, f"no frame for {SILENCE_S:g} s: {silence}{hints}", said)
        elif doubt := self.doubt():
            self._warn(doubt, "", f"{doubt} (reported once)", self._doubted)

    def _warn(self, problem: str, hints: str, sentence: str, said: set[str]) -> None:
        cause = re.sub(r"\d[\d.e+-]*", "", problem.partition(" (")[0])  # whatever the numbers
        if cause + hints not in said:  # fewer hints, as when a publisher comes, are no news
            said |= {cause, cause + hints}
            self._node.get_logger().warning(sentence)

    def _hints(self, silence: str) -> Iterator[str]:
        """What the graph says of the topics, beside what they say themselves."""
        subject, others, _ = silence.partition(" (but ")
        silent = subject.split() if others or self._is_cloud else ()
        kind = "clouds" if self._is_cloud else "images"
        for topic in self.topics:
            if topic in self._subscriptions.misfits:
                yield f"{topic}: incompatible QoS ({self._subscriptions.misfits[topic]})"
            elif not self._node.count_publishers(topic):
                yield f"{topic}: it has no publisher"
            elif topic in self.topics[:2] and topic in silent:
                yield (
                    f"{topic}: it has a publisher; if it sends {kind}, they are lost in "
                    f"transport: {LARGE_IMAGES}"
                )

    def unpacked(self, match: Match) -> Match:
        """A pair as images: of a point cloud, those that it holds.

        Raises:
            MessageError: see `images_of`.
        """
        return Match(*images_of(match.color, match.camera_info)) if self._is_cloud else match

    def close(self) -> None:
        """Listen no longer."""
        self._subscriptions.close()

    def _add_points(self, message: Any) -> None:
        self._clouds += 1
        self._hand_on([Match(message, message, self._cloud_info)])

    def _add_color(self, message: Any) -> None:
        self._hand_on(self._sync.add_color(stamp_ns(message), message, monotonic_ns()))

    def _add_depth(self, message: Any) -> None:
        self._hand_on(self._sync.add_depth(stamp_ns(message), message, monotonic_ns()))

    def _add_depth_info(self, message: Any) -> None:
        self.registration.camera_info = message

    def _add_info(self, message: Any) -> None:
        if self._is_cloud:
            self._cloud_info = message
            return
        self._hand_on(self._sync.add_camera_info(message, stamp_ns(message)))

    def _hand_on(self, matches: list[Match]) -> None:
        for match in matches:
            self._silent_since = monotonic()
            self._complained.clear()
            self._on_match(match)


def _source(node: Node, name: str, transport: str) -> tuple[str, str]:
    """Full topic and message type of images."""
    topic = str(node.resolve_topic_name(name))
    if transport == "raw":
        return topic, "sensor_msgs/msg/Image"
    return f"{topic}/{transport}", "sensor_msgs/msg/CompressedImage"


def _depth_info(node: Node, camera_info: str) -> str:
    """The CameraInfo topic of depth; empty where it is that of color."""
    plain = f"{node.get_namespace().rstrip('/')}/{_DEPTH_INFO}"
    topic = str(node.resolve_topic_name(_DEPTH_INFO))
    if topic == plain:
        depth = str(node.resolve_topic_name("depth"))
        topic = f"{depth.rpartition('/')[0]}/camera_info"
    return "" if topic == camera_info else topic


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
