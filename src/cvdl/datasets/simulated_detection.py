"""Simulated scenes as a data set of boxes and masks."""

from __future__ import annotations

import numpy as np

from cvdl.datasets.detection_sample import DetectionSample
from cvdl.datasets.simulated_views import SimulatedViews
from cvdl.simulation.generate import SimulatedScene
from cvdl.simulation.shapes import CATEGORIES

__all__ = ["SimulatedDetection"]


class SimulatedDetection(SimulatedViews[DetectionSample]):
    """Scenes of a seed, with boxes and masks of what is visible; see ``SimulatedViews``."""

    classes: tuple[str, ...] = tuple(CATEGORIES)

    def _labelled(self, name: str, scene: SimulatedScene) -> DetectionSample:
        objects = scene.truth.objects
        labels = scene.truth.labels
        return DetectionSample(
            name,
            scene.frame,
            np.array([item.box2d for item in objects], np.float64).reshape(-1, 4),
            np.array([self.classes.index(item.class_name) for item in objects], np.int64),
            np.zeros(len(objects), bool),
            labels == np.array([item.label for item in objects], labels.dtype)[:, None, None],
        )
