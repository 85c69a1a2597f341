"""The grasp stage: a frame and its objects in, grasps out."""

from __future__ import annotations

from collections import Counter

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.core.frame import RgbdFrame
from cvdl.core.scene import FIRST_OBJECT_LABEL, Grasp, Plane, SceneObject
from cvdl.grasping.config import GraspConfig
from cvdl.grasping.detector import GraspDetector
from cvdl.grasping.poses import grasp_poses, nearest_labels
from cvdl.grasping.registry import load_grasp_detector

__all__ = ["GraspStage", "select_grasps"]

_RIM = 8 / 640  # of the picture's width: so far beside an object may a rectangle's centre lie


class GraspStage:
    """Finds grasps of every object.

    Args:
        config: settings.
        detector: what finds rectangles; the one that the settings name if not given.

    Attributes:
        detector: what finds rectangles.

    Raises:
        InputError: if the detector's weights or device are not there.
    """

    def __init__(
        self, config: GraspConfig | None = None, detector: GraspDetector | None = None
    ) -> None:
        self.config = config or GraspConfig()
        self.detector = detector or load_grasp_detector(
            self.config.detector, self.config.weights, self.config.device
        )

    def __call__(
        self,
        frame: RgbdFrame,
        labels: NDArray[np.uint16],
        plane: Plane | None,
        objects: tuple[SceneObject, ...],
    ) -> tuple[tuple[Grasp, ...], dict[str, int]]:
        """Grasps of the objects of one frame, best first; the refused rectangles by reason.

        Args:
            frame: colour and depth.
            labels: (H, W) as in `cvdl.core.scene.Scene`.
            plane: the support plane; without one nothing is grasped.
            objects: what to grasp.
        """
        config = self.config
        if plane is None or not objects:
            return (), {}
        rim = max(1, round(_RIM * frame.camera.width))
        ellipse = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * rim + 1, 2 * rim + 1))
        mask = cv2.dilate((labels >= FIRST_OBJECT_LABEL).view(np.uint8), ellipse) > 0
        rectangles = self.detector(frame, mask, config.candidates)
        rectangles = rectangles[np.argsort(-rectangles.score, kind="stable")]
        label = nearest_labels(rectangles.center, labels, rim)
        poses = grasp_poses(rectangles, label, frame, labels, plane, config)
        good = np.flatnonzero(poses.reason < 0)
        chosen = good[
            select_grasps(poses.position[good], poses.rotation[good, :, 0], label[good], config)
        ]
        grasps = tuple(
            Grasp(
                center=rectangles.center[i],
                angle=float(rectangles.angle[i]),
                opening=float(rectangles.opening[i] * poses.share[i]),
                plate=float(rectangles.plate[i]),
                score=float(rectangles.score[i]),
                label=int(label[i]),
                position=poses.position[i],
                rotation=poses.rotation[i],
                opening_m=float(poses.opening_m[i]),
            )
            for i in chosen
        )
        return grasps, dict(poses.refused)


def select_grasps(
    position: NDArray[np.float64],
    direction: NDArray[np.float64],
    label: NDArray[np.integer],
    config: GraspConfig,
) -> NDArray[np.intp]:
    """Which grasps stay: no near-duplicates of better ones, no more than the caps allow.

    Args:
        position: (N, 3), metres, best first.
        direction: (N, 3), unit vectors along the openings; their sign does not matter.
        label: (N,) of the objects.
        config: distances, angles and caps.

    Returns:
        Indices, best first.
    """
    gap = np.linalg.norm(position[:, None] - position[None], axis=2)
    cosine = np.abs(direction @ direction.T)
    duplicate = (gap < config.min_distance) & (cosine > np.cos(np.deg2rad(config.min_angle)))
    is_open = np.ones(len(position), bool)
    count: Counter[int] = Counter()
    chosen: list[int] = []
    for i in range(len(position)):
        if len(chosen) == config.max_grasps:
            break
        if is_open[i] and count[int(label[i])] < config.max_per_object:
            chosen.append(i)
            count[int(label[i])] += 1
            is_open &= ~duplicate[i]
    return np.array(chosen, np.intp)
