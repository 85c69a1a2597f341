"""The message classes that bags are read and written with."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from typing import Any

from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

__all__ = ["message_type", "new_typestore", "typestore"]


def new_typestore() -> Typestore:
    """ROS 2's types and vision_msgs, in a store to which more may be added.

    Humble's: the fields of every type used here are the same from Humble to Lyrical.
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
    """The store that messages are built, written and decoded with."""
    return new_typestore()


def message_type(name: str) -> type[Any]:
    """The class of a message type, such as "sensor_msgs/msg/Image".

    Raises:
        KeyError: if the type is neither ROS 2's nor of vision_msgs.
    """
    return typestore().types[name]
