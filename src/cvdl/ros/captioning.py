"""Sentences about frames on the graph: ``caption`` out, and on the overlay."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Any

from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSProfile

from cvdl.core.errors import InputError
from cvdl.core.frame import RgbdFrame
from cvdl.core.scene import Scene
from cvdl.language.captioner import load_captioner
from cvdl.language.config import WordsConfig
from cvdl.language.describer import Describer, lines_of
from cvdl.messages.topics import OBJECTS_TOPIC
from cvdl.ros.interfaces import message_type
from cvdl.ros.rate_limit import RateLimit

__all__ = ["CaptionOutput"]


class CaptionOutput:
    """Publishes sentences about some of the frames.

    Args:
        node: the node that publishes.
        publisher: makes a lifecycle publisher of a topic, a type and a quality of service.
        config: the present settings.

    Attributes:
        text: the last sentence; empty if there is none.
    """

    def __init__(
        self,
        node: LifecycleNode,
        publisher: Callable[[str, str, QoSProfile], Any],
        config: Callable[[], WordsConfig],
    ) -> None:
        self._node, self._config = node, config
        self._limit = RateLimit()
        kind = "std_msgs/msg/String"
        self._message = message_type(kind)
        self._publisher = publisher("caption", kind, QoSProfile(depth=10))
        self._warned = False
        self.text = ""

    def close(self) -> None:
        """Stop publishing."""
        self._node.destroy_lifecycle_publisher(self._publisher)

    @property
    def wanted(self) -> frozenset[str]:
        """The result topics whose stages have to run."""
        is_heard = self._config().caption_rate_hz and self._publisher.get_subscription_count()
        return frozenset({OBJECTS_TOPIC} if is_heard else ())

    def notices(self) -> tuple[str, ...]:
        """What the overlay shows."""
        return lines_of(self.text)

    def look(self, frame: RgbdFrame, scene: Scene) -> None:
        """Publish a sentence about a frame if one is due; none if nothing is sure."""
        config = self._config()
        if not config.caption_rate_hz:
            self.text = ""
            return
        if not self._limit(monotonic(), config.caption_rate_hz):
            return
        try:
            self.text = Describer(load_captioner(), config).caption(frame, scene)
        except InputError as error:
            self.text = ""
            if not self._warned:
                self._node.get_logger().warning(f"caption: {error}")
            self._warned = True
            return
        if self.text:
            self._publisher.publish(self._message(data=self.text))
