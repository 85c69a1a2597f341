"""The segmentation stage: labels, the support plane and the objects of a frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from cvdl.core.frame import IMAGE_SIDES, RgbdFrame
from cvdl.core.scene import Plane, SceneObject
from cvdl.segmentation.config import SegmentationConfig
from cvdl.segmentation.geometric_masks import geometric_masks
from cvdl.segmentation.instances.masks import seen_masks
from cvdl.segmentation.instances.seen import Seen
from cvdl.segmentation.labels import pixels_by_label
from cvdl.segmentation.objects import add_objects, height_ranges, lowest_masks
from cvdl.segmentation.plane import find_support_plane
from cvdl.segmentation.roughness import lowest_height, usable_depth
from cvdl.segmentation.support_heights import SupportHeights

if TYPE_CHECKING:
    from cvdl.segmentation.instances.instances import FindInstances

__all__ = ["Evidence", "TabletopSegmenter", "evidence_of"]

_libraries = ThreadpoolController()  # of matrix products; finds the libraries that are loaded


class Evidence(NamedTuple):
    """What a frame shows before any object is cut out.

    Attributes:
        depth: (H, W) float32, meters, NaN for no reading; smoothed where it is rough.
        inside: (H, W) bool, the region of interest.
        roughness: factor of the noise over the noise model.
        ground: the support and the height of the pixels; None without a support.
    """

    depth: NDArray[np.float32]
    inside: NDArray[np.bool_]
    roughness: float
    ground: SupportHeights | None


def evidence_of(
    frame: RgbdFrame,
    config: SegmentationConfig,
    seen: Seen | None,
    inside: NDArray[np.bool_] | None = None,
) -> Evidence:
    """Find the support of a frame.

    Args:
        frame: color and depth.
        config: settings.
        seen: what the network sees; None without one.
        inside: as in ``TabletopSegmenter``.
    """
    depth, noise = usable_depth(frame.depth, config.max_range, inside)
    side = IMAGE_SIDES.get(config.up)
    support = find_support_plane(
        depth,
        frame.camera,
        config.min_plane_area,
        up=frame.up if side is None else side,
        up_is_exact=side is None,
        roughness=noise,
        support_odds=None if seen is None else seen.support_odds,
        view=1.0 if inside is None else float(np.isfinite(depth).mean()),
    )
    ground = None
    if support is not None:
        low = lowest_height(config.min_height, noise)
        ground = SupportHeights.of(
            support, depth, frame.camera, low, config.min_height, config.max_height
        )
    everywhere = np.ones(depth.shape, bool) if inside is None else inside
    return Evidence(depth, everywhere, noise, ground)


class TabletopSegmenter:
    """Finds the support plane and the objects on it.

    Args:
        config: settings.
        model: the instance network; None for geometry alone.
    """

    def __init__(
        self, config: SegmentationConfig | None = None, model: FindInstances | None = None
    ) -> None:
        self.config = config or SegmentationConfig()
        self.model = model

    def __call__(
        self, frame: RgbdFrame, inside: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.uint16], Plane | None, tuple[SceneObject, ...]]:
        """Segments one frame.

        Args:
            frame: color and depth.
            inside: (H, W), pixels of the region of interest; the others have no depth and get no
                label. None for the whole view.

        Returns:
            Labels (H, W) uint16 as in `Scene`; the plane or None; the objects by label. Without a
            plane there are only the objects that the network sees.
        """
        seen = None
        if self.model is not None:
            seen = Seen.of(self.model(frame), frame.depth.shape, inside)
        # NumPy's products are small here. Threads do not speed them up, and idle threads spin: on
        # two cores they double the time of a network that runs next.
        with _libraries.limit(limits=1, user_api="blas"):
            return self._segment(frame, seen, evidence_of(frame, self.config, seen, inside))

    def _segment(
        self, frame: RgbdFrame, seen: Seen | None, evidence: Evidence
    ) -> tuple[NDArray[np.uint16], Plane | None, tuple[SceneObject, ...]]:
        depth, ground = evidence.depth, evidence.ground
        labels = np.zeros(depth.shape, np.uint16)
        objectness = None
        if ground is not None:
            ground.label(labels, None if seen is None else seen.support_odds)
        if seen is not None:
            masks, objectness = seen_masks(frame, depth, seen, ground)
        elif ground is not None:
            masks = geometric_masks(frame, depth, ground, evidence.inside)
        else:
            masks = np.zeros(depth.shape, np.int32)
        plane = ground.support.plane if ground else None
        standing = plane or _level_plane(frame)
        pixels = pixels_by_label(masks)
        ranges = height_ranges(pixels, depth, frame.camera, standing)
        if plane is not None:
            for mask, (_, upper) in ranges.items():
                if upper < self.config.min_height:
                    masks.ravel()[pixels.pop(mask)] = 0
        objects = add_objects(
            labels,
            pixels,
            depth,
            frame.camera,
            standing,
            self.config.min_pixels * evidence.roughness,
            lowest_masks(masks, ranges),
            objectness,
        )
        return labels, plane, objects


def _level_plane(frame: RgbdFrame) -> Plane:
    """A level plane through the camera, for the boxes of objects without a support."""
    up = np.array([0.0, -1.0, -1.0]) / np.sqrt(2) if frame.up is None else frame.up
    return Plane(up, 0.0)
