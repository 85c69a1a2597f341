"""What becomes of a live node's frames, for its log and its diagnostics."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Mapping
from time import monotonic

from cvdl.core.tally import Tally, dropped_values, latency_values, summary_of
from cvdl.ros.inputs import CameraInput

__all__ = ["Health"]

_WINDOW = 100  # frames whose latencies are kept, and whether they show a plane
_PLANELESS = 0.5  # share of frames without a plane that is worth a warning


class Health:
    """Counts frames from the threads of a node.

    Args:
        device: where the networks run, as shown.

    Attributes:
        tilt_deg: of the support against gravity, degrees; None where up is not known.
    """

    def __init__(self, device: str) -> None:
        self.tilt_deg: float | None = None
        self._planes: deque[bool] = deque(maxlen=_WINDOW)
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

    def saw_plane(self, is_there: bool) -> None:
        """Note whether a segmented frame shows a support plane."""
        with self._lock:
            self._planes.append(is_there)

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
            planes = list(self._planes)
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
        without = 1 - sum(planes) / len(planes) if planes else 0.0
        if planes:
            values["frames without a support plane (%)"] = f"{100 * without:.0f}"
        if camera.registration.note:
            values["depth"] = "registered to colour here"
        values |= {"device": self._device, "memory (MB)": _memory_mb(self._device)}
        silence, doubt = camera.silence(), camera.doubt()
        is_planeless = without > _PLANELESS and not idle
        if silence:
            summary = f"no frame: {silence}"
        elif idle:
            summary = "idle"
        elif is_planeless:
            summary = f"no support plane in {without:.0%} of the frames: no masks, no grasps there"
        else:
            summary = doubt or summary_of(dropped)
        if doubt:
            values["input"] = doubt
        wrong = bool(silence or doubt) or is_planeless or dropped.total() > dropped_before
        return summary, values, wrong


def _memory_mb(device: str) -> str:
    """What the process holds now, and on the GPU where it uses one."""
    with open("/proc/self/statm", encoding="ascii") as file:
        resident = int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    text = f"{resident / 1e6:.0f}"
    if "cuda" in device:
        import torch

        text += f", GPU {torch.cuda.memory_allocated() / 1e6:.0f}"
    return text
