"""Things that an embedder tells apart by their color alone."""

from __future__ import annotations

import numpy as np
import pytest

from cvdl.core.camera import Camera
from cvdl.core.frame import RgbdFrame
from cvdl.core.scene import OrientedBox, Plane, Scene, SceneObject
from cvdl.recognition.embedding import Embeddings
from cvdl.recognition.views import View

HEIGHT, WIDTH, FOCAL = 120, 160, 140.0


def embeddings(*vectors):
    """Of views with these features, of things of 10 cm."""
    features = np.array(vectors, np.float32).reshape(len(vectors), -1)
    features /= np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-9)
    colors = np.full((len(vectors), 4), 0.25, np.float32)
    return Embeddings(features, colors, np.full((len(vectors), 3), 0.1, np.float32))


def view(*vector, source="a bag", shade=100):
    picture = np.full((20, 30, 3), shade, np.uint8)
    return View(picture, embeddings(vector), np.array([0.1, 0.08, 0.02]), source)


class ByColor:
    """A stand-in for an embedder: the mean color of an object."""

    name = "by color"

    def __init__(self):
        self.calls = 0

    def __call__(self, frame, scene):
        self.calls += 1
        means = [frame.color[scene.mask(item)].mean(axis=0) for item in scene.objects]
        return embeddings(*(mean - mean.min() + 1 for mean in means))


def tabletop(*things, stamp_ns=0, shift=0):
    """A frame of striped blocks on a gray table seen from above, and its scene.

    Args:
        things: column of the middle, half the width and RGB of each.
        stamp_ns: of the frame.
        shift: added to each column.
    """
    color = np.full((HEIGHT, WIDTH, 3), 30, np.uint8)
    depth = np.full((HEIGHT, WIDTH), 1.0, np.float32)
    labels = np.ones((HEIGHT, WIDTH), np.uint16)
    camera = Camera(WIDTH, HEIGHT, FOCAL, FOCAL, (WIDTH - 1) / 2, (HEIGHT - 1) / 2)
    objects = []
    for label, (column, half, rgb) in enumerate(things, start=2):
        columns = slice(max(0, column + shift - half), min(WIDTH, column + shift + half))
        rows = slice(60 - half, 60 + half)
        color[rows, columns] = rgb
        color[rows, columns][::4] = np.array(rgb) // 2
        depth[rows, columns] = 0.9
        labels[rows, columns] = label
        box = np.array([columns.start, rows.start, columns.stop, rows.stop], float)
        middle = camera.deproject_pixels((box[:2] + box[2:] - 1) / 2, np.array(0.95))
        size = np.array([2 * half * 0.9 / FOCAL, 2 * half * 0.9 / FOCAL, 0.1])
        area = (rows.stop - rows.start) * (columns.stop - columns.start)
        objects.append(SceneObject(label, box, OrientedBox(middle, np.eye(3), size), area))
    plane = Plane(np.array([0, 0, -1.0]), 1.0)
    return RgbdFrame(color, depth, camera, stamp_ns), Scene(labels, plane, tuple(objects))


RED, GREEN, BLUE = (220, 30, 30), (30, 200, 40), (40, 50, 230)


@pytest.fixture
def embedder(monkeypatch):
    """The stand-in, which every stage and command uses."""
    made = ByColor()
    monkeypatch.setattr("cvdl.recognition.stage.load_embedder", lambda: made)
    return made
