"""Topics of bags, and the error of bags."""

from __future__ import annotations

from dataclasses import dataclass

from rosbags.interfaces import (
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)

from cvdl.bags.typestore import typestore
from cvdl.core.errors import InputError

__all__ = ["LATCHED", "BagError", "Topic", "described"]

_FOREVER = QosTime(9223372036, 854775807)  # RMW_DURATION_INFINITE
#: QoS of publishers that send once and serve late subscribers: /tf_static, label_info.
LATCHED = Qos(
    history=QosHistory.KEEP_LAST,
    depth=1,
    reliability=QosReliability.RELIABLE,
    durability=QosDurability.TRANSIENT_LOCAL,
    deadline=_FOREVER,
    lifespan=_FOREVER,
    liveliness=QosLiveliness.AUTOMATIC,
    liveliness_lease_duration=_FOREVER,
    avoid_ros_namespace_conventions=False,
)


class BagError(InputError):
    """A bag cannot be read or written; the message has its path and the reason."""


@dataclass(frozen=True)
class Topic:
    """One topic of a bag.

    Attributes:
        name: such as "/camera/color/image_raw".
        type: of its messages, such as "sensor_msgs/msg/Image".
        definition: of the type, in the format of ROS 2; empty if unknown.
        digest: RIHS01 hash of the type; empty if unknown.
        qos: offered by its publishers; empty for the default of ROS 2.
        count: number of messages.
    """

    name: str
    type: str
    definition: str
    digest: str
    qos: tuple[Qos, ...] = ()
    count: int = 0


def described(kind: str) -> tuple[str, str]:
    """Definition and hash of a type; both empty if it is not in `typestore`."""
    store = typestore()
    if kind not in store.types:
        return "", ""
    return store.generate_msgdef(kind, ros_version=2)[0], store.hash_rihs01(kind)
