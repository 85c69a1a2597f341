"""Settings of the recognition of taught objects."""

from __future__ import annotations

from cvdl.core.settings import Settings, setting

__all__ = ["RecognitionConfig"]


class RecognitionConfig(Settings):
    """Settings of the recognition: YAML keys, ROS parameters and CLI options alike."""

    enable: bool = setting(
        True,
        "Whether to name the objects that the gallery knows; without a gallery this costs nothing.",
        load_time=True,
    )
    path: str = setting(
        "",
        "Folder of the gallery of taught objects; empty: that of this user, "
        "~/.local/share/cvdl/gallery (or below $XDG_DATA_HOME).",
        load_time=True,
    )
    min_score: float = setting(
        0.5,
        "Least similarity of an object and a taught view. Each name's own limit is calibrated "
        "on the views in the gallery, and starts from this.",
        ge=0.0,
        le=1.0,
    )
    min_lead: float = setting(
        0.05,
        "How much more similar an object must be to the views of a name than to those of the "
        "next name.",
        ge=0.0,
        le=1.0,
    )
    unique: bool = setting(
        False, "Whether each taught thing exists once: no name is given to two objects of a frame."
    )
