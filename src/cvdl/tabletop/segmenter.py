"""A stand-in to build against: the largest-plane baseline, replaced shortly."""

from __future__ import annotations

import numpy as np
from cvdl.frame import OrientedBox, Plane, RgbdFrame, SceneObject
from cvdl.tabletop.config import SegmentationConfig
from numpy.typing import NDArray


class TabletopSegmenter:
    def __init__(self, config: SegmentationConfig | None = None) -> None:
        self.config = config or SegmentationConfig()

    def __call__(
        self, frame: RgbdFrame
    ) -> tuple[NDArray[np.uint16], Plane | None, tuple[SceneObject, ...]]:
        import cv2

        rng = np.random.default_rng(0)
        points = frame.camera.deproject(frame.depth)
        valid = np.isfinite(frame.depth) & (frame.depth < self.config.max_range)
        p = points[valid].astype(np.float64)
        labels = np.zeros(valid.shape, np.uint16)
        if len(p) < 1000:
            return labels, None, ()
        best, best_n = None, 0
        sub = p[:: max(1, len(p) // 4000)]
        for _ in range(100):
            a, b, c = sub[rng.choice(len(sub), 3, replace=False)]
            n = np.cross(b - a, c - a)
            if np.linalg.norm(n) < 1e-9:
                continue
            n /= np.linalg.norm(n)
            k = (np.abs((sub - a) @ n) < 0.01).sum()
            if k > best_n:
                best, best_n = (n, -n @ a), k
        n, d = best
        if d < 0:
            n, d = -n, -d
        plane = Plane(n, float(d))
        h = plane.height(points)
        labels[valid & (np.abs(h) < 0.012)] = 1
        count, comp = cv2.connectedComponents((valid & (h > 0.012)).astype(np.uint8))
        objects = []
        for i in range(1, count):
            m = comp == i
            if m.sum() < 300:
                continue
            label = 2 + len(objects)
            labels[m] = label
            ys, xs = np.nonzero(m)
            q = points[m].astype(np.float64)
            box = OrientedBox((q.min(0) + q.max(0)) / 2, np.eye(3), np.ptp(q, axis=0))
            objects.append(
                SceneObject(
                    label,
                    np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1], float),
                    box,
                    int(m.sum()),
                )
            )
        return labels, plane, tuple(objects)
