"""The regions of a frame that words are about: its objects and the whole frame. Imports no torch.

What is seen of an object (its embedding, colors, class by the detector) and what depth adds: size
and place, also against the other objects, as superlatives and relations need.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cvdl.core.frame import RgbdFrame
from cvdl.core.scene import Plane, Scene
from cvdl.language.facts import Thing, describe
from cvdl.language.lexicon import KINDS
from cvdl.networks.metadata import WeightsError
from cvdl.recognition.crops import SIDE, shrunk
from cvdl.recognition.embedder import ObjectEmbedder, load_embedder
from cvdl.recognition.embedding import Embeddings

__all__ = [
    "PAIR_VALUES",
    "Regions",
    "embedder_for",
    "mirrored",
    "pair_values",
    "region_values",
    "see_photograph",
    "see_regions",
]

Floats = NDArray[np.float32]

_LEAST = 0.005  # meters; sizes below are noise
_LIMIT = 3.0  # of all scaled values
_STEEP = 5.0  # makes differences that decide, such as 4 cm or 20 %, nearly 1
_SCALE = 0.1  # meters: differences of places and heights are counted in it
#: Measures of size, and of place, by which objects are compared; the first place is to the right.
_SIZES, _PLACES = 7, 4
#: Number of values of a pair of regions.
PAIR_VALUES = 17
_MIRRORED_PAIR = (0, 3)  # columns that change their sign in a mirror


@dataclass(frozen=True)
class Regions:
    """N objects and, as the last region, the whole frame.

    Attributes:
        labels: (N,) int64, of the objects in the label image.
        features: (N + 1, D) float32: scaled embedding, square roots of the color histogram, score
            of the detector's class, one column a kind, and whether it has one or is the frame.
        values: (N + 1, V) float32: sizes and places; by how much each exceeds the largest, and the
            smallest, of the other objects; the same, saturated: whether it does.
        pairs: (N + 1, N + 1, ``PAIR_VALUES``) float32: where the first region is, seen from the
            second one; 0 with the frame.
    """

    labels: NDArray[np.int64]
    features: Floats
    values: Floats
    pairs: Floats


def embedder_for(network: str, embedding: str) -> ObjectEmbedder:
    """Return the embedder of the package, if a network knows its embedding.

    Args:
        network: what ``cvdl train`` calls the network.
        embedding: name of the embedding that it was trained with.

    Raises:
        WeightsError: if it is another one.
    """
    embedder = load_embedder()
    if embedder.name != embedding:
        raise WeightsError(
            f"the {network} need the embedding {embedding!r}; the package has "
            f"{embedder.name!r}: train them again with `cvdl train {network}`"
        )
    return embedder


def see_regions(frame: RgbdFrame, scene: Scene, embedder: ObjectEmbedder) -> Regions:
    """Describe the regions of a frame.

    Args:
        frame: its colors are used.
        scene: its objects; their classes are optional.
        embedder: of objects.
    """
    count = len(scene.objects)
    # No larger than the crops of the embedding, to save time.
    seen, whole = embedder(frame, scene), embedder.photograph(shrunk(frame.color, SIDE))
    # The gallery has other names.
    named = [item.detected or (item.class_name, item.score) for item in scene.objects]
    boxes = [item.box3d for item in scene.objects]
    labels = [item.label for item in scene.objects]
    things = describe(labels, [""] * count, [{}] * count, boxes, scene.plane)
    pixels = [item.area / scene.labels.size for item in scene.objects]
    return Regions(
        np.array(labels, np.int64),
        _features([seen, whole], named),
        region_values(things, scene.plane, np.array(pixels)),
        pair_values(things, np.array([item.box2d for item in scene.objects]).reshape(-1, 4)),
    )


def see_photograph(
    color: NDArray[np.uint8],
    boxes: NDArray[np.floating],
    names: Sequence[str],
    embedder: ObjectEmbedder,
) -> Regions:
    """Describe the regions of a photograph, whose objects have neither sizes nor places.

    Args:
        color: (H, W, 3) RGB.
        boxes: (N, 4) of objects, pixels: x_min, y_min, x_max, y_max; at least a pixel large.
        names: of their classes.
        embedder: of objects.
    """
    count = len(boxes)
    low, high = np.floor(boxes[:, :2]).astype(int), np.ceil(boxes[:, 2:]).astype(int)
    crops = [color[y:y_end, x:x_end] for (x, y), (x_end, y_end) in zip(low, high, strict=True)]
    seen = [embedder.photograph(shrunk(crop, SIDE)) for crop in (*crops, color)]
    values = region_values((), None, np.zeros(0)).repeat(count + 1, axis=0)
    values[:, -2:] = count / 8, count == 1
    pairs = np.zeros((count + 1, count + 1, PAIR_VALUES), np.float32)
    pairs[:count, :count, -3:] = _in_image(np.asarray(boxes, np.float64))
    return Regions(
        np.arange(2, count + 2), _features(seen, [(name, 1.0) for name in names]), values, pairs
    )


def _features(seen: Sequence[Embeddings], named: Sequence[tuple[str, float]]) -> Floats:
    """What is seen of N objects and their frame, (N + 1, D); objects with classes and scores."""
    kinds = np.zeros((len(named) + 1, len(KINDS) + 2), np.float32)
    for row, (name, score) in zip(kinds, named, strict=False):
        if name in KINDS:
            row[KINDS.index(name)] = score
            row[-2] = 1
    kinds[-1, -1] = 1
    joined = Embeddings.joined(seen)
    # Embeddings of unit variance, like the other columns.
    embedded = joined.features * np.sqrt(joined.features.shape[1])
    return np.concatenate([embedded, np.sqrt(joined.colors), kinds], axis=1).astype(np.float32)


def region_values(
    things: tuple[Thing, ...], plane: Plane | None, pixels: NDArray[np.float64]
) -> Floats:
    """Return the values (N + 1, V) of objects and their frame, see ``Regions``.

    Args:
        things: the objects; only their places and sizes count.
        plane: the support.
        pixels: (N,) share of the image that each object covers.
    """
    count = len(things)
    if not count:
        return np.zeros((1, 5 * (_SIZES + _PLACES) + 2), np.float32)
    size = np.array([np.maximum(thing.size, _LEAST) for thing in things])
    center = np.array([thing.center for thing in things])
    ground = -plane.offset if plane is not None else (center[:, 2] - size[:, 2] / 2).min()
    bottom = center[:, 2] - size[:, 2] / 2 - ground
    log = np.log(size / _SCALE)
    measures = np.column_stack(
        [
            log,
            log.mean(axis=1),
            np.log(size.max(axis=1) / _SCALE),
            log[:, 2] - log[:, :2].mean(axis=1),
            np.log(np.maximum(pixels, 1e-5)) + 5,
            (center[:, :2] - center[:, :2].mean(axis=0)) / _SCALE,
            bottom / _SCALE,
            (bottom + size[:, 2]) / _SCALE,
        ]
    )
    over, above = np.zeros_like(measures), np.zeros_like(measures)
    for row in range(count if count > 1 else 0):
        others = np.delete(measures, row, axis=0)
        over[row] = measures[row] - others.max(axis=0)
        above[row] = measures[row] - others.min(axis=0)
    found = np.concatenate([measures, over, above], axis=1)
    found = np.nan_to_num(np.clip(found, -_LIMIT, _LIMIT))
    differences = found[:, _SIZES + _PLACES :]
    found = np.concatenate([found, np.tanh(_STEEP * differences)], axis=1)
    alone = np.full((count, 2), (count / 8, float(count == 1)))
    frame = np.append(np.zeros(found.shape[1]), [count / 8, count == 1])
    return np.vstack([np.concatenate([found, alone], axis=1), frame]).astype(np.float32)


def pair_values(things: tuple[Thing, ...], boxes: NDArray[np.float64]) -> Floats:
    """Return the values of pairs (N + 1, N + 1, ``PAIR_VALUES``), see ``Regions``.

    Args:
        things: the objects; only their places and sizes count.
        boxes: (N, 4) of them in the image, pixels: x_min, y_min, x_max, y_max.
    """
    count = len(things)
    pairs = np.zeros((count + 1, count + 1, PAIR_VALUES), np.float32)
    if not count:
        return pairs
    size = np.array([np.maximum(thing.size, _LEAST) for thing in things])
    center = np.array([thing.center for thing in things])
    offset = center[:, None] - center[None]  # of the first, from the second
    level = np.hypot(offset[..., 0], offset[..., 1])
    bottom, top = center[:, 2] - size[:, 2] / 2, center[:, 2] + size[:, 2] / 2
    radius = size[:, :2].mean(axis=1) / 2
    reach = radius[:, None] + radius[None]
    direction = offset[..., :2] / np.maximum(level, 1e-3)[..., None]
    values = [
        np.clip(offset / _SCALE, -_LIMIT, _LIMIT),
        direction * np.minimum(level / 0.03, 1)[..., None],
        np.clip(np.abs(offset[..., :2]) / _SCALE, 0, _LIMIT),
        np.clip((level - reach) / _SCALE, -_LIMIT, _LIMIT)[..., None],
        np.clip((bottom[:, None] - top[None]) / _SCALE, -_LIMIT, _LIMIT)[..., None],
        np.clip((bottom[None] - top[:, None]) / _SCALE, -_LIMIT, _LIMIT)[..., None],
        np.clip((bottom[:, None] - bottom[None]) / _SCALE, -_LIMIT, _LIMIT)[..., None],
        np.clip((top[:, None] - top[None]) / _SCALE, -_LIMIT, _LIMIT)[..., None],
        np.log(radius[:, None] / radius[None])[..., None].clip(-_LIMIT, _LIMIT),
        np.ones((count, count, 1)),
        _in_image(boxes),
    ]
    pairs[:count, :count] = np.nan_to_num(np.concatenate(values, axis=2))
    pairs[np.arange(count), np.arange(count)] = 0
    return pairs


def _in_image(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """How much of the first box lies in the second one, and the other way, and how much higher it
    is, in heights of both: (N, N, 3)."""
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    shared = np.maximum(high - low, 0).prod(axis=2)
    sizes = boxes[:, 2:] - boxes[:, :2]
    area = np.maximum(sizes.prod(axis=1), 1)
    middle = (boxes[:, 1] + boxes[:, 3]) / 2
    height = np.maximum(sizes[:, 1], 1)
    higher = (middle[None] - middle[:, None]) / (height[:, None] + height[None])
    inside = shared / area[:, None]
    return np.stack([inside, inside.T, np.clip(higher, -_LIMIT, _LIMIT)], axis=2)


def mirrored(regions: Regions) -> Regions:
    """The regions of the mirrored frame, left and right exchanged; embeddings stay as they are."""
    values, pairs = regions.values.copy(), regions.pairs.copy()
    total = _SIZES + _PLACES
    right = _SIZES  # the first measure of place
    values[:, right] *= -1
    for over, above in ((total, 2 * total), (3 * total, 4 * total)):
        # What exceeds the largest now falls below the smallest.
        values[:, over + right] = -regions.values[:, above + right]
        values[:, above + right] = -regions.values[:, over + right]
    pairs[..., list(_MIRRORED_PAIR)] *= -1
    return Regions(regions.labels, regions.features, values, pairs)
