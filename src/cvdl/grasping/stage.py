"""The grasp stage: finds grasps on the masks of the objects and adds the best to a scene."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.core.frame import RgbdFrame
from cvdl.core.scene import FIRST_OBJECT_LABEL, Scene
from cvdl.grasping.by_name import NOT_ASKED, asked_objects, name_doubts
from cvdl.grasping.candidates import find_candidates, rim_pixels
from cvdl.grasping.config import CANDIDATE_OBJECTS, GraspConfig
from cvdl.grasping.detector import GraspDetector
from cvdl.grasping.hands import Hands, SceneCloud, as_grasps
from cvdl.grasping.holding.predictor import load_holding_predictor
from cvdl.grasping.registry import load_grasp_detector

__all__ = ["GraspStage", "Predictor", "best_hands", "select_grasps"]

# Why an object that may be none has no grasp.
_UNLIKELY = "unlikely object"

#: Returns the chance (N,), 0 to 1, that each of N hands among the surfaces of a scene holds.
Predictor = Callable[[SceneCloud, Hands, GraspConfig], NDArray[np.float64]]


class GraspStage:
    """Adds ``grasps`` of all objects to a scene.

    Args:
        config: settings.
        detector: the grasp detector; by default it is loaded from the settings.
        predictor: of the chances that hands hold; by default it is loaded from the settings.

    Attributes:
        detector: the grasp detector.
        predictor: of the chances.

    Raises:
        InputError: if weights or the device of the detector are missing.
    """

    def __init__(
        self,
        config: GraspConfig | None = None,
        detector: GraspDetector | None = None,
        predictor: Predictor | None = None,
    ) -> None:
        self.config = config or GraspConfig()
        self.detector = detector or load_grasp_detector(
            self.config.detector,
            self.config.weights,
            self.config.device,
            self.config.engine,
        )
        self.predictor = predictor or load_holding_predictor(self.config.holding)

    def __call__(self, frame: RgbdFrame, scene: Scene) -> Scene:
        """Find grasps of the objects of one frame.

        Args:
            frame: color and depth.
            scene: with the results of the segmentation. Without a plane there are no grasps.
                Objects with an ``objectness`` below ``min_objectness``, and those whose name is not
                in ``only``, are only obstacles.

        Returns:
            The scene with its ``grasps``, best first, the number of objects without a grasp by
            reason, ``refused``, and ``doubts`` about names in ``only``.
        """
        config, labels = self.config, scene.labels
        scene = replace(scene, doubts=scene.doubts + name_doubts(scene, config.only))
        if scene.plane is None or not scene.objects:
            return scene
        asked = asked_objects(scene.objects, config.only)
        likely = [item for item in asked if item.objectness >= config.min_objectness]
        refused = Counter[str]()
        refused[NOT_ASKED] = len(scene.objects) - len(asked)
        refused[_UNLIKELY] = len(asked) - len(likely)
        if not likely:
            return replace(scene, refused=dict(+refused))
        rim = rim_pixels(frame)
        ellipse = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * rim + 1, 2 * rim + 1))
        is_object = np.isin(labels, [item.label for item in likely])
        left_out = (labels >= FIRST_OBJECT_LABEL) & ~is_object
        mask = (cv2.dilate(is_object.view(np.uint8), ellipse) > 0) & ~left_out
        # A multiple of a fixed number: on a GPU each number has a graph of its own.
        groups = math.ceil(len(asked) / CANDIDATE_OBJECTS)
        rectangles = self.detector(frame, mask, groups * config.candidates)
        found = find_candidates(frame, scene, likely, rectangles, config)
        hands = found.hands
        score = self.predictor(found.cloud, hands, config)
        is_likely = score >= config.min_score
        is_inside = np.ones(len(hands), bool)
        if scene.region is not None:
            pixels = frame.camera.project(hands.position)
            is_inside = scene.region.contains(pixels, hands.position)
        refused += found.refused + Counter(
            {
                "unlikely to hold": _lost(hands.label, is_likely),
                "outside the region": _lost(hands.label[is_likely], is_inside[is_likely]),
            }
        )
        usable = np.flatnonzero(is_likely & is_inside)
        chosen = usable[best_hands(hands[usable], score[usable], config)]
        grasps = as_grasps(hands[chosen], score[chosen], config, frame.camera)
        return replace(scene, grasps=grasps, refused=dict(refused))


def _lost(label: NDArray[np.integer], keep: NDArray[np.bool_]) -> int:
    """Number of labels (N,) of which none is kept."""
    return len(np.setdiff1d(label, label[keep]))


def best_hands(hands: Hands, score: NDArray[np.float64], config: GraspConfig) -> NDArray[np.intp]:
    """Select the best of N hands by their scores (N,), see ``select_grasps``: indices."""
    order = np.argsort(-score, kind="stable")
    best = hands[order]
    return order[select_grasps(best.position, best.rotation[..., 0], best.label, config)]


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
