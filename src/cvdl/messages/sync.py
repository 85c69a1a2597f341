"""Matches color and depth by their stamps."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

from cvdl.messages.arrivals import LARGE_IMAGES, Arrivals

__all__ = ["DEFAULT_QUEUE", "DEFAULT_SLOP_S", "Match", "RgbdSync"]

#: Cameras that do not trigger color and depth together run them at 30 Hz with any phase, so the
#: nearest depth image is at most half a period, 0.0167 s, away.
DEFAULT_SLOP_S = 0.02
#: Messages of a topic that wait for a partner, a third of a second at 30 Hz.
DEFAULT_QUEUE = 10

# A stamp older than the newest one by this much means that the clock has restarted, as in a bag
# played in a loop or a simulation after a reset. A smaller difference is a message out of order,
# but this many in a row on one topic are a short loop.
_RESTART_NS = 1_000_000_000
_RESTART_AFTER = 3
# This many equal stamps of a topic in a row are useless; a doubled message has only two.
_REPEATS = 3
# Without useful stamps the times of arrival are used, with at least this slop.
_ARRIVAL_NS = 100_000_000
_STAMPING = "its driver must stamp each image; with use_sim_time a clock must run"
_DISTANCES = 10  # latest differences of stamps that determine the period of a topic


@dataclass(frozen=True)
class Match:
    """Messages that belong together."""

    color: Any
    depth: Any
    camera_info: Any


@dataclass
class _Stream:
    """One topic with its waiting messages, in the order of their stamps.

    Attributes:
        unmatched: cause under which a message without a partner is counted.
        taken: stamp of the last message that left the queue; older ones are too late.
        newest: largest stamp so far.
        distances: differences of its latest stamps, nanoseconds.
        late: number of latest messages out of order.
        last: stamp of the last message.
        repeats: number of latest messages with the stamp of the previous one.
    """

    name: str
    unmatched: str
    queue: list[tuple[int, Any]] = field(default_factory=list)
    taken: int | None = None
    newest: int | None = None
    distances: deque[int] = field(default_factory=lambda: deque(maxlen=_DISTANCES))
    late: int = 0
    last: int | None = None
    repeats: int = 0

    @property
    def period(self) -> int:
        """Smallest difference of its latest stamps; 0 until there are two."""
        return min(self.distances, default=0)

    @property
    def head(self) -> int:
        return self.queue[0][0]

    def pop(self) -> Any:
        self.taken, message = self.queue.pop(0)
        return message


class RgbdSync:
    """Matches color and depth with close stamps, nearest first.

    Each message is used once; matches come in the order of time. Equal stamps match at once.
    Another pair waits only while a better message may still come, which is known from the period
    of the topic. The camera_info of a match is the latest one.

    If stamps are zero or constant, color and depth that arrive together match, if the times of
    arrival are given.

    Args:
        color: name of the color topic, for the messages.
        depth: name of the depth topic.
        camera_info: name of the camera_info topic.
        slop_s: largest difference of stamps in a match, seconds.
        queue_size: number of messages of a topic that wait for a partner.

    Attributes:
        received: number of messages by topic.
        matched: number of matches.
        by_arrival: number of pairs matched by arrival.
        dropped: number of messages without a match, by cause.
        overflowed: whether a queue was too short.
    """

    def __init__(
        self,
        color: str = "color",
        depth: str = "depth",
        camera_info: str = "camera_info",
        slop_s: float = DEFAULT_SLOP_S,
        queue_size: int = DEFAULT_QUEUE,
    ) -> None:
        self._color = _Stream(color, "color without depth")
        self._depth = _Stream(depth, "depth without color")
        self._camera_info_topic = camera_info
        self._slop_ns = round(slop_s * 1e9)
        self._queue_size = queue_size
        self._camera_info: Any = None
        self._without_info: deque[tuple[Any, Any]] = deque()
        self._received_at_match: Counter[str] = Counter()
        self._nearest_ns: int | None = None  # miss since the last match
        self._is_by_arrival = False
        self._arrivals = Arrivals(color, depth, camera_info)
        self.received: Counter[str] = Counter()
        self.matched = 0
        self.by_arrival = 0
        self.dropped: Counter[str] = Counter()
        self.overflowed = False

    def add_color(self, stamp_ns: int, message: Any, arrived_ns: int | None = None) -> list[Match]:
        """Add a color message; returns the matches that it completes.

        Args:
            stamp_ns: stamp, nanoseconds.
            message: passed on as it is.
            arrived_ns: time of arrival by any monotonic clock.
        """
        return self._add(self._color, stamp_ns, message, arrived_ns)

    def add_depth(self, stamp_ns: int, message: Any, arrived_ns: int | None = None) -> list[Match]:
        """Add a depth message; see `add_color`."""
        return self._add(self._depth, stamp_ns, message, arrived_ns)

    def add_camera_info(self, message: Any, stamp_ns: int | None = None) -> list[Match]:
        """Add a camera_info; returns the matches that waited for the first one.

        Args:
            message: passed on as it is.
            stamp_ns: stamp, only for `complaint` and `doubt`.
        """
        self.received[self._camera_info_topic] += 1
        self._arrivals.add(self._camera_info_topic, stamp_ns)
        self._camera_info = message
        return self._complete([])

    def flush(self) -> list[Match]:
        """Return the matches that waited for a better one, at the end of the input."""
        matches = self._match(more_may_come=False)
        for stream in (self._color, self._depth):
            self._clear(stream)
        self.dropped["no camera_info"] += len(self._without_info)
        self._without_info.clear()
        self.dropped = +self.dropped
        return matches

    def complaint(self) -> str:
        """Why there was no match since the last one, in a sentence; empty if nothing came."""
        topics = (self._color.name, self._depth.name, self._camera_info_topic)
        since = {name: self.received[name] - self._received_at_match[name] for name in topics}
        if not any(since.values()):
            return ""
        arrivals = self._arrivals
        losses = arrivals.losses(has_matches=False)
        heard = ", ".join(f"{count} on {name}" for name, count in since.items() if count)
        silent = [name for name in topics[:2] if not since[name]]
        if silent and losses and all(self.received[name] for name in silent):
            return f"{losses}: {LARGE_IMAGES}"
        if self._camera_info is None:
            silent.append(self._camera_info_topic)
        if silent:
            return f"no messages on {' and '.join(silent)} (but {heard})"
        if still := arrivals.still():
            return f"{still} ({heard}): {_STAMPING}"
        if late := arrivals.late():
            return f"{late} ({heard}): raise the queue size"
        if offset := arrivals.offset():
            return f"{offset} ({heard}): use one clock for both"
        if losses:
            return f"{losses}: {LARGE_IMAGES}"
        miss = f", the closest are {self._nearest_ns / 1e9:g} s apart" if self._nearest_ns else ""
        return (
            f"no stamps of {topics[0]} and {topics[1]} within {self._slop_ns / 1e9:g} s"
            f"{miss} ({heard}): raise the slop, or turn on the driver's synchronization"
        )

    def doubt(self) -> str:
        """What is wrong with the input although it matches, in a sentence; else empty."""
        if self._is_by_arrival and (still := self._arrivals.still()):
            return f"{still}: color and depth are paired by the time of arrival; {_STAMPING}"
        if losses := self._arrivals.losses():
            return f"{losses}: {LARGE_IMAGES}"
        return ""

    def _add(
        self, stream: _Stream, stamp_ns: int, message: Any, arrived_ns: int | None
    ) -> list[Match]:
        self.received[stream.name] += 1
        self._arrivals.add(stream.name, stamp_ns)
        stream.repeats = stream.repeats + 1 if stamp_ns == stream.last else 0
        stream.last = stamp_ns
        if arrived_ns is not None:
            is_by_arrival = max(self._color.repeats, self._depth.repeats) >= _REPEATS
            if is_by_arrival != self._is_by_arrival:
                self._is_by_arrival = is_by_arrival
                self._restart()
            if is_by_arrival:
                stamp_ns = arrived_ns
        is_late = stream.taken is not None and stamp_ns < stream.taken
        if is_late:
            stream.late += 1
        elif stamp_ns != stream.taken:
            stream.late = 0
        is_far_back = stream.newest is not None and stamp_ns < stream.newest - _RESTART_NS
        if is_far_back or stream.late == _RESTART_AFTER:
            is_late = False
            self._arrivals.clear()
            self._restart()
        place = bisect_left(stream.queue, stamp_ns, key=lambda entry: entry[0])
        known = place < len(stream.queue) and stream.queue[place][0] == stamp_ns
        if known or stamp_ns == stream.taken:
            self.dropped["duplicate stamp"] += 1
            return []
        if is_late:
            self.dropped["stamp out of order"] += 1
            return []
        stream.queue.insert(place, (stamp_ns, message))
        if stream.newest is None or stamp_ns > stream.newest:
            if stream.newest is not None:
                stream.distances.append(stamp_ns - stream.newest)
            stream.newest = stamp_ns
        if len(stream.queue) > self._queue_size:
            self.overflowed = True
            self._drop(stream)
        return self._match(more_may_come=True)

    def _match(self, more_may_come: bool) -> list[Match]:
        pairs = []
        slop_ns = max(_ARRIVAL_NS, self._slop_ns) if self._is_by_arrival else self._slop_ns
        while self._color.queue and self._depth.queue:
            older, newer = sorted((self._color, self._depth), key=lambda stream: stream.head)
            distance = newer.head - older.head
            if distance > slop_ns:
                self._nearest_ns = min(self._nearest_ns or distance, distance)
                self._drop(older)
                continue
            if len(older.queue) > 1:
                following = older.queue[1][0]
            elif more_may_come:  # at the earliest; at any time while the period is not known
                following = older.head + older.period if older.period else newer.head
            else:
                following = newer.head + distance
            if abs(following - newer.head) >= distance:
                pairs.append((self._color.pop(), self._depth.pop()))
            elif len(older.queue) > 1:
                self._drop(older)
            else:
                break
        self.by_arrival += len(pairs) if self._is_by_arrival else 0
        return self._complete(pairs)

    def _complete(self, pairs: list[tuple[Any, Any]]) -> list[Match]:
        """The matches of pairs, once there is a camera_info."""
        self._without_info.extend(pairs)
        if self._camera_info is None:
            while len(self._without_info) > self._queue_size:
                self.overflowed = True
                self._without_info.popleft()
                self.dropped["no camera_info"] += 1
            return []
        matches = [Match(*pair, self._camera_info) for pair in self._without_info]
        self._without_info.clear()
        if matches:
            self.matched += len(matches)
            self._received_at_match = self.received.copy()
            self._nearest_ns = None
            self._arrivals.matched()
        return matches

    def _drop(self, stream: _Stream) -> None:
        stream.pop()
        self.dropped[stream.unmatched] += 1

    def _restart(self) -> None:
        """Start again with another clock."""
        for each in (self._color, self._depth):
            self._clear(each)
            each.taken = each.newest = None
            each.distances.clear()
            each.late = 0

    def _clear(self, stream: _Stream) -> None:
        while stream.queue:
            self._drop(stream)
