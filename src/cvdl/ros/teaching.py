"""The subscriptions by which a node is taught: ``teach``, ``forget`` and ``/clicked_point``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from rclpy.node import Node
from rclpy.qos import QoSProfile

from cvdl.messages.transform_tree import TransformTree
from cvdl.recognition.stage import RecognitionStage
from cvdl.recognition.teacher import Teacher
from cvdl.ros.interfaces import message_type

__all__ = ["TeachInput"]


class TeachInput:
    """Passes requests on to a `Teacher`, and its answers to the log.

    Args:
        node: the node that subscribes.
        tree: transforms received so far.
        stage: returns the stage that names objects.

    Attributes:
        teacher: answers the requests.
    """

    def __init__(
        self, node: Node, tree: TransformTree, stage: Callable[[], RecognitionStage | None]
    ) -> None:
        self._node = node
        self.teacher = Teacher(stage, tree.lookup, self._say, str(node.get_fully_qualified_name()))
        text, point = "std_msgs/msg/String", "geometry_msgs/msg/PointStamped"
        self._subscriptions = [
            node.create_subscription(message_type(kind), topic, callback, QoSProfile(depth=10))
            for topic, kind, callback in (
                ("teach", text, self._on_teach),
                ("forget", text, self._on_forget),
                ("/clicked_point", point, self._on_click),
            )
        ]

    def close(self) -> None:
        """Unsubscribe."""
        for each in self._subscriptions:
            self._node.destroy_subscription(each)
        self._subscriptions.clear()

    def _on_teach(self, message: Any) -> None:
        self.teacher.teach(message.data)

    def _on_forget(self, message: Any) -> None:
        self.teacher.forget(message.data)

    def _on_click(self, message: Any) -> None:
        at = message.point
        self.teacher.click(np.array([at.x, at.y, at.z]), message.header.frame_id.lstrip("/"))

    def _say(self, sentence: str, has_failed: bool) -> None:
        log = self._node.get_logger()
        if has_failed:
            log.warning(sentence)
        else:
            log.info(sentence)
