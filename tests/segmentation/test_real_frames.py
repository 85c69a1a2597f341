"""The segmentation on real frames of several cameras, with marks made by hand.

The frames are of sources on which settings are chosen: this is a floor, not a measurement.
"""

import numpy as np
import pytest
import yaml

from cvdl.core.scene import FIRST_OBJECT_LABEL, PLANE_LABEL
from cvdl.datasets import ImageFolder
from cvdl.pipeline import Perception, PerceptionConfig
from helpers.paths import DATA

pytestmark = [pytest.mark.real("real"), pytest.mark.slow]

FRAMES = {
    "anygrasp_box": ("000", "008"),
    "cleargrasp_d435": ("123_opaque", "130_opaque"),
    "parts_bin_leonie": ("0", "5"),
    "sixdof_realsense": ("blue_mug", "cheezit"),
    "tum_desk": ("desk2",),
    "ycb_video_xtion": ("000001", "000002"),
}
FLOOR = 0.78  # share of the objects that are found


@pytest.fixture(scope="module")
def counts():
    """Of all frames: supports, those that are right, objects, those found, others, those masked."""
    segment = Perception(PerceptionConfig().segmentation_only())
    total = np.zeros(6, int)
    for source, names in FRAMES.items():
        marks = yaml.safe_load((DATA / "real" / "clicks" / f"{source}.yaml").read_text())
        frames = ImageFolder(DATA / "real" / source)
        for name in names:
            labels = segment(frames[frames.names.index(name)]).labels
            total += count(labels, marks[name])
    return total


def count(labels, marks):
    objects, others = (
        {name: labels[tuple(np.array(at).T[::-1])] for name, at in (marks.get(kind) or {}).items()}
        for kind in ("objects", "not_objects")
    )
    objects = {name: seen for name, seen in objects.items() if name not in marks.get("hard", ())}
    support = labels[tuple(np.array(marks["support"]).T[::-1])]
    found = 0
    for name, seen in objects.items():
        rest = [*(some for other, some in objects.items() if other != name), *others.values()]
        elsewhere = set(np.concatenate([*rest, [0]]).tolist())
        is_one = seen[0] >= FIRST_OBJECT_LABEL and (seen == seen[0]).all()
        found += bool(is_one and seen[0] not in elsewhere)
    masked = sum(bool((seen >= FIRST_OBJECT_LABEL).any()) for seen in others.values())
    is_right = (support == PLANE_LABEL).mean() >= 0.8
    return np.array([1, is_right, len(objects), found, len(others), masked])


def test_the_support_is_right(counts):
    assert counts[1] == counts[0] == 11


def test_most_objects_are_found(counts):
    assert counts[3] >= FLOOR * counts[2]


def test_few_masks_are_of_no_object(counts):
    assert counts[5] <= 0.15 * counts[4]
