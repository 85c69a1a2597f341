"""Warns of another node of the same name: calls of a service would reach any of the two."""

from __future__ import annotations

from time import monotonic

from rclpy.node import Node

__all__ = ["SameName"]

_SETTLED_S = 25.0  # a killed node stays in the graph for up to 20 s, and may have been replaced


class SameName:
    """Looks for other nodes of a node's full name.

    Args:
        node: the node.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._since: float | None = None
        self._is_reported = False

    def watch(self) -> None:
        """Warn once if there is one for some time; to be called periodically."""
        name, namespace = self._node.get_name(), self._node.get_namespace()
        # Every node publishes its log. Other lists of nodes may hold those that have ended.
        logs = self._node.get_publishers_info_by_topic("/rosout")
        same = [log for log in logs if (log.node_name, log.node_namespace) == (name, namespace)]
        if len(same) < 2:
            self._since = None
            return
        self._since = self._since or monotonic()
        if not self._is_reported and monotonic() - self._since > _SETTLED_S:
            self._is_reported = True
            self._node.get_logger().warning(
                f"there are {len(same)} nodes {self._node.get_fully_qualified_name()}: give each "
                "a name or a namespace of its own, else services and parameters reach any of them"
            )
