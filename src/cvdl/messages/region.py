"""The pose of the frame of the region of interest."""

from __future__ import annotations

from dataclasses import replace

from cvdl.core.frame import RgbdFrame
from cvdl.messages.images import MessageError
from cvdl.messages.transform_tree import TransformTree
from cvdl.segmentation import RegionConfig

__all__ = ["with_region"]


def with_region(
    frame: RgbdFrame, tree: TransformTree, config: RegionConfig, tf_problem: str = ""
) -> RgbdFrame:
    """Return the frame with its ``region_pose``, if the settings limit results to a box.

    Args:
        frame: frame of a camera.
        tree: transforms received so far.
        config: settings of the region.
        tf_problem: why no transforms are received; empty if they are.

    Raises:
        MessageError: if tf does not connect the camera with the frame of the box. Without it, an
            empty result would say that nothing is in the region, and that is not known.
    """
    if not config.has_box:
        return frame
    pose = tree.lookup(config.box_frame, frame.frame_id)
    if pose is None:
        why = tf_problem or tree.gap(frame.frame_id, config.box_frame)
        raise MessageError(
            "no pose of the region",
            f"segmentation.region.box is in {config.box_frame}, but {why}, or name another frame "
            "as segmentation.region.box_frame",
        )
    return replace(frame, region_pose=pose)
