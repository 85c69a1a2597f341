"""The highest rate of frames."""

from __future__ import annotations

__all__ = ["RateLimit"]


class RateLimit:
    """Chooses frames so that their rate does not exceed a limit."""

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Let the next frame through, however early it comes."""
        self._due = 0.0

    def __call__(self, now: float, rate: float) -> bool:
        """Whether to take a frame that comes now.

        Args:
            now: seconds, on a clock that never goes back.
            rate: highest rate, Hz; 0: no limit.
        """
        if not rate:
            return True
        if now < self._due:
            return False
        # A camera at exactly this rate, with some jitter, must not lose frames.
        period = 1 / rate
        self._due = max(self._due, now - period / 2) + period
        return True
