"""Messages of a bag in the order of their stamps, and whether stamps are usable for that."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import islice
from typing import Any

from cvdl.bags.reader import BagReader
from cvdl.bags.sources import Bytes
from cvdl.bags.topic import Topic
from cvdl.messages.images import MessageError
from cvdl.messages.reading import stamp_ns

__all__ = ["by_time", "stamps_stand_still"]

_FIRST = 10  # messages of a topic that are checked
_MESSAGES_PER_STAMP = 3  # stamps stand still from this number on; two messages are a duplicate
_RESTART_NS = 1_000_000_000  # stamps that jump back this far start again, as in a bag of two runs


def by_time(
    bag: BagReader, names: Iterable[str], time_ns: Callable[[Any, int], int]
) -> Iterator[tuple[Topic, int, Bytes]]:
    """Yield messages like `BagReader.messages`, but in the order of their own times.

    Reads the topics side by side and holds one message of each. The order within a topic stays;
    of equal times the topic that is named first comes first.

    Args:
        bag: to read.
        names: of the topics.
        time_ns: gives the time of a decoded message and its time of reception, nanoseconds.
    """

    def of_topic(name: str) -> Iterator[tuple[tuple[int, int], Topic, int, Bytes]]:
        run, newest = 0, -(2**63)
        for topic, received_ns, data in bag.messages([name]):
            time = newest
            with suppress(MessageError):  # reported when the message is used
                message = bag.decode(topic, data)
                time = time_ns(message, received_ns) if hasattr(message, "header") else received_ns
            if time < newest - _RESTART_NS:
                run, newest = run + 1, time
            newest = max(newest, time)
            yield (run, time), topic, received_ns, data

    for entry in heapq.merge(*map(of_topic, names), key=lambda entry: entry[0]):
        yield entry[1:]


def stamps_stand_still(bag: BagReader, name: str) -> bool:
    """Whether many messages of a topic share a stamp, as if the driver does not set them."""
    stamps = []
    for topic, _, data in islice(bag.messages([name]), _FIRST):
        with suppress(MessageError):  # reported when the topic is used
            stamps.append(stamp_ns(bag.decode(topic, data)))
    different = len(set(stamps))
    return len(stamps) > 1 and (different == 1 or _MESSAGES_PER_STAMP * different <= len(stamps))
