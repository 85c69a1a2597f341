"""Objects by phrase on the graph: ``find`` in, ``find/objects`` and ``find/grasps`` out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSProfile

from cvdl.core.errors import InputError
from cvdl.core.frame import RgbdFrame
from cvdl.core.scene import Scene
from cvdl.language.aligner import load_aligner
from cvdl.language.finder import Finder
from cvdl.messages.topics import OBJECTS_TOPIC, TOPICS
from cvdl.ros.interfaces import message_type

__all__ = ["FOUND", "FindInput"]

#: The result topics by the ones whose messages they have, of only what is found.
FOUND = {OBJECTS_TOPIC: "find/objects", "grasp/poses": "find/grasps"}


class FindInput:
    """Finds in each frame what the latest phrase is about; an empty phrase ends it.

    Args:
        node: the node that subscribes.
        publisher: makes a lifecycle publisher of a topic, a type and a quality of service.
        names: the taught names.
    """

    def __init__(
        self,
        node: LifecycleNode,
        publisher: Callable[[str, str, QoSProfile], Any],
        names: Callable[[], Sequence[str]],
    ) -> None:
        self._node, self._names = node, names
        self._finder: Finder | None = None
        self._told: tuple[str, bool] | None = None  # the last outcome in the log
        qos = QoSProfile(depth=10)
        self._publishers = {
            topic: publisher(found, TOPICS[topic].type, qos) for topic, found in FOUND.items()
        }
        kind = message_type("std_msgs/msg/String")
        self._subscription = node.create_subscription(kind, "find", self._on_find, qos)

    def close(self) -> None:
        """Unsubscribe."""
        self._node.destroy_subscription(self._subscription)
        for publisher in self._publishers.values():
            self._node.destroy_lifecycle_publisher(publisher)
        self._finder = None

    @property
    def wanted(self) -> frozenset[str]:
        """The result topics whose stages have to run."""
        return frozenset(self._publishers if self._finder is not None else ())

    def look(
        self, frame: RgbdFrame, scene: Scene, build: Callable[[Scene], dict[str, Any]]
    ) -> None:
        """Publish what the phrase is about in a frame.

        Args:
            frame, scene: of the results.
            build: makes the messages of a scene by result topic.
        """
        finder = self._finder  # may be replaced meanwhile
        if finder is None:
            return
        findings = finder(frame, scene)
        for topic, message in build(findings.shown(scene)).items():
            self._publishers[topic].publish(message)
        is_new = (finder.phrase, not findings.found)
        if is_new != self._told:
            self._told = is_new
            self._node.get_logger().info(findings.sentence())

    def _on_find(self, message: Any) -> None:
        phrase = message.data.strip()
        log = self._node.get_logger()
        self._told = None
        if not phrase:
            self._finder = None
            log.info("nothing is looked for")
            return
        try:
            finder = self._finder = Finder(load_aligner(), phrase, names=self._names())
        except InputError as error:
            self._finder = None
            log.warning(f"find: {error}")
            return
        note = f"; unknown: {', '.join(finder.unknown)}" if finder.unknown else ""
        log.info(f"looking for {phrase!r}{note}")
