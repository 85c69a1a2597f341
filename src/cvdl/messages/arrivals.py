"""Why colour and depth do not pair: what the stamps and the numbers of messages tell."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import pairwise
from statistics import median, quantiles

__all__ = ["LARGE_IMAGES", "Arrivals"]

#: Where to read on about lost images.
LARGE_IMAGES = 'see "Large images" in docs/ros.md'

_KEPT = 1000  # arrivals: 11 s of three topics at 30 Hz
_STILL = 3  # equal stamps, one after the other, that are a stamp that stands still
_FEW = 5  # messages of a topic from which its rate is told
_LOST = 0.4  # of the images: a share worth a word
_MOST_LOST = 0.6  # a share after which hardly a frame has both images
_GAPS = 0.3  # share of a stream's time that is gaps; less is jitter
_ONE_RATE = 1.15  # two periods of one rate differ by less
_SOME_EQUAL = 0.2  # share of equal stamps: those of one camera, some of them lost or not here yet
_HARDLY_ANY = 5  # camera_infos an image, where no image finds its partner: most are lost
_OFFSET_NS = 200_000_000  # of two clocks; less may be a camera that triggers one after the other


class Arrivals:
    """The last messages of colour, depth and camera_info, by their stamps.

    Args:
        color: name of the colour topic, for what is said about it.
        depth: name of the depth topic.
        camera_info: name of the camera_info topic.
    """

    def __init__(self, color: str, depth: str, camera_info: str) -> None:
        self._color, self._depth, self._camera_info = color, depth, camera_info
        self._recent: deque[tuple[str, int | None]] = deque(maxlen=_KEPT)
        self._since_match = 0

    def add(self, topic: str, stamp_ns: int | None) -> None:
        """Take note of a message; the stamp of a camera_info may be unknown."""
        self._recent.append((topic, stamp_ns))
        self._since_match += 1

    def matched(self) -> None:
        """Take note of a match."""
        self._since_match = 0

    def clear(self) -> None:
        """Forget everything: a clock has started again."""
        self._recent.clear()
        self._since_match = 0

    def still(self) -> str:
        """Which stamps are zero or stand still; empty where all go on."""
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
        """Which of the two comes so late that its partner no longer waits; empty where neither.

        Only equal stamps tell it from two clocks.
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
        """How far the stamps of the two are apart, where that is constant; else empty."""
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
        """How many images got lost on their way; empty where hardly any.

        A topic that loses images has gaps in its stamps, and fewer images than there are
        camera_infos.

        Args:
            has_matches: whether colour and depth pair at all. Where they do not, one of the two
                signs is enough.
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
        """Whether both come at one rate, without gaps: sent rarely, not lost."""
        periods = []
        for topic in (self._color, self._depth):
            distances = _distances(self._stamps(topic))
            if len(distances) < _FEW or _has_gaps(distances):
                return False
            periods.append(median(distances))
        return max(periods) < _ONE_RATE * min(periods)

    def _frames(self, topic: str, by_gaps: bool) -> int:
        """How many images of a topic were sent; those that came, where one cannot tell.

        Args:
            topic: colour's or depth's.
            by_gaps: whether to go by gaps alone, where camera_info is no measure.
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
            # There may be several a frame.
            other = self._depth if topic == self._color else self._color
            shortest = min(distances + _distances(self._stamps(other)))
            return max(min(number, round(sum(distances) / shortest) + 1), len(places))
        return round(sum(distances) / _usual(distances)) + 1 if by_gaps else len(places)

    def _stamps(self, topic: str) -> list[int]:
        return _of(self._recent, topic)

    def _unmatched(self) -> list[tuple[str, int | None]]:
        return list(self._recent)[-self._since_match :] if self._since_match else []

    def _differences(self, arrivals: Sequence[tuple[str, int | None]]) -> list[int]:
        """Depth's newest stamp less colour's, at each arrival of one of them."""
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
    """Between neighbours in order of time; equal ones count once."""
    return [later - earlier for earlier, later in pairwise(sorted(set(stamps)))]


def _usual(distances: Sequence[int]) -> float:
    """Between two stamps where none is missing."""
    return quantiles(distances, n=5)[0]


def _has_gaps(distances: Sequence[int]) -> bool:
    return _usual(distances) * len(distances) < (1 - _GAPS) * sum(distances)


def _seconds(nanoseconds: float) -> str:
    return f"{nanoseconds / 1e9:.10g} s" if nanoseconds < 1e9 else f"{nanoseconds / 1e9:.2f} s"
