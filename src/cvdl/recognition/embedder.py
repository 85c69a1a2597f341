"""The embedding of segmented objects. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cvdl.core.frame import RgbdFrame
from cvdl.core.scene import Scene
from cvdl.networks.onnx_files import MAIN, read_metadata
from cvdl.networks.sessions import Graph, open_parts
from cvdl.recognition.colors import BINS, color_histogram
from cvdl.recognition.crops import cut_crop
from cvdl.recognition.embedding import Embeddings

__all__ = ["FEATURES", "MODEL", "WEIGHTS", "ObjectEmbedder", "load_embedder"]

#: Name of the model in the file of the network.
MODEL = "EmbeddingNetwork"
#: Length of its features.
FEATURES = 256
#: The network of the package.
WEIGHTS = Path(__file__).with_name("embedding.onnx")


class ObjectEmbedder:
    """Computes embeddings from the colors of objects, cut out, and the sizes of their boxes.

    Args:
        graph: takes ``crops`` (N, S, S, 4) of ``cut_crop``; returns features
            (N, ``FEATURES``) of unit length.
        name: see ``Embedder``.
    """

    def __init__(self, graph: Graph, name: str) -> None:
        self._graph = graph
        self.name = name
        self._last: tuple[RgbdFrame, Scene, Embeddings] | None = None

    @classmethod
    def load(cls, path: Path = WEIGHTS) -> ObjectEmbedder:
        """Load a network.

        Raises:
            WeightsError: if the file is missing, damaged or holds another model.
        """
        graph = open_parts(path, MODEL, (MAIN,))[MAIN]
        return cls(graph, read_metadata(path)["embedding"])

    def __call__(self, frame: RgbdFrame, scene: Scene) -> Embeddings:
        """Return one view of each object of a scene, in their order.

        The gallery and words ask for the same objects one after the other: the last are kept.
        """
        last = self._last
        if last is not None and frame is last[0] and _same_objects(scene, last[1]):
            return last[2]
        crops = []
        for item in scene.objects:
            x, y, x_end, y_end = item.box2d.astype(int)
            part = slice(y, y_end), slice(x, x_end)
            crops.append(cut_crop(frame.color[part], scene.labels[part] == item.label))
        size = [np.sort(item.box3d.size)[::-1] for item in scene.objects]
        embeddings = self._embedded(crops, np.array(size, np.float32).reshape(-1, 3))
        self._last = frame, scene, embeddings
        return embeddings

    def photograph(
        self, color: NDArray[np.uint8], mask: NDArray[np.bool_] | None = None
    ) -> Embeddings:
        """Return the one view that a picture without depth shows; its size is unknown.

        Args:
            color: (H, W, 3) RGB.
            mask: (H, W), the object's pixels, at least one; None if it fills the picture.
        """
        if mask is None:
            mask = np.ones(color.shape[:2], bool)
        return self._embedded([cut_crop(color, mask)], np.full((1, 3), np.nan, np.float32))

    def _embedded(
        self, crops: Sequence[NDArray[np.uint8]], size: NDArray[np.float32]
    ) -> Embeddings:
        if not crops:
            return Embeddings(*(np.zeros((0, n), np.float32) for n in (FEATURES, BINS, 3)))
        (features,) = self._graph(crops=np.stack(crops))
        return Embeddings(features, np.stack([color_histogram(crop) for crop in crops]), size)


def _same_objects(scene: Scene, other: Scene) -> bool:
    """Whether two scenes, maybe with other names, have the same objects of one frame."""
    return scene.labels is other.labels and [item.label for item in scene.objects] == [
        item.label for item in other.objects
    ]


@cache
def load_embedder() -> ObjectEmbedder:
    """The embedder of the package, which all stages of a process share.

    Raises:
        WeightsError: if its file is damaged.
    """
    return ObjectEmbedder.load()
