"""Random views: the labels stay in step with the image."""

from dataclasses import replace

import numpy as np
import torch

from cvdl.datasets.labeled_pixels import IGNORED
from cvdl.datasets.segmentation_sample import UNLABELED
from cvdl.networks.detailed_input import with_detail
from cvdl.networks.input import COLOR_MIDDLE, COLOR_SPREAD, HAS_COLOR
from cvdl.networks.input_gpu import input_tensor, uploaded
from cvdl.segmentation.instances.views import LabeledView, random_views, stacked
from cvdl.training.augment import Placement
from helpers.augmentation import UNDISTURBED


def test_objects_are_numbered_and_unlabeled_pixels_ignored(views):
    (sample,) = views(0)
    labels = np.where(sample.labels > 2, sample.labels + 900, sample.labels)
    labels = np.where(sample.labels == UNLABELED, np.uint16(UNLABELED), labels)
    view = LabeledView.of(replace(sample, labels=labels))
    assert np.unique(view.labels).tolist() == [0, 1, 2, 3, IGNORED]
    assert view.labels.shape == view.image.rest.shape[1:] == (60, 80)
    np.testing.assert_array_equal(view.labels == 3, sample.labels[::2, ::2] == 3)
    np.testing.assert_array_equal(view.labels == IGNORED, sample.labels[::2, ::2] == UNLABELED)


def test_objects_that_do_not_fit_in_a_byte_are_ignored(views):
    (sample,) = views(0)
    labels = np.ones((120, 160), np.uint16)
    labels[::2, ::2].flat[:300] = np.arange(2, 302)
    view = LabeledView.of(replace(sample, labels=labels))
    assert view.labels.flat[:300].tolist() == [*range(2, IGNORED), *[IGNORED] * 47]


def test_labels_follow_the_image_in_every_view(views, small_views):
    """Bright pixels are objects, dark ones nothing, except at the borders between them."""
    batch = stacked([LabeledView.of(view) for view in views(*range(12))], np.random.default_rng(0))
    images, labels = random_views(batch, UNDISTURBED)
    assert images.shape == (12, 18, 80, 112)
    assert labels.shape == (12, 80, 112)
    assert labels.dtype == torch.int64
    bright = images[:, 0] * COLOR_SPREAD + COLOR_MIDDLE
    inside = images[:, HAS_COLOR] > 0.99
    found = [(labels == 0) & inside, (labels == 1) & inside, (labels >= 2) & (labels < IGNORED)]
    agree = [bright < 50, (bright > 50) & (bright < 150), bright > 150]
    for some, shown in zip(found, agree, strict=True):
        assert some.sum() > 1000
        assert (shown & some).sum() / some.sum() > 0.97
    assert ((labels == IGNORED) | inside)[:, 1:-1, 1:-1].float().mean() > 0.97


def test_an_undisturbed_view_is_the_input_of_the_network(views, small_views):
    (sample,) = views(1)
    where = Placement(torch.eye(2)[None], torch.tensor([[40.0, 30]]))
    batch = stacked([LabeledView.of(sample)], np.random.default_rng(0))._replace(where=where)
    images, labels = random_views(batch, UNDISTURBED)
    cpu = torch.device("cpu")
    color, _, _ = uploaded(sample.frame, cpu)
    expected = with_detail(input_tensor(sample.frame, cpu), color)
    inner = slice(10, 70), slice(16, 96)
    torch.testing.assert_close(images[(..., *inner)], expected, rtol=0, atol=0.02)  # float16
    np.testing.assert_array_equal(labels[(0, *inner)], LabeledView.of(sample).labels)
    assert (labels[0, :10] == IGNORED).all()


def test_images_of_several_sizes_make_one_batch(views):
    large = LabeledView.of(views(0)[0])
    image = replace(large.image, color=large.image.color[:, :64], rest=large.image.rest[:, :32])
    batch = stacked([large, LabeledView(image, large.labels[:32])], np.random.default_rng(0))
    assert batch.color.shape == (2, 3, 120, 160)
    assert batch.rest.shape == (2, 8, 60, 80)
    assert (batch.labels[1, 32:] == IGNORED).all()
