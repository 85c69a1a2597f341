"""Transforms that a node hears on /tf and /tf_static."""

from __future__ import annotations

from typing import Any

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from cvdl.core.errors import InputError
from cvdl.messages.transform_tree import TransformTree
from cvdl.ros.interfaces import message_type

try:
    from rclpy.event_handler import SubscriptionEventCallbacks
except ModuleNotFoundError:  # ROS 2 Humble has it under its older name
    from rclpy.qos_event import SubscriptionEventCallbacks

__all__ = ["TfInput"]

_KIND = "tf2_msgs/msg/TFMessage"
_DEPTH = 100  # as tf2's own listeners: several nodes publish static transforms at once


class TfInput:
    """Listens to /tf and /tf_static.

    It needs tf2_msgs. Where it is missing, the tree stays empty and ``problem`` says so.

    Args:
        node: that listens.

    Attributes:
        tree: what was heard so far. It is filled by the executor's thread; `TransformTree.lookup`
            may be called from any thread.
        problem: why nothing is heard; empty while the node listens.
    """

    def __init__(self, node: Node) -> None:
        self.tree = TransformTree()
        self.problem = ""
        self._node = node
        self._subscriptions: list[Any] = []
        try:
            kind = message_type(_KIND)
        except InputError as error:
            self.problem = str(error)
            return
        # A best-effort, volatile subscription hears every publisher. Static transforms sent
        # before the node came need a transient-local subscription, which in turn does not hear
        # volatile publishers, such as some players of bags.
        any_publisher = QoSProfile(depth=_DEPTH, reliability=ReliabilityPolicy.BEST_EFFORT)
        latched = QoSProfile(depth=_DEPTH, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        for topic, qos in (
            ("/tf_static", latched),
            ("/tf_static", any_publisher),
            ("/tf", any_publisher),
        ):
            made = node.create_subscription(
                kind,
                topic,
                self.tree.add,
                qos,
                # Without the default one, which warns of a publisher that the other hears.
                event_callbacks=SubscriptionEventCallbacks(use_default_callbacks=False),
            )
            self._subscriptions.append(made)

    def close(self) -> None:
        """Listen no longer; the tree stays as it is."""
        for each in self._subscriptions:
            self._node.destroy_subscription(each)
        self._subscriptions.clear()
