"""Targets of hand-made label images, and losses of hand-made maps."""

import pytest
import torch

from cvdl.datasets.labeled_pixels import IGNORED
from cvdl.segmentation.instances.network import NOTHING, OBJECT, OFFSET_UNIT, SUPPORT, InstanceMaps
from cvdl.segmentation.instances.targets import Targets, instance_loss


@pytest.fixture
def labels():
    """Two views: a square and a bar that touch; the same label, elsewhere, and an unknown part."""
    images = torch.zeros(2, 20, 30, dtype=torch.long)
    images[:, 8:] = 1
    images[0, 9:14, 4:9] = 2  # its centroid is at x 6, y 11
    images[0, 9:12, 9:20] = 7  # at x 14, y 10
    images[1, 2:5, 20:23] = 2  # at x 21, y 3
    images[1, :, 26:] = IGNORED
    return images


def perfect(labels):
    """The maps without any error."""
    targets = Targets(labels)
    classes = torch.nn.functional.one_hot(targets.classes, 3).movedim(-1, 1) * 40.0 - 20
    centers = torch.logit(targets.centers, 1e-6)
    return InstanceMaps(classes, centers, targets.offsets / OFFSET_UNIT)


def test_targets_of_hand_made_labels(labels):
    targets = Targets(labels)
    assert targets.classes[0, 0, 0] == NOTHING
    assert targets.classes[0, 8, 0] == SUPPORT
    assert (targets.classes[0, 9:12, 4:20] == OBJECT).all()
    assert not targets.known[1, :, 26:].any()
    assert targets.known.sum() == 2 * 600 - 80
    assert targets.area[0, 9, 4] == 25
    assert targets.area[0, 9, 19] == 33
    assert targets.area[1, 3, 21] == 9
    assert targets.offsets[0, :, 9, 4].tolist() == [2, 2]
    assert targets.offsets[0, :, 11, 19].tolist() == [-5, -1]
    assert targets.offsets[1, :, 3, 21].tolist() == [0, 0]
    outside = (targets.classes != OBJECT) | ~targets.known
    for some in (targets.area, targets.centers, *targets.offsets.movedim(1, 0)):
        assert not some[outside].any()
    peaks = (targets.centers == 1).nonzero().tolist()
    assert peaks == [[0, 10, 14], [0, 11, 6], [1, 3, 21]]


def test_the_peak_of_a_ring_is_on_the_ring():
    """The centroid of a ring lies in its hole; every pixel nearest to it is a peak."""
    labels = torch.ones(1, 15, 15, dtype=torch.long)
    labels[0, 3:12, 3:12] = 2
    labels[0, 5:10, 5:10] = 1
    centers = Targets(labels).centers[0]
    assert centers[7, 7] == 0
    assert (centers == 1).nonzero().tolist() == [[4, 7], [7, 4], [7, 10], [10, 7]]
    assert centers[3, 3] < centers[4, 4] < 1


def test_perfect_maps_have_no_loss(labels):
    assert float(instance_loss(perfect(labels), labels)["loss"]) == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize("field", InstanceMaps._fields)
def test_each_loss_is_of_its_map_and_of_known_pixels_alone(labels, field):
    right = perfect(labels)
    wrong = right._replace(**{field: getattr(right, field) + 3})
    if field == "classes":
        wrong.classes[:, SUPPORT] += 40
    losses = instance_loss(wrong, labels)
    assert losses[field] > 0.1
    others = {"classes", "offsets", "centers"} - {field}
    assert all(float(losses[name]) == pytest.approx(0, abs=1e-4) for name in others)
    unknown = labels == IGNORED
    getattr(right, field).masked_fill_(unknown if field == "centers" else unknown[:, None], 5.0)
    assert float(instance_loss(right, labels)["loss"]) == pytest.approx(0, abs=1e-4)


def test_errors_between_touching_objects_cost_more(labels):
    def cost(row, col):
        maps = perfect(labels)
        maps.classes[0, :, row, col] = torch.tensor([20.0, -20, -20])
        return float(instance_loss(maps, labels)["classes"])

    assert cost(10, 9) == pytest.approx(4 * cost(17, 24))


def test_views_without_known_labels_have_finite_losses():
    labels = torch.full((1, 8, 8), IGNORED)
    maps = InstanceMaps(torch.ones(1, 3, 8, 8), torch.ones(1, 8, 8), torch.ones(1, 2, 8, 8))
    assert [float(value) for value in instance_loss(maps, labels).values()] == [0, 0, 0, 0]
