"""The grasp stage: finds grasps on the masks of the objects and adds the best to a scene."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.core.frame import RgbdFrame
from cvdl.core.scene import FIRST_OBJECT_LABEL, Grasp, Scene
from cvdl.grasping.config import CANDIDATE_OBJECTS, GraspConfig
from cvdl.grasping.detector import GraspDetector
from cvdl.grasping.poses import grasp_poses, nearest_labels
from cvdl.grasping.registry import load_grasp_detector

__all__ = ["GraspStage", "select_grasps"]

_RIM = 8 / 640  # of the image width: largest distance of a rectangle's center from its object


class GraspStage:
    """Adds ``grasps`` of all objects to a scene.

    Args:
        config: settings.
        detector: the grasp detector; by default it is loaded from the settings.

    Attributes:
        detector: the grasp detector.

    Raises:
        InputError: if the weights or the device of the detector are missing.
    """

    def __init__(
        self, config: GraspConfig | None = None, detector: GraspDetector | None = None
    ) -> None:
        self.config = config or GraspConfig()
        self.detector = detector or load_grasp_detector(
            self.config.detector,
            self.config.weights,
            self.config.device,
            self.config.engine,
        )

    def __call__(self, frame: RgbdFrame, scene: Scene) -> Scene:
        """Find grasps of the objects of one frame.

        Args:
            frame: color and depth.
            scene: with the results of the segmentation. Without a plane there are no grasps.
                Objects with an ``objectness`` below ``min_objectness`` are only obstacles.

        Returns:
            The scene with its ``grasps``, best first, and the number of ``refused`` rectangles by
            reason.
        """
        config, labels, plane = self.config, scene.labels, scene.plane
        unlikely = [each.label for each in scene.objects if each.objectness < config.min_objectness]
        if plane is None or len(unlikely) == len(scene.objects):
            return scene
        rim = max(1, round(_RIM * frame.camera.width))
        ellipse = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * rim + 1, 2 * rim + 1))
        left_out = np.isin(labels, unlikely)
        is_object = (labels >= FIRST_OBJECT_LABEL) & ~left_out
        mask = (cv2.dilate(is_object.view(np.uint8), ellipse) > 0) & ~left_out
        # A multiple of a fixed number: on a GPU each number has a graph of its own.
        groups = math.ceil(len(scene.objects) / CANDIDATE_OBJECTS)
        rectangles = self.detector(frame, mask, groups * config.candidates)
        rectangles = rectangles[np.argsort(-rectangles.score, kind="stable")]
        label = nearest_labels(rectangles.center, labels, rim)
        poses = grasp_poses(rectangles, label, frame, labels, plane, config)
        is_good, refused = poses.reason < 0, poses.refused
        # In the rim of an object, the nearest object may be one that is left out.
        refusals = {"unlikely object": np.isin(label, unlikely)}
        if scene.region is not None:
            inside = scene.region.contains(rectangles.center, poses.position)
            refusals["outside the region"] = ~inside
        for reason, is_refused in refusals.items():
            count = int((is_good & is_refused).sum())
            if count:
                refused[reason] = count
            is_good &= ~is_refused
        good = np.flatnonzero(is_good)
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
        return replace(scene, grasps=grasps, refused=dict(refused))


def select_grasps(
    position: NDArray[np.float64],
    direction: NDArray[np.float64],
    label: NDArray[np.integer],
    config: GraspConfig,
) -> NDArray[np.intp]:
    """Select grasps without near-duplicates of better ones, up to the maximum numbers.

    Args:
        position: (N, 3), meters, best first.
        direction: (N, 3), unit vectors along the openings; the sign is irrelevant.
        label: (N,) labels of the objects.
        config: distances, angles and maximum numbers.

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
