"""The message classes for reading and writing bags."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from typing import Any

from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

__all__ = ["message_type", "new_typestore", "typestore"]


def new_typestore() -> Typestore:
    """Create a store with the types of ROS 2 and vision_msgs, to which more may be added.

    The types are those of Humble: the ones in use have the same fields from Humble to Lyrical.
    """
    store = get_typestore(Stores.ROS2_HUMBLE)
    definitions = {}
    for file in (files("cvdl.messages") / "definitions" / "vision_msgs").iterdir():
        name = f"vision_msgs/msg/{file.name.removesuffix('.msg')}"
        definitions.update(get_types_from_msg(file.read_text(encoding="utf-8"), name))
    store.register(definitions)
    return store


@lru_cache(maxsize=1)
def typestore() -> Typestore:
    """The store with which messages are built, written and decoded."""
    return new_typestore()


def message_type(name: str) -> type[Any]:
    """The class of a message type, such as "sensor_msgs/msg/Image".

    Raises:
        KeyError: if the type belongs neither to ROS 2 nor to vision_msgs.
    """
    return typestore().types[name]
