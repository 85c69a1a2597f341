"""Where up is in a frame, by a coordinate frame whose z axis points up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cvdl.core.frame import RgbdFrame
from cvdl.messages.images import MessageError
from cvdl.messages.transform_tree import TransformTree
from cvdl.segmentation import SegmentationConfig

__all__ = ["UPRIGHT_FRAMES", "up_direction", "with_up"]

#: Frames whose z axis points up by convention (REP 103, REP 105), the surest first.
UPRIGHT_FRAMES = ("map", "odom", "world", "base_footprint", "base_link")


def with_up(
    frame: RgbdFrame,
    tree: TransformTree,
    config: SegmentationConfig,
    warn: Callable[[str, str], None],
) -> RgbdFrame:
    """The frame with its ``up``, where tf knows it and the settings do not say otherwise.

    Args:
        frame: of a camera.
        tree: what tf has told so far.
        config: its ``up`` and ``up_frame``.
        warn: called with a cause and a sentence where ``up_frame`` is not connected.

    Raises:
        MessageError: if up is to be found by tf, and tf does not know.
    """
    if config.up not in ("auto", "tf"):
        return frame
    frames = (config.up_frame,) if config.up_frame else UPRIGHT_FRAMES
    up = up_direction(tree, frame.frame_id, frames)
    if up is not None:
        return replace(frame, up=up)
    if config.up == "tf" or config.up_frame:
        names = ", ".join(sorted(tree.frames)) or "none"
        cause = "no up direction"
        detail = (
            f"tf does not connect the camera's frame {frame.frame_id!r} with "
            f"{' or '.join(name for name in frames if name)}; frames in tf: {names}. "
            "Provide that transform, or name another frame as segmentation.up_frame"
        )
        if config.up == "tf":
            raise MessageError(cause, f"segmentation.up is tf, but {detail}")
        warn(cause, f"segmentation.up_frame is not used: {detail}")
    return frame


def up_direction(
    tree: TransformTree, camera_frame: str, frames: tuple[str, ...]
) -> NDArray[np.float64] | None:
    """(3,) the z axis of the first of some frames that is connected, in the camera's frame.

    None where none is.
    """
    for name in frames:
        matrix = tree.lookup(name, camera_frame) if name else None
        if matrix is not None:
            return np.asarray(matrix[2, :3] / np.linalg.norm(matrix[2, :3]))
    return None
