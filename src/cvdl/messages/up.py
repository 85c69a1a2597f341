"""The up direction of a frame, from a coordinate frame whose z axis points up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from cvdl.core.frame import RgbdFrame
from cvdl.messages.images import MessageError
from cvdl.messages.transform_tree import TransformTree
from cvdl.segmentation import SegmentationConfig

__all__ = ["UPRIGHT_FRAMES", "with_up"]

#: Frames whose z axis points up by convention (REP 103, REP 105), the most reliable first.
UPRIGHT_FRAMES = ("map", "odom", "world", "base_footprint", "base_link")


def with_up(
    frame: RgbdFrame,
    tree: TransformTree,
    config: SegmentationConfig,
    warn: Callable[[str, str], None],
    tf_problem: str = "",
) -> RgbdFrame:
    """Return the frame with its ``up``, if the settings ask for tf and tf provides it.

    Args:
        frame: frame of a camera.
        tree: transforms received so far.
        config: settings ``up`` and ``up_frame``.
        warn: called with a cause and a sentence if ``up_frame`` is not connected.
        tf_problem: why no transforms are received; empty if they are.

    Raises:
        MessageError: if up has to come from tf, and tf does not provide it.
    """
    if config.up not in ("auto", "tf"):
        return frame
    cause = "no up direction"
    if config.up == "tf" and tf_problem:
        raise MessageError(cause, f"segmentation.up is tf, but {tf_problem}")
    frames = (config.up_frame,) if config.up_frame else UPRIGHT_FRAMES
    for name in frames:
        matrix = tree.lookup(name, frame.frame_id)
        if matrix is not None:
            return replace(frame, up=matrix[2, :3] / np.linalg.norm(matrix[2, :3]))
    if config.up == "tf" or config.up_frame:
        detail = tree.gap(frame.frame_id, *frames)
        detail += ", or name another frame as segmentation.up_frame"
        if config.up == "tf":
            raise MessageError(cause, f"segmentation.up is tf, but {detail}")
        warn(cause, f"segmentation.up_frame is not used: {detail}")
    return frame
