"""Fits how likely two pieces of the surface are one object; see ``cvdl.segmentation.borders``.

    python scripts/fit_borders.py [--scenes 60] [--seed 78]

Cuts simulated scenes into pieces, as the segmentation does with the packaged network, and fits a
logistic regression on pairs of them: as they are, and after a random part of the pieces of each
object has been joined. Prints the constant and the factors.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from rich.progress import track
from sklearn.linear_model import LogisticRegression

from cvdl.core.scene import FIRST_OBJECT_LABEL
from cvdl.segmentation.borders import Regions, pair_features
from cvdl.segmentation.config import SegmentationConfig
from cvdl.segmentation.instances.instances import FindInstances
from cvdl.segmentation.instances.loading import load_instance_model
from cvdl.segmentation.instances.masks import visible_pieces
from cvdl.segmentation.instances.pieces import borders_and_votes
from cvdl.segmentation.instances.seen import Seen
from cvdl.segmentation.labels import Labels
from cvdl.segmentation.segmenter import evidence_of
from cvdl.simulation import SimulatedScene, SimulationConfig, simulate_scene

PURE = 0.7  # share of a piece in one object
JOINED = 0.3, 1.0  # share of the pieces of an object that are joined at random
PASSES = 3


def main() -> None:
    """Fit and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenes", type=int, default=60, help="of each domain")
    parser.add_argument("--seed", type=int, default=78)
    args = parser.parse_args()
    model = load_instance_model()
    rng = np.random.default_rng(args.seed)
    features, same, weights = [], [], []
    for domain in ("world", "tabletop"):
        config = SimulationConfig(domain=domain)
        rows = [
            row
            for index in track(range(args.scenes), domain)
            for row in pairs(simulate_scene(args.seed, index, config), model, rng)
        ]
        features += [row[:-1] for row in rows]
        same += [bool(row[-1]) for row in rows]
        weights += [1 / len(rows)] * len(rows)
    weight = np.array(weights) / np.mean(weights)
    fit = LogisticRegression(C=10).fit(features, same, weight)
    print(f"{len(same)} pairs, {np.mean(same):.0%} of one object")
    print("constant", fit.intercept_.round(2), "factors", fit.coef_[0].round(2))


def pairs(
    scene: SimulatedScene, model: FindInstances, rng: np.random.Generator
) -> Iterator[tuple[float, ...]]:
    """The features of pairs of pieces, and whether they are one object."""
    seen = Seen.of(model(scene.frame), scene.frame.depth.shape, None)
    evidence = evidence_of(scene.frame, SegmentationConfig(), seen)
    visible = visible_pieces(scene.frame, evidence.depth, seen, evidence.ground)
    if visible is None:
        return
    surface, pieces, _ = visible
    owner = owners(pieces, surface.reduce(scene.truth.labels))
    for step in range(PASSES):
        labels = joined(pieces, owner, rng.uniform(*JOINED) if step else 0.0, rng)
        borders, votes = borders_and_votes(labels, surface, seen)
        area, color, _, centers, shares = Regions.of(labels, surface.lab, votes)
        for (a, b), measures in zip(borders.pairs, borders.measures, strict=True):
            if min(owner[a], owner[b]) >= FIRST_OBJECT_LABEL:
                two = [a, b]
                found = pair_features(measures, area[two], color[two], centers[two], shares[two])
                yield (*found, float(owner[a] == owner[b]))


def owners(pieces: Labels, truth: NDArray[np.uint16]) -> NDArray[np.int64]:
    """The label of the object that each piece is a part of; 0 for several."""
    counts = np.zeros((int(pieces.max()) + 1, int(truth.max()) + 1))
    np.add.at(counts, (pieces, truth), 1)
    is_pure = counts.max(axis=1) >= PURE * counts.sum(axis=1)
    return np.where(is_pure, counts.argmax(axis=1), 0)


def joined(
    pieces: Labels, owner: NDArray[np.int64], share: float, rng: np.random.Generator
) -> Labels:
    """The pieces (h, w) with a share of those of each object joined to its first piece."""
    host = np.arange(len(owner))
    for each in np.unique(owner[owner >= FIRST_OBJECT_LABEL]):
        parts = np.flatnonzero(owner == each)
        host[parts[1:][rng.random(len(parts) - 1) < share]] = parts[0]
    return host[pieces].astype(np.int32)


if __name__ == "__main__":
    main()
