"""Counts frames, drops and latencies, and warns once per cause."""

from __future__ import annotations

import logging
import threading
from collections import Counter, defaultdict, deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from time import perf_counter
from typing import Any

import numpy as np

__all__ = ["Tally", "counted", "latency_report", "summary_of", "timed"]

_log = logging.getLogger(__name__)

_NAMED = 2  # causes in a summary


def counted(count: int, noun: str) -> str:
    """A number with its noun: "1 frame", "2 frames"."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


@contextmanager
def timed(latency_ms: dict[str, float], stage: str) -> Iterator[None]:
    """Note the wall time of a with statement under the stage's name, milliseconds."""
    start = perf_counter()
    yield
    latency_ms[stage] = (perf_counter() - start) * 1e3


class Tally:
    """Frames, drops and latencies of a run; its methods can be called from several threads.

    Args:
        window: number of frames whose latencies are kept; all if not given.

    Attributes:
        frames: number of processed frames.
        dropped: number of dropped frames, by cause.
        warnings: first sentence of each cause.
        lock: held while the attributes change.
    """

    def __init__(self, window: int | None = None) -> None:
        self.frames = 0
        self.dropped: Counter[str] = Counter()
        self.warnings: dict[str, str] = {}
        self.lock = threading.RLock()
        self._latencies: defaultdict[str, deque[float]] = defaultdict(lambda: deque(maxlen=window))

    def add(self, latency_ms: Mapping[str, float]) -> None:
        """Count a processed frame, with the time of each stage."""
        with self.lock:
            self.frames += 1
            for stage, milliseconds in latency_ms.items():
                self._latencies[stage].append(milliseconds)

    def count(self, cause: str) -> None:
        """Count a dropped frame, without a warning."""
        with self.lock:
            self.dropped[cause] += 1

    def drop(self, cause: str, detail: str) -> None:
        """Count a dropped frame, and warn if it is the first one with this cause."""
        self.count(cause)
        self.warn(cause, f"frame dropped: {detail}")

    def warn(self, cause: str, detail: str) -> None:
        """Warn if it is the first time with this cause."""
        with self.lock:
            is_new = cause not in self.warnings
            self.warnings.setdefault(cause, detail)
        if is_new:
            _log.warning("%s (reported once)", detail)

    def latency_ms(self) -> dict[str, tuple[float, float]]:
        """Median and 95th percentile of each stage, milliseconds."""
        with self.lock:
            return {
                stage: (float(np.median(values)), float(np.percentile(values, 95)))
                for stage, values in self._latencies.items()
            }


def latency_report(latency_ms: Mapping[str, tuple[float, float]]) -> dict[str, Any]:
    """Latencies for JSON: ``median`` and ``p95`` of each stage."""
    return {stage: {"median": median, "p95": p95} for stage, (median, p95) in latency_ms.items()}


def summary_of(dropped: Counter[str]) -> str:
    """The number of drops and their two most frequent causes, for diagnostics."""
    if not dropped:
        return "no frame dropped"
    causes = [cause for cause, _ in dropped.most_common()]
    others = " and others" if len(causes) > _NAMED else ""
    return f"{dropped.total()} dropped: {', '.join(causes[:_NAMED])}{others}"
