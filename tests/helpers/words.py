"""Samples of words whose regions say plainly what the objects are."""

import numpy as np

from cvdl.core.scene import OrientedBox, Plane
from cvdl.language.facts import SceneFacts, describe
from cvdl.language.lexicon import KINDS
from cvdl.language.regions import Regions, pair_values, region_values
from cvdl.language.samples import WordsSample, words_sample
from cvdl.recognition.colors import BINS

COLORS = ("red", "green", "blue")
WIDTH = BINS + len(KINDS) + 2  # without an embedding; the first bins are the colors


def plain_sample(index: int) -> WordsSample:
    """Two to five objects at random places; features are one column a
    color and a kind.
    """
    rng = np.random.default_rng([5, index])
    count = int(rng.integers(2, 6))
    kinds = rng.choice(["mug", "banana", "box"], count)
    colors = rng.choice(COLORS, count)
    plane = Plane(np.array([0.0, -1, 0]), 0.5)
    boxes = [
        OrientedBox(
            np.array([rng.uniform(-0.3, 0.3), 0.45, rng.uniform(0.6, 1.2)]),
            np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]]).T,
            rng.uniform(0.05, 0.2, 3),
        )
        for _ in range(count)
    ]
    labels = list(range(2, count + 2))
    things = describe(labels, kinds, [{color: 1.0} for color in colors], boxes, plane)
    features = np.zeros((count + 1, WIDTH), np.float32)
    for row, kind, color in zip(features, kinds, colors, strict=False):
        row[COLORS.index(color)] = row[BINS + KINDS.index(kind)] = row[-2] = 1
    features[-1, -1] = 1
    regions = Regions(
        np.array(labels),
        features,
        region_values(things, plane, np.full(count, 0.01)),
        pair_values(things, np.zeros((count, 4))),
    )
    facts = SceneFacts(things, {}, frozenset(labels))
    return words_sample(f"view{index}", regions, np.array(labels), facts, rng)
