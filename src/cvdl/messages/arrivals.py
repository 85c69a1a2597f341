"""Finds out from stamps and message counts why color and depth do not match."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import pairwise
from statistics import median, quantiles

__all__ = ["LARGE_IMAGES", "Arrivals"]

#: Reference to the documentation of lost images.
LARGE_IMAGES = 'see "Large images" in docs/ros.md'

_KEPT = 1000  # messages: 11 s of three topics at 30 Hz
_STILL = 3  # equal stamps in a row after which a stamp counts as constant
_FEW = 5  # messages of a topic that suffice to know its rate
_LOST = 0.4  # share of the images that is worth a warning
_MOST_LOST = 0.6  # share above which hardly a frame has both images
_GAPS = 0.3  # share of gaps in a stream's time; less is jitter
_ONE_RATE = 1.15  # largest ratio of two periods of one rate
_SOME_EQUAL = 0.2  # share of equal stamps of one camera, some of them lost or not yet received
_HARDLY_ANY = 5  # camera_infos per image above which most images are lost, if none has a partner
_OFFSET_NS = (
    200_000_000  # between two clocks; less may be a camera that triggers one after the other
)


class Arrivals:
    """The stamps of the latest messages of color, depth and camera_info.

    Args:
        color: name of the color topic, for the messages.
        depth: name of the depth topic.
        camera_info: name of the camera_info topic.
    """

    def __init__(self, color: str, depth: str, camera_info: str) -> None:
        self._color, self._depth, self._camera_info = color, depth, camera_info
        self._recent: deque[tuple[str, int | None]] = deque(maxlen=_KEPT)
        self._since_match = 0

    def add(self, topic: str, stamp_ns: int | None) -> None:
        """Note a message; the stamp of a camera_info may be unknown."""
        self._recent.append((topic, stamp_ns))
        self._since_match += 1

    def matched(self) -> None:
        """Note a match."""
        self._since_match = 0

    def clear(self) -> None:
        """Forget everything, because a clock has restarted."""
        self._recent.clear()
        self._since_match = 0

    def still(self) -> str:
        """Which stamps are zero or constant; empty if none."""
        zero, others = [], []
        for topic in (self._color, self._depth):
            last = self._stamps(topic)[-_STILL:]
            if len(last) == _STILL and len(set(last)) == 1:
                if last[0]:
                    others.append((topic, last[0]))
                else:
                    zero.append(topic)
        parts = []
        if zero:
            parts.append(f"the stamps of {' and '.join(zero)} are 0")
        if len(others) == 2 and others[0][1] == others[1][1]:
            (first, stamp), (second, _) = others
            parts.append(f"the stamps of {first} and {second} stay at {_seconds(stamp)}")
        else:
            parts += [f"the stamps of {topic} stay at {_seconds(s)}" for topic, s in others]
        return ", ".join(parts)

    def late(self) -> str:
        """Which topic arrives so late that its partner no longer waits; empty if neither.

        Only equal stamps distinguish this from two clocks.
        """
        arrivals = self._unmatched()
        colors, depths = (set(_of(arrivals, topic)) for topic in (self._color, self._depth))
        fewer = min(len(colors), len(depths))
        if fewer < _FEW or len(colors & depths) < _SOME_EQUAL * fewer:
            return ""
        lag = median(self._differences(arrivals))
        late, early = (self._depth, self._color) if lag < 0 else (self._color, self._depth)
        return f"{late} arrives {_seconds(abs(lag))} later than {early} with the same stamp"

    def offset(self) -> str:
        """The constant difference between the stamps of the two; empty if there is none."""
        arrivals = self._unmatched()
        stamps = [_of(arrivals, topic) for topic in (self._color, self._depth)]
        if min(len(each) for each in stamps) < _FEW:
            return ""
        differences = self._differences(arrivals)
        period = max(median(_distances(each) or [0]) for each in stamps)
        shift = median(differences)
        spread = max(differences) - min(differences)
        if abs(shift) < max(_OFFSET_NS, 2 * period) or spread > max(4 * period, abs(shift) / 2):
            return ""
        way = "ahead of" if shift > 0 else "behind"
        return (
            f"the stamps of {self._depth} are {_seconds(abs(shift))} {way} those of {self._color}"
        )

    def losses(self, has_matches: bool = True) -> str:
        """How many images were lost in transport; empty if hardly any.

        A topic that loses images has gaps in its stamps, and fewer images than camera_infos.

        Args:
            has_matches: whether color and depth match at all; if not, one of the two signs is
                enough.
        """
        infos = sum(topic == self._camera_info for topic, _ in self._recent)
        is_steady = not has_matches and self._is_steady()
        is_lossy, said = False, []
        for topic in (self._color, self._depth):
            images = sum(name == topic for name, _ in self._recent)
            frames = self._frames(topic, by_gaps=not has_matches)
            if not has_matches and images and infos > _HARDLY_ANY * images and not is_steady:
                frames = max(frames, infos)
            is_lossy |= frames * (1 - (_LOST if has_matches else _MOST_LOST)) > images
            said.append(f"{images} of about {frames} arrived on {topic}")
        return f"images are lost in transport ({', '.join(said)})" if is_lossy else ""

    def _is_steady(self) -> bool:
        """Whether both arrive at one rate without gaps: sent rarely, not lost."""
        periods = []
        for topic in (self._color, self._depth):
            distances = _distances(self._stamps(topic))
            if len(distances) < _FEW or _has_gaps(distances):
                return False
            periods.append(median(distances))
        return max(periods) < _ONE_RATE * min(periods)

    def _frames(self, topic: str, by_gaps: bool) -> int:
        """How many images of a topic were sent; the number received if that is unknown.

        Args:
            topic: topic of color or depth.
            by_gaps: whether gaps alone count where there are too few camera_infos.
        """
        places = [place for place, (name, _) in enumerate(self._recent) if name == topic]
        distances = _distances(self._stamps(topic))
        if len(distances) < _FEW:
            return len(places)
        if not _has_gaps(distances):
            return len(places)
        between = list(self._recent)[places[0] : places[-1] + 1]
        infos = [stamp for name, stamp in between if name == self._camera_info]
        known = {stamp for stamp in infos if stamp is not None}
        number = len(known) or len(infos)
        if number > len(places):
            # There may be several per frame.
            other = self._depth if topic == self._color else self._color
            shortest = min(distances + _distances(self._stamps(other)))
            return max(min(number, round(sum(distances) / shortest) + 1), len(places))
        return round(sum(distances) / _usual(distances)) + 1 if by_gaps else len(places)

    def _stamps(self, topic: str) -> list[int]:
        return _of(self._recent, topic)

    def _unmatched(self) -> list[tuple[str, int | None]]:
        return list(self._recent)[-self._since_match :] if self._since_match else []

    def _differences(self, arrivals: Sequence[tuple[str, int | None]]) -> list[int]:
        """The newest stamp of depth minus that of color, at each arrival of either."""
        newest: dict[str, int] = {}
        found = []
        for topic, stamp in arrivals:
            if stamp is None or topic == self._camera_info:
                continue
            newest[topic] = stamp
            if len(newest) == 2:
                found.append(newest[self._depth] - newest[self._color])
        return found


def _of(arrivals: Sequence[tuple[str, int | None]], topic: str) -> list[int]:
    return [stamp for name, stamp in arrivals if name == topic and stamp is not None]


def _distances(stamps: Sequence[int]) -> list[int]:
    """Differences between consecutive stamps; equal ones count once."""
    return [later - earlier for earlier, later in pairwise(sorted(set(stamps)))]


def _usual(distances: Sequence[int]) -> float:
    """The difference of two stamps with none missing between them."""
    return quantiles(distances, n=5)[0]


def _has_gaps(distances: Sequence[int]) -> bool:
    return _usual(distances) * len(distances) < (1 - _GAPS) * sum(distances)


def _seconds(nanoseconds: float) -> str:
    return f"{nanoseconds / 1e9:.10g} s" if nanoseconds < 1e9 else f"{nanoseconds / 1e9:.2f} s"
