"""Settings of the sentences about frames."""

from __future__ import annotations

from cvdl.core.settings import Settings, setting

__all__ = ["WordsConfig"]


class WordsConfig(Settings):
    """Settings of the sentences about frames: YAML keys, ROS parameters and CLI options alike."""

    caption_rate_hz: float = setting(
        0.0,
        "Sentences per second on the topic caption and on the overlay, at most; 0: none.",
        ge=0.0,
        le=100.0,
    )
    sure: float = setting(
        0.85, "Chance from which a sentence states a fact: the higher, the less it says.",
        ge=0.0, le=1.0,
    )  # fmt: skip
    beam: int = setting(10, "Beginnings of sentences that are continued at a time.", ge=1, le=100)
