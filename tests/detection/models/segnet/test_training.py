"""Training of SegNet: views, weights, learning and resuming."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from cvdl.core.camera import Camera
from cvdl.core.errors import InputError
from cvdl.core.frame import RgbdFrame
from cvdl.datasets.detection_sample import DetectionSample
from cvdl.datasets.labeled_pixels import CROWD, IGNORED, LabeledPixels
from cvdl.detection.models.segnet.training import SegNetTraining, trainer
from cvdl.detection.models.segnet.views import (
    MaskedImage,
    class_weights,
    object_borders,
    random_views,
    stacked,
)
from cvdl.evaluation.semantic import score_class_maps
from cvdl.networks.input import COLOR, HAS_COLOR, HAS_DEPTH, NORMAL_XY
from cvdl.training.augment import Augmentation
from cvdl.training.checkpoint import Run
from cvdl.training.loop import TrainingSettings

pytestmark = pytest.mark.usefixtures("one_thread")

CAMERA = Camera(320, 240, 560.0, 560.0, 159.5, 119.5)
PLAIN = Augmentation(color_gain=0, color_shift=0, no_color=0, no_depth=0, gray=0, relief_noise=0)


class Views(list):
    """Labeled views of bright boxes and dark bars."""

    classes = ("box", "bar")
    names = ()


def sample(seed, masks=True):
    rng = np.random.default_rng(seed)
    color = np.full((240, 320, 3), 130, np.uint8)
    depth = np.full((240, 320), 0.8, np.float32)
    seen = np.zeros((2, 240, 320), bool)
    for label, (width, height) in enumerate(((60, 60), (120, 30))):
        x = int(rng.integers(90, 230 - width))
        y = int(rng.integers(40, 90)) + 90 * label
        part = slice(y, y + height), slice(x, x + width)
        color[part] = (240, 30)[label]
        depth[part] -= 0.04
        seen[(label, *part)] = True
    frame = RgbdFrame(color, depth, CAMERA)
    return DetectionSample(
        f"view{seed}",
        frame,
        np.zeros((2, 4)),
        np.arange(2),
        np.zeros(2, bool),
        seen if masks else None,
    )


def settings(epochs, steps=2, **more):
    training = TrainingSettings(
        epochs=epochs, batch_size=4, learning_rate=3e-3, clip=5, device="cpu", **more
    )
    return SegNetTraining(training=training, steps=steps)


@pytest.mark.slow
def test_it_learns_four_images(tmp_path):
    views = Views(sample(seed) for seed in range(4))
    model = trainer().train(views, Views(), settings(1, 60), Run(tmp_path / "run"))
    figures = score_class_maps(model.class_map, views, views.classes).figures()
    assert figures["mean_iou"] > 0.8
    (found,) = model([views[0].frame])
    assert set(found.labels[:2]) == {0, 1}


@pytest.mark.slow
def test_a_resumed_run_equals_an_uninterrupted_one(resumes):
    views = Views(sample(seed) for seed in range(3))
    resumes(trainer().train, views, Views([sample(9)]), settings(2, 1))


def test_views_without_masks_raise(tmp_path):
    with pytest.raises(InputError, match="view3 has boxes without masks"):
        trainer().train(Views([sample(3, masks=False)]), Views(), settings(1), Run(tmp_path / "a"))
    empty = sample(0)
    empty = DetectionSample(
        "empty",
        empty.frame,
        np.zeros((0, 4)),
        np.zeros(0, np.int64),
        np.zeros(0, bool),
        np.zeros((0, 240, 320), bool),
    )
    with pytest.raises(InputError, match="no view has a labeled mask"):
        trainer().train(Views([empty]), Views(), settings(1), Run(tmp_path / "b"))


def views_of(image, seed, count=1):
    """Random views, their classes and the borders of their objects, as arrays."""
    torch.manual_seed(seed)
    batch = stacked([image] * count, np.random.default_rng(seed))
    return (some.numpy() for some in random_views(batch, PLAIN))


def test_classes_and_borders_follow_the_image():
    """The color shows the class, also in the view: within a pixel, and less in the mean."""
    off, met = [], 0
    for seed in range(30):
        image = MaskedImage.of(sample(seed), 2)
        (view,), (classes,), (meeting,) = views_of(image, seed)
        outside = view[HAS_COLOR] == 0
        assert (classes[1:-1, 1:-1][outside[1:-1, 1:-1]] == IGNORED).all()
        np.testing.assert_array_equal(meeting == IGNORED, classes >= 2)
        touches = cv2.dilate((classes == 0).view(np.uint8), np.ones((3, 3))) > 0
        touches &= cv2.dilate((classes == 1).view(np.uint8), np.ones((3, 3))) > 0
        np.testing.assert_array_equal(meeting == 1, touches & (classes < 2))
        met += touches.any()
        known = view[HAS_COLOR] > 0.99
        for label, pixels in enumerate((view[0] > 0.9, view[0] < -0.7)):
            middles = [
                np.argwhere(some & known).mean(axis=0)
                for some in (classes == label, pixels)
                if (some & known).sum() > 300
            ]
            if len(middles) == 2:
                off.append(middles[0] - middles[1])
    assert len(off) > 40
    assert met > 2
    assert np.abs(off).max() < 1
    assert np.abs(np.mean(off, axis=0)).max() < 0.12


def test_borders_are_where_two_objects_touch():
    things = torch.zeros(1, 1, 8, 10)
    things[..., 2:6, 1:5], things[..., 2:6, 5:9] = 1, 2
    things[..., 7, :] = CROWD
    expected = torch.full((1, 1, 8, 10), IGNORED)
    expected[..., 2:6, 1:9] = 0
    expected[..., 2:6, 4:6] = 1
    torch.testing.assert_close(object_borders(things), expected)


def test_the_normals_are_mirrored_with_the_image():
    """The image is lighter on the right, where the surface is nearer; so are the views."""
    tilted = sample(0)
    columns = np.arange(320)
    tilted.frame.depth[:] = 0.8 / (1 + 0.001 * columns)
    tilted.frame.color[:] = (columns * 0.7 + 20)[:, None]
    image = MaskedImage.of(tilted, 2)
    seen = set()
    for view in next(views_of(image, 0, 12)):
        known = (view[HAS_DEPTH] > 0.99) & (view[HAS_COLOR] > 0.99)
        columns = np.nonzero(known)[1]
        lighter = np.sign(np.polyfit(columns, view[COLOR].mean(axis=0)[known], 1)[0])
        facing = np.sign(np.median(view[NORMAL_XY.start][known]))
        seen.add((lighter, facing))
    towards = np.sign(np.median(image.image[NORMAL_XY.start][image.image[HAS_DEPTH] > 0]))
    assert seen == {(1, towards), (-1, -towards)}


@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.slow
def test_a_batch_of_crowds_changes_nothing(mixed, tmp_path):
    """The run continues with finite weights."""
    crowd = replace(sample(0), crowd=np.ones(2, bool), masks=np.ones((2, 240, 320), bool))
    views = Views([crowd, sample(1)])
    some = settings(1, 4, mixed_precision=mixed)
    some = some.model_copy(update={"training": some.training.model_copy(update={"batch_size": 1})})
    model = trainer().train(views, Views(), some, Run(tmp_path / "run"))
    assert all(tensor.isfinite().all() for tensor in model.state_dict().values())


def test_class_weights_are_the_root_of_median_frequency_balancing():
    def image(*pixels):
        """Pixels of classes 0, 1 and 2 in one row; the last is the background."""
        things = np.repeat(np.array([1, 2, 0], np.uint8), pixels)[None]
        classes = np.full(256, 2, np.uint8)
        classes[1:3], classes[255] = (0, 1), IGNORED
        return MaskedImage(np.zeros((9, 1, 1), np.float16), LabeledPixels(things, classes))

    weights = class_weights([image(40, 10, 50), image(20, 0, 80)], 3)
    frequency = np.array([60 / 200, 10 / 100, 130 / 200])
    np.testing.assert_allclose(weights, np.sqrt(np.median(frequency) / frequency), rtol=1e-6)
    assert class_weights([image(40, 0, 60)], 3)[1] == 0
