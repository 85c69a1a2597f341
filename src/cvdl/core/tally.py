"""Counts what becomes of frames, and warns once a cause."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict, deque
from collections.abc import Mapping
from typing import Any

import numpy as np

__all__ = ["Tally", "counted", "dropped_values", "latency_report", "latency_values", "summary_of"]

_log = logging.getLogger(__name__)

_TOLD = 2  # causes in a summary


def counted(count: int, noun: str) -> str:
    """A number with its noun: "1 frame", "2 frames"."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


class Tally:
    """Frames, drops and latencies of a run.

    Args:
        window: frames whose latencies are kept; all of them if not given.

    Attributes:
        frames: number that went through.
        dropped: number that did not, by cause.
        warnings: the first sentence of each cause, of drops and of mere doubts.
    """

    def __init__(self, window: int | None = None) -> None:
        self.frames = 0
        self.dropped: Counter[str] = Counter()
        self.warnings: dict[str, str] = {}
        self._latencies: defaultdict[str, deque[float]] = defaultdict(lambda: deque(maxlen=window))

    def add(self, latency_ms: Mapping[str, float]) -> None:
        """Count a frame that went through, with the time that each stage took."""
        self.frames += 1
        for stage, milliseconds in latency_ms.items():
            self._latencies[stage].append(milliseconds)

    def drop(self, cause: str, detail: str) -> None:
        """Count a frame that did not, and warn if it is the first one with this cause."""
        self.dropped[cause] += 1
        self.warn(cause, f"frame dropped: {detail}")

    def warn(self, cause: str, detail: str) -> None:
        """Warn if it is the first time with this cause."""
        if cause not in self.warnings:
            self.warnings[cause] = detail
            _log.warning("%s (reported once)", detail)

    def latency_ms(self) -> dict[str, tuple[float, float]]:
        """Median and 95th percentile of each stage, milliseconds."""
        return {
            stage: (float(np.median(values)), float(np.percentile(values, 95)))
            for stage, values in self._latencies.items()
        }


def latency_report(latency_ms: Mapping[str, tuple[float, float]]) -> dict[str, Any]:
    """Latencies as JSON takes them: ``median`` and ``p95`` of each stage."""
    return {stage: {"median": median, "p95": p95} for stage, (median, p95) in latency_ms.items()}


def latency_values(latency_ms: Mapping[str, tuple[float, float]]) -> dict[str, str]:
    """``Tally.latency_ms`` as values of diagnostics."""
    return {
        f"latency of {stage} (ms)": f"median {median:.1f}, 95 % {p95:.1f}"
        for stage, (median, p95) in latency_ms.items()
    }


def dropped_values(dropped: Mapping[str, int]) -> dict[str, str]:
    """Drops by cause as values of diagnostics."""
    return {f"dropped: {cause}": str(count) for cause, count in dropped.items()}


def summary_of(dropped: Counter[str]) -> str:
    """Drops by cause in some words, for diagnostics: how many, and the two most frequent causes."""
    if not dropped:
        return "no frame dropped"
    causes = [cause for cause, _ in dropped.most_common()]
    others = " and others" if len(causes) > _TOLD else ""
    return f"{dropped.total()} dropped: {', '.join(causes[:_TOLD])}{others}"
