"""Subscriptions that match every publisher, and report those whose QoS does not fit."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from rclpy.node import Node
from rclpy.qos import (
    DurabilityPolicy,
    QoSPolicyKind,
    QoSProfile,
    ReliabilityPolicy,
    qos_policy_name_from_kind,
)
from rclpy.qos_overriding_options import QoSOverridingOptions

from cvdl.ros.interfaces import message_type

try:
    from rclpy.event_handler import SubscriptionEventCallbacks
except ModuleNotFoundError:  # ROS 2 Humble has it under its older name
    from rclpy.qos_event import SubscriptionEventCallbacks

__all__ = ["OVERRIDABLE", "Subscriptions", "quiet_subscription"]

#: QoS policies of a topic that parameters can set.
OVERRIDABLE = (
    QoSPolicyKind.HISTORY,
    QoSPolicyKind.DEPTH,
    QoSPolicyKind.RELIABILITY,
    QoSPolicyKind.DURABILITY,
)
#: By policy, the value with which a subscription matches every publisher.
_MATCHES_ALL = {"RELIABILITY": "best_effort", "DURABILITY": "volatile"}


def quiet_subscription(
    node: Node, kind: type[Any], topic: str, callback: Callable[[Any], None], qos: QoSProfile
) -> Any:
    """A subscription without rclpy's default warning of publishers whose QoS does not fit."""
    silent = SubscriptionEventCallbacks(use_default_callbacks=False)
    return node.create_subscription(kind, topic, callback, qos, event_callbacks=silent)


class _Subscription:
    """Receives a topic whatever durability its publishers offer.

    A volatile subscription matches every publisher, but receives only new messages. If a publisher
    keeps what it has sent (transient local), a second, transient-local subscription gets that, and
    is closed afterwards: a stream of images must not arrive twice. With a durability set by
    parameter there is only the one subscription.

    Args:
        node: the node that subscribes.
        topic: full name.
        kind: message type.
        callback: called once with each message.
        qos: QoS, unless parameters override it; they change it in place.
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
        self._node, self._topic, self._callback = node, topic, callback
        self._kind = message_type(kind)
        overrides = node._parameter_overrides  # rclpy has no public name for them
        durability = overrides.get(f"qos_overrides.{topic}.subscription.durability")
        self._is_overridden = durability is not None
        if durability is not None and durability.value == "transient_local":
            qos.reliability = ReliabilityPolicy.RELIABLE  # best effort may lose kept messages
        self._depth = qos.depth
        self._keepers: set[bytes] = set()  # publishers that keep their messages
        self._kept: Any = None  # the second subscription
        self._has_kept = False  # whether it has received something
        # Latest messages of each of the two, which the other one must not pass on again.
        self._live_messages: deque[Any] = deque(maxlen=self._depth)
        self._kept_messages: deque[Any] = deque(maxlen=self._depth)
        self._live = node.create_subscription(
            self._kind,
            topic,
            self._on_live,
            qos,
            event_callbacks=SubscriptionEventCallbacks(incompatible_qos=on_misfit),
            qos_overriding_options=QoSOverridingOptions(OVERRIDABLE),
        )
        self.watch()

    def watch(self) -> None:
        """Get what new publishers have kept; to be called periodically."""
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
            qos = QoSProfile(depth=self._depth, durability=DurabilityPolicy.TRANSIENT_LOCAL)
            self._kept = quiet_subscription(self._node, self._kind, self._topic, self._on_kept, qos)
        elif self._has_kept or not keepers:
            self._close_kept()
        self._keepers = keepers

    def close(self) -> None:
        """Unsubscribe."""
        self._node.destroy_subscription(self._live)
        self._close_kept()

    def _close_kept(self) -> None:
        if self._kept is not None:
            self._node.destroy_subscription(self._kept)
        self._kept, self._has_kept = None, False
        self._kept_messages.clear()

    def _on_live(self, message: Any) -> None:
        if not _take(message, self._kept_messages):
            self._live_messages.append(message)
            self._callback(message)

    def _on_kept(self, message: Any) -> None:
        self._has_kept = True
        if not _take(message, self._live_messages):
            self._kept_messages.append(message)
            self._callback(message)


def _take(message: Any, others: deque[Any]) -> bool:
    """Remove a message from the others; returns whether it was among them."""
    for index, other in enumerate(others):
        if message.header.stamp == other.header.stamp and message == other:
            del others[index]
            return True
    return False


class Subscriptions:
    """Subscriptions of a node; a warning names each publisher whose QoS does not fit.

    Args:
        node: the node that subscribes.

    Attributes:
        misfits: by topic, the QoS policy that does not fit.
    """

    def __init__(self, node: Node) -> None:
        self.misfits: dict[str, str] = {}
        self._node = node
        self._made: list[_Subscription] = []

    def add(self, topic: str, kind: str, callback: Callable[[Any], None], qos: QoSProfile) -> None:
        """Subscribe to a topic; see `_Subscription`."""
        full = str(self._node.resolve_topic_name(topic))
        misfit = partial(self._on_misfit, full)
        self._made.append(_Subscription(self._node, full, kind, callback, qos, misfit))

    def watch(self) -> None:
        """Get what new publishers have kept; to be called periodically."""
        for each in self._made:
            each.watch()

    def close(self) -> None:
        """Unsubscribe."""
        for each in self._made:
            each.close()
        self._made.clear()

    def _on_misfit(self, topic: str, event: Any) -> None:
        policy = qos_policy_name_from_kind(event.last_policy_kind)
        self.misfits[topic] = policy
        remedy = ""
        if policy in _MATCHES_ALL:
            name = f"qos_overrides.{topic}.subscription.{policy.lower()}"
            remedy = f"; set {name} to {_MATCHES_ALL[policy]}"
        self._node.get_logger().warning(
            f"{topic}: the QoS of a publisher is incompatible ({policy}), so its messages do not "
            f"arrive{remedy}"
        )
