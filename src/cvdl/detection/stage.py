"""The detection stage: a frame and its segmented objects in, named objects out."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cvdl.core.frame import RgbdFrame
from cvdl.core.scene import Detection, Plane, SceneObject
from cvdl.detection.config import DetectionConfig
from cvdl.detection.detections import Detections
from cvdl.detection.detector import Detector
from cvdl.detection.matching import distinct, match, object_iou
from cvdl.detection.placing import REFUSALS, Place, Places
from cvdl.detection.registry import load_detector
from cvdl.detection.tracking import Tracker

__all__ = ["DetectionStage"]

# Two things of which a camera sees so nearly the same box are rarer than a thing with two names.
_ONE_THING_IOU = 0.7


class DetectionStage:
    """Names the segmented objects of a frame, and tells what else the detector sees.

    Where there is a plane and depth, what else it sees must be more than the plane: see `Places`.

    Args:
        config: settings.
        detector: what finds and names things; the one that the settings name if not given.

    Attributes:
        detector: what finds and names things.
        classes: the names that it knows.

    Raises:
        InputError: if the detector's weights or device are not there, or what tracks is not
            installed.
    """

    def __init__(
        self, config: DetectionConfig | None = None, detector: Detector | None = None
    ) -> None:
        self.config = config or DetectionConfig()
        self.detector = detector or load_detector(
            self.config.detector, self.config.weights, self.config.device
        )
        self._track = Tracker(self.config.min_score) if self.config.track else None
        self.classes = tuple(self.detector.classes)

    def __call__(
        self,
        frame: RgbdFrame,
        labels: NDArray[np.uint16],
        objects: tuple[SceneObject, ...],
        plane: Plane | None = None,
    ) -> tuple[tuple[Detection, ...], tuple[SceneObject, ...], dict[str, int]]:
        """Detections of one frame, the objects with their classes, and what was refused.

        Args:
            frame: colour and depth.
            labels: (H, W) as in `cvdl.core.scene.Scene`.
            objects: what the segmentation found.
            plane: the support plane that it found; without one nothing is refused.

        Returns:
            The detections, best first: ``label`` says which object each is, 0 where it is none.
            The objects as they came, with class and score where a detection is theirs; no
            detection is of two objects, and no object has two. The number of detections that
            are left out, by reason.
        """
        config = self.config
        proposals = None
        if config.use_segments:
            proposals = [np.array([item.box2d for item in objects]).reshape(-1, 4)]
        (found,) = self.detector([frame], proposals)
        found = distinct(found, _ONE_THING_IOU)
        tracks = np.full(len(found), -1)
        if self._track is not None:
            tracks = self._track(found, frame.stamp_ns)
        certain = found.scores >= config.min_score
        found, tracks = found[certain], tracks[certain]
        pairs = match(object_iou(found, labels, objects), config.min_overlap)
        object_of = {row: objects[column] for row, column in pairs}
        places: dict[int, Place] = {}
        if plane is not None and len(object_of) < len(found):
            names = {
                item.label: (self.classes[found.labels[row]], found.boxes[row])
                for row, item in object_of.items()
            }
            places = self._places(found, Places(frame, labels, plane, names), set(object_of))
        refused = Counter[str](place for place in places.values() if place in REFUSALS)
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
        return detections, named, dict(refused)

    def _places(self, found: Detections, place_of: Places, matched: set[int]) -> dict[int, Place]:
        """Where each detection is that is no object, by its row."""
        return {
            row: place_of(
                found.boxes[row],
                self.classes[found.labels[row]],
                None if found.masks is None else found.masks[row],
            )
            for row in range(len(found))
            if row not in matched
        }
