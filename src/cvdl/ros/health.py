"""What becomes of a live node's frames, for its log and its diagnostics."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from time import monotonic

from cvdl.ros.inputs import CameraInput
from cvdl.tally import Tally, dropped_values, latency_values, summary_of

__all__ = ["Health"]

_WINDOW = 100  # frames whose latencies are kept


class Health:
    """Counts frames from the threads of a node.

    Args:
        device: where the networks run, as shown.

    Attributes:
        tilt_deg: of the support in a frame that stands upright, degrees; None if not known.
    """

    def __init__(self, device: str) -> None:
        self.tilt_deg: float | None = None
        self._device = device
        self._tally = Tally(_WINDOW)
        self._lock = threading.Lock()
        self._before = (monotonic(), 0, 0)  # time, frames and drops at the last report

    def add(self, latency_ms: Mapping[str, float]) -> None:
        """See `Tally.add`."""
        with self._lock:
            self._tally.add(latency_ms)

    def drop(self, cause: str, detail: str) -> None:
        """See `Tally.drop`."""
        with self._lock:
            self._tally.drop(cause, detail)

    def warn(self, cause: str, detail: str) -> None:
        """See `Tally.warn`."""
        with self._lock:
            self._tally.warn(cause, detail)

    def count(self, cause: str) -> None:
        """Count a frame that did not go through, or not whole, where that needs no warning."""
        with self._lock:
            self._tally.dropped[cause] += 1

    def report(self, camera: CameraInput, idle: bool) -> tuple[str, dict[str, str], bool]:
        """For the diagnostics: a summary, values by name, and whether something is wrong.

        The rate is that since the last report.

        Args:
            camera: the node's.
            idle: whether frames are let pass.
        """
        now = monotonic()
        with self._lock:
            frames, latency = self._tally.frames, self._tally.latency_ms()
            dropped = +(camera.dropped + self._tally.dropped)
        since, frames_before, dropped_before = self._before
        self._before = (now, frames, dropped.total())
        values = {
            "frames": str(frames),
            "rate (Hz)": f"{(frames - frames_before) / max(now - since, 1e-9):.2f}",
            **latency_values(latency),
            "pairs": str(camera.pairs),
            **dropped_values(dropped),
        }
        if self.tilt_deg is not None:
            values["tilt of the support (deg)"] = f"{self.tilt_deg:.1f}"
        values |= {"device": self._device, "memory (MB)": _memory_mb(self._device)}
        silence = camera.silence()
        if silence:
            summary = f"no frame: {silence}"
        elif idle:
            summary = "idle"
        else:
            summary = summary_of(dropped)
        return summary, values, bool(silence) or dropped.total() > dropped_before


def _memory_mb(device: str) -> str:
    """What the process holds now, and on the GPU where it uses one."""
    with open("/proc/self/statm", encoding="ascii") as file:
        resident = int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    text = f"{resident / 1e6:.0f}"
    if "cuda" in device:
        import torch

        text += f", GPU {torch.cuda.memory_allocated() / 1e6:.0f}"
    return text
