"""Training of the default detector: views, targets, losses, learning and resuming."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from cvdl.core.camera import Camera
from cvdl.core.errors import InputError
from cvdl.core.frame import RgbdFrame
from cvdl.datasets.detection_sample import DetectionSample
from cvdl.detection.models.rgbd_rcnn.detector import RgbdRcnn
from cvdl.detection.models.rgbd_rcnn.network import SIZES
from cvdl.detection.models.rgbd_rcnn.targets import (
    objects_of_cells,
    proposal_loss,
    region_loss,
    regions,
)
from cvdl.detection.models.rgbd_rcnn.training import RgbdTraining, trainer
from cvdl.evaluation.detection import report_on
from cvdl.networks.backbone import load_backbone, shared_backbone
from cvdl.networks.detailed_input import input_scale, with_detail
from cvdl.networks.input import NORMAL_XY
from cvdl.networks.input_gpu import input_tensor, uploaded
from cvdl.networks.weights import save_weights
from cvdl.segmentation.instances.network import InstanceNetwork
from cvdl.training.augment import Placement
from cvdl.training.box_views import LabeledImage, random_views, stacked
from cvdl.training.checkpoint import Run
from cvdl.training.detailed_views import DetailedImage
from cvdl.training.loop import TrainingSettings
from cvdl.training.losses import quality_focal_loss
from helpers.augmentation import UNDISTURBED

CAMERA = Camera(320, 240, 560.0, 560.0, 159.5, 119.5)


class Views(list):
    """Labeled views of bright boxes and dark bars."""

    classes = ("box", "bar")
    names = ()


def sample(seed):
    rng = np.random.default_rng(seed)
    color = np.full((240, 320, 3), 130, np.uint8)
    depth = np.full((240, 320), 0.8, np.float32)
    boxes, labels = [], []
    for label, (width, height) in enumerate(((60, 60), (120, 30))):
        x = int(rng.integers(90, 230 - width))
        y = int(rng.integers(40, 90)) + 90 * label
        color[y : y + height, x : x + width] = (240, 30)[label]
        depth[y : y + height, x : x + width] -= 0.04
        boxes.append([x, y, x + width, y + height])
        labels.append(label)
    frame = RgbdFrame(color, depth, CAMERA)
    return DetectionSample(
        f"view{seed}", frame, np.array(boxes, float), np.array(labels), np.zeros(2, bool)
    )


def settings(epochs, steps=2, backbone=None, **more):
    training = TrainingSettings(
        epochs=epochs, batch_size=4, learning_rate=2e-3, clip=10, device="cpu", **more
    )
    return RgbdTraining(training=training, steps=steps, backbone=backbone)


@pytest.mark.slow
def test_it_learns_four_images(tmp_path):
    views = Views(sample(seed) for seed in range(4))
    how = settings(1, 120, mixed_precision=True)
    model = trainer().train(views, Views(), how, Run(tmp_path / "run"))
    assert report_on(model, views).ap50 == pytest.approx(1.0)


@pytest.mark.slow
def test_a_resumed_run_equals_an_uninterrupted_one(resumes):
    views = Views(sample(seed) for seed in range(3))
    resumes(trainer().train, views, Views([sample(9)]), settings(2, 1))


@pytest.mark.slow
@pytest.mark.parametrize("owner", [InstanceNetwork(), RgbdRcnn(("cup",))])
def test_a_given_backbone_stays_as_it_is_and_is_shared(tmp_path, owner):
    path = tmp_path / "owner.safetensors"
    owner.save(path, {})
    views = Views([sample(0)])
    model = trainer().train(views, views, settings(2, 1, path), Run(tmp_path / "run"))
    trained, given = model.backbone.state_dict(), owner.backbone.state_dict()
    assert all(torch.equal(value, given[name]) for name, value in trained.items())
    model.save(tmp_path / "detector.safetensors", {})
    loaded = RgbdRcnn.load(tmp_path / "detector.safetensors", torch.device("cpu"))
    assert shared_backbone(load_backbone(path)) is loaded.backbone


def test_a_file_without_a_backbone_raises(tmp_path):
    path = tmp_path / "other.safetensors"
    save_weights(path, {}, {"model": "SegNetDetector"})
    words = "holds weights of SegNetDetector; expected weights of InstanceNetwork or RgbdRcnn"
    with pytest.raises(InputError, match=words):
        trainer().train(Views([sample(0)]), Views(), settings(1, 1, path), Run(tmp_path / "run"))


@pytest.mark.slow
def test_training_changes_no_network_in_use(tmp_path):
    path = tmp_path / "start.safetensors"
    RgbdRcnn(Views.classes).save(path, {})
    in_use = RgbdRcnn.load(path, torch.device("cpu"))
    before = in_use.backbone.fine[0][0].weight.clone()
    how = settings(1, 1).model_copy(update={"start": path})
    model = trainer().train(Views([sample(0)]), Views(), how, Run(tmp_path / "run"))
    assert torch.equal(in_use.backbone.fine[0][0].weight, before)
    assert not torch.equal(model.backbone.fine[0][0].weight, before)


def test_views_without_boxes_raise(tmp_path):
    empty = DetectionSample(
        "empty", sample(0).frame, np.zeros((0, 4)), np.zeros(0, np.int64), np.zeros(0, bool)
    )
    with pytest.raises(InputError, match="no view has a labeled box"):
        trainer().train(Views([empty]), Views(), settings(1), Run(tmp_path / "run"))


@pytest.mark.slow
def test_boxes_follow_the_view():
    """A moved box contains what the labeled box contained."""
    batch = stacked([LabeledImage.of(sample(3))] * 20, np.random.default_rng(0))
    torch.manual_seed(0)
    images, scales, boxes, labels = random_views(batch)
    seen = 0
    for image, scale, some, names in zip(images, scales, boxes, labels, strict=True):
        if image[3:7].any() and scale[0].any():
            assert scale[0][scale[1] > 0.99].max() == pytest.approx(0.8 / 560, rel=0.4)
        if not image[:3].any():  # color was dropped
            continue
        for box, label in zip(some[names >= 0], names[names >= 0], strict=True):
            x_min, y_min, x_max, y_max = (box / 2).round().int()
            inside = image[:3, y_min + 1 : y_max - 1, x_min + 1 : x_max - 1].mean()
            outside = image[:3, :, :2].mean()
            assert (inside > outside) == (label == 0)
            seen += 1
    assert seen > 20


def test_an_undisturbed_view_is_the_input_of_the_detector():
    """The view is larger than the image, which is in its middle, as it is or mirrored."""
    view = sample(3)
    where = Placement(
        torch.tensor([[[1.0, 0], [0, 1]], [[-1, 0], [0, 1]]]), torch.tensor([[80.0, 60]] * 2)
    )
    batch = stacked([LabeledImage.of(view)] * 2, np.random.default_rng(0))
    images, scales, boxes, labels = random_views(batch._replace(where=where), UNDISTURBED)
    rows, cols = slice(36, 156), slice(48, 208)
    color, depth, intrinsics = uploaded(view.frame, torch.device("cpu"))
    image = with_detail(input_tensor(view.frame, torch.device("cpu")), color)[0]
    scale = input_scale(depth, intrinsics)
    torch.testing.assert_close(images[0, :, rows, cols], image, rtol=0, atol=0.02)  # float16
    torch.testing.assert_close(scales[0, :, rows, cols], scale, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(
        boxes[0], torch.from_numpy(view.boxes).float() + torch.tensor([96.0, 72, 96, 72])
    )
    assert labels[0].tolist() == [0, 1]
    flipped = image.flip(2)
    flipped[NORMAL_XY.start] *= -1
    torch.testing.assert_close(images[1, :9, rows, cols], flipped[:9], rtol=0, atol=0.02)


def test_mixed_precision_moves_no_pixel():
    batch = stacked([LabeledImage.of(sample(3))] * 4, np.random.default_rng(0))
    views = []
    for mixed in (False, True):
        torch.manual_seed(0)
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
            views.append(random_views(batch))
    for exact, found in zip(*views, strict=True):
        torch.testing.assert_close(found[:, :9], exact[:, :9], rtol=0, atol=1e-4)


def test_images_of_several_sizes_make_one_batch():
    small, large = LabeledImage.of(sample(0)), LabeledImage.of(sample(1))
    part = DetailedImage(small.image.color[:, :100, :120], small.image.rest[:, :50, :60])
    small = replace(small, image=part)
    batch = stacked([small, large], np.random.default_rng(0))
    assert batch.color.shape == (2, 3, 240, 320)
    assert batch.rest.shape == (2, 8, 120, 160)
    assert not batch.rest[0, :, 50:].any()
    assert batch.rest[0, 4, :50, :60].all()
    assert batch.boxes.shape == (2, 2, 4)
    assert batch.labels.tolist() == [[0, 1], [0, 1]]


def test_correct_proposals_have_a_low_loss():
    truth = torch.tensor([[[40.0, 24, 72, 56], [0, 0, 0, 0]]])  # the first anchor's; cell 6, 4
    labels = torch.tensor([[5, -1]])
    logits, boxes = (
        torch.full((1, len(SIZES), 12, 16), -20.0),
        torch.zeros(1, len(SIZES), 12, 16, 4),
    )
    boxes[...] = truth[0, 0]
    missed, place = proposal_loss(logits, boxes, truth, labels)
    assert place == pytest.approx(0, abs=1e-6)
    logits[0, 0, 3:7, 5:9] = 20.0
    found, _ = proposal_loss(logits, boxes, truth, labels)
    assert found < 0.01 * missed
    logits[0, 2] = 20.0  # everywhere, at the largest anchor
    assert proposal_loss(logits, boxes, truth, labels)[0] > missed


def test_a_thin_object_has_a_cell():
    truth = torch.tensor([[[41.0, 10, 45, 90]]])
    boxes = torch.zeros(1, len(SIZES), 12, 16, 4) + truth[0, 0]
    logits = torch.zeros(1, len(SIZES), 12, 16)
    _, place = proposal_loss(logits, boxes + 2, truth, torch.tensor([[0]]))
    assert place > 0


def test_a_cell_predicts_the_nearer_of_two_objects():
    truth = torch.tensor([[[20.0, 20, 50, 50], [28, 20, 58, 50]]])  # middles at 35 and 43
    assigned, has = objects_of_cells(truth, torch.tensor([[0, 1]]), 12, 16)
    assert has[0, 0, 4, 4]
    assert assigned[0, 0, 4, 4] == 0  # its middle is at 36
    assert assigned[0, 0, 4, 5] == 1  # at 44


def test_regions_show_the_object_that_they_overlap_or_none():
    truth = torch.tensor([[[10.0, 10, 50, 50], [100, 100, 140, 180], [0, 0, 0, 0]]])
    proposals = torch.tensor([[[12.0, 12, 52, 52], [200, 200, 240, 240], [30, 30, 70, 70]]])
    boxes, label, wanted = regions(proposals, truth, torch.tensor([[7, 3, -1]]))
    assert boxes.shape == (1, len(label), 4)
    assert wanted.shape == boxes[0].shape
    by_box = {tuple(box.tolist()): int(of) for box, of in zip(boxes[0], label, strict=True)}
    assert by_box[12, 12, 52, 52] == 7
    assert by_box[200, 200, 240, 240] == by_box[30, 30, 70, 70] == -1
    assert set(label.tolist()) == {7, 3, -1}


def test_at_most_half_of_the_regions_show_objects_and_the_best_others_follow():
    shown = torch.tensor([10.0, 10, 50, 50])
    empty = torch.tensor([200.0, 200, 240, 240]) + torch.arange(60)[:, None]
    proposals = torch.cat([shown.expand(40, 4), empty])[None]
    boxes, label, _ = regions(proposals, shown[None, None], torch.tensor([[2]]))
    assert (label == 2).sum() == (label == -1).sum() == len(label) / 2
    torch.testing.assert_close(boxes[0, 16:], empty[:16])


def test_the_loss_of_the_correct_class_and_box_is_zero():
    boxes = torch.tensor([[10.0, 10, 50, 50], [60, 60, 90, 90]])
    logits = torch.full((2, 3), -20.0)
    logits[0, 1] = 20.0
    right = region_loss(logits, torch.zeros(2, 4), boxes, torch.tensor([1, -1]), boxes)
    assert sum(right) == pytest.approx(0, abs=1e-4)
    wrong = region_loss(logits, torch.zeros(2, 4), boxes, torch.tensor([2, -1]), boxes)
    assert wrong[0] > 10


def test_the_focal_loss_is_smallest_at_the_target():
    losses = [
        float(quality_focal_loss(torch.logit(torch.tensor([p])), torch.tensor([0.7])))
        for p in (0.5, 0.7, 0.9)
    ]
    assert losses[1] < min(losses[0], losses[2])
    assert losses[1] == pytest.approx(0, abs=1e-6)
