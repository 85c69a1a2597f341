"""A first embedder: what the colors of an object say."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

from cvdl.core.frame import RgbdFrame
from cvdl.core.scene import Scene
from cvdl.recognition.embedding import Embedder, Embeddings

__all__ = ["load_embedder"]


class _Colors:
    name = "colors"

    def __call__(self, frame: RgbdFrame, scene: Scene) -> Embeddings:
        hsv = cv2.cvtColor(frame.color, cv2.COLOR_RGB2HSV)
        rows = []
        for item in scene.objects:
            mask = scene.mask(item).view(np.uint8)
            hist = cv2.calcHist([hsv], [0, 1], mask, [16, 4], [0, 180, 0, 256]).ravel()
            rows.append(np.sqrt(hist / max(hist.sum(), 1)))
        features = np.array(rows, np.float32).reshape(-1, 64)
        size = np.array([np.sort(i.box3d.size)[::-1] for i in scene.objects], np.float32)
        return Embeddings(features, features**2, size.reshape(-1, 3))


@cache
def load_embedder() -> Embedder:
    """The embedder."""
    return _Colors()
