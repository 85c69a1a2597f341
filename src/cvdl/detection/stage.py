"""The detection stage: adds detections to a scene, and class names to its objects."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cvdl.core.frame import RgbdFrame
from cvdl.core.scene import Detection, Plane, Scene
from cvdl.detection.config import DetectionConfig
from cvdl.detection.detections import Detections
from cvdl.detection.detector import Detector
from cvdl.detection.matching import distinct, match, object_iou
from cvdl.detection.placing import REFUSALS, Place, Places
from cvdl.detection.registry import load_detector
from cvdl.detection.tracking import Tracker

__all__ = ["DetectionStage"]

# Two objects with nearly the same box are rarer than one object with two class names.
_DUPLICATE_IOU = 0.7
_MIDDLE = 1 / 3  # of each side of a box: its depth is that of its middle


class DetectionStage:
    """Adds ``detections`` to a scene, and the class names of its ``objects``.

    With a plane and depth, detections that show only the plane are dropped: see `Places`. So are
    those whose center is outside of the region of the scene.

    Args:
        config: settings.
        detector: the detector; by default it is loaded from the settings.

    Attributes:
        detector: the detector.
        classes: its class names.

    Raises:
        InputError: if the weights or the device of the detector are missing, or the tracker is
            not installed.
    """

    def __init__(
        self, config: DetectionConfig | None = None, detector: Detector | None = None
    ) -> None:
        self.config = config = config or DetectionConfig()
        self.detector = detector or load_detector(
            config.detector, config.weights, config.device, config.engine
        )
        self._track = Tracker(config.min_score) if config.track else None
        self.classes = tuple(self.detector.classes)

    def __call__(self, frame: RgbdFrame, scene: Scene) -> Scene:
        """Detect and name the objects of one frame.

        Args:
            frame: color and depth.
            scene: with the results of the segmentation. Without a plane, nothing is refused.

        Returns:
            The scene with its ``detections``, each with the label of the object that it matches,
            and with class and score of the matched ``objects``. Matches are one to one. The
            dropped detections are counted by reason in ``refused_detections``.
        """
        config, objects = self.config, scene.objects
        proposals = None
        if config.use_segments:
            proposals = [np.array([item.box2d for item in objects]).reshape(-1, 4)]
        (found,) = self.detector([frame], proposals)
        found = distinct(found, _DUPLICATE_IOU)
        tracks = np.full(len(found), -1)
        if self._track is not None:
            tracks = self._track(found, frame.stamp_ns)
        certain = found.scores >= config.min_score
        outside = np.zeros(len(found), bool)
        if scene.region is not None:
            centers = (found.boxes[:, :2] + found.boxes[:, 2:]) / 2
            outside = certain & ~scene.region.contains(centers, _middles(frame, scene.plane, found))
            certain &= ~outside
        found, tracks = found[certain], tracks[certain]
        pairs = match(object_iou(found, scene.labels, objects), config.min_overlap)
        object_of = {row: objects[column] for row, column in pairs}
        places = self._places(frame, scene, found, {row: o.label for row, o in object_of.items()})
        detections = tuple(
            Detection(
                box2d=found.boxes[row],
                class_name=self.classes[found.labels[row]],
                score=float(found.scores[row]),
                label=object_of[row].label if row in object_of else 0,
                track=int(tracks[row]),
                off_support=places.get(row) == "off",
            )
            for row in range(len(found))
            if places.get(row) not in REFUSALS
        )
        of_label = {detection.label: detection for detection in detections}
        named = tuple(
            replace(
                item, class_name=of_label[item.label].class_name, score=of_label[item.label].score
            )
            if item.label in of_label
            else item
            for item in objects
        )
        refused = Counter[str](place for place in places.values() if place in REFUSALS)
        if outside.any():
            refused["outside the region"] = int(outside.sum())
        return replace(
            scene, detections=detections, objects=named, refused_detections=dict(refused)
        )

    def _places(
        self, frame: RgbdFrame, scene: Scene, found: Detections, labels: dict[int, int]
    ) -> dict[int, Place]:
        """Place of each detection without an object, by row; ``labels`` are those of the others."""
        if scene.plane is None or len(labels) == len(found):
            return {}
        names = {
            label: (self.classes[found.labels[row]], found.boxes[row])
            for row, label in labels.items()
        }
        place_of = Places(frame, scene.labels, scene.plane, names)
        return {
            row: place_of(
                found.boxes[row],
                self.classes[found.labels[row]],
                None if found.masks is None else found.masks[row],
            )
            for row in range(len(found))
            if row not in labels
        }


def _middles(frame: RgbdFrame, plane: Plane | None, found: Detections) -> NDArray[np.float64]:
    """The points in the middle of N detections, (N, 3), meters.

    Their depth is the median in the middle of the box; without a reading there, that of the
    support, as transparent objects stand on it; NaN without a support.
    """
    height, width = frame.depth.shape
    points = np.full((len(found), 3), np.nan)
    for point, box in zip(points, found.boxes, strict=True):
        center, half = (box[:2] + box[2:]) / 2, _MIDDLE * (box[2:] - box[:2]) / 2
        limits = np.clip([center - half, center + half + 1], 0, (width, height)).astype(int)
        (x_min, y_min), (x_max, y_max) = limits
        depth = frame.depth[y_min:y_max, x_min:x_max]
        ray = frame.camera.deproject_pixels(center, np.ones(()))
        if np.isfinite(depth).any():
            point[:] = ray * np.nanmedian(depth)
        elif plane is not None and ray @ plane.normal < 0:
            point[:] = ray * -plane.offset / (ray @ plane.normal)
    return points
