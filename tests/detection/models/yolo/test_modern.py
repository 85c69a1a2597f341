"""The modern network: cells, assignment, losses, kept features, training."""

import numpy as np
import pytest
import torch

from cvdl.core.camera import Camera
from cvdl.core.errors import InputError
from cvdl.core.frame import RgbdFrame
from cvdl.datasets.detection_sample import DetectionSample
from cvdl.detection import load_detector
from cvdl.detection.models.rgbd_rcnn.detector import RgbdRcnn
from cvdl.detection.models.yolo.assignment import assign, modern_loss
from cvdl.detection.models.yolo.detector import Yolo, packaged_backbone
from cvdl.detection.models.yolo.frames import known_scale, scale_of_cells
from cvdl.detection.models.yolo.kept_features import FeatureBatch, KeptViews
from cvdl.detection.models.yolo.modern import BINS, STRIDES, Cells, ModernHead, boxes_of
from cvdl.detection.models.yolo.training import YoloTraining, trainer
from cvdl.evaluation.detection import report_on
from cvdl.networks.backbone import backbone_features
from cvdl.networks.weights import load_weights, save_weights
from cvdl.training.checkpoint import Run
from cvdl.training.loop import TrainingSettings

pytestmark = pytest.mark.usefixtures("one_thread")

CAMERA = Camera(320, 240, 560.0, 560.0, 159.5, 119.5)
CPU = torch.device("cpu")


class Views(list):
    """Labeled views of bright boxes and dark bars."""

    classes = ("box", "bar")
    names = ()


def sample(seed):
    rng = np.random.default_rng(seed)
    color = np.full((240, 320, 3), 130, np.uint8)
    depth = np.full((240, 320), 0.8, np.float32)
    boxes = []
    for label, (width, height) in enumerate(((60, 60), (120, 30))):
        x, y = int(rng.integers(90, 230 - width)), int(rng.integers(40, 90)) + 90 * label
        color[y : y + height, x : x + width] = (240, 30)[label]
        depth[y : y + height, x : x + width] -= 0.04
        boxes.append([x, y, x + width, y + height])
    frame = RgbdFrame(color, depth, CAMERA)
    return DetectionSample(
        f"view{seed}", frame, np.array(boxes, float), np.arange(2), np.zeros(2, bool)
    )


def settings(epochs=1, views=1, **more):
    how = TrainingSettings(
        epochs=epochs, batch_size=4, learning_rate=4e-3, clip=10, device="cpu", **more
    )
    return YoloTraining(training=how, views=views)


def predicted(boxes, score=0.5, classes=2, height=96, width=128):
    """Cells of an image that all predict the same score; and their boxes (1, N, 4)."""
    centers, strides = [], []
    for stride in STRIDES:
        y, x = np.mgrid[stride / 2 : height : stride, stride / 2 : width : stride]
        centers.append(np.stack([x, y], -1).reshape(-1, 2))
        strides.append(np.full(len(centers[-1]), stride))
    centers = torch.from_numpy(np.concatenate(centers)).float()
    strides = torch.from_numpy(np.concatenate(strides)).float()
    logits = torch.full((1, len(centers), classes), float(np.log(score / (1 - score))))
    cells = Cells(logits, torch.zeros(1, len(centers), 4, BINS), centers, strides)
    return cells, torch.tensor(boxes).float().expand(1, len(centers), 4).clone()


def test_cells_are_at_the_centers_of_three_strides():
    head = ModernHead(3).eval()
    cells = head(torch.rand(2, 48, 24, 32), torch.rand(2, 96, 12, 16), torch.zeros(2, 2, 12, 16))
    count = 12 * 16 + 6 * 8 + 3 * 4
    assert cells.logits.shape == (2, count, 3)
    assert cells.edges.shape == (2, count, 4, BINS)
    expected, _ = predicted([0, 0, 1, 1])
    assert torch.equal(cells.centers, expected.centers)
    assert torch.equal(cells.strides, expected.strides)
    assert float(cells.logits.detach().sigmoid().mean()) == pytest.approx(0.01, rel=0.5)


def test_boxes_are_means_of_the_distributions_around_the_centers():
    torch.manual_seed(0)
    cells, _ = predicted([0, 0, 1, 1])
    cells = cells._replace(edges=torch.randn(1, len(cells.centers), 4, BINS))
    boxes = boxes_of(cells)[0].numpy()
    for row in (0, 17, 200, -1):
        weights = np.exp(cells.edges[0, row].double().numpy())
        distance = (weights / weights.sum(1, keepdims=True)) @ np.arange(BINS)
        distance *= float(cells.strides[row])
        x, y = cells.centers[row].tolist()
        expected = [x - distance[0], y - distance[1], x + distance[2], y + distance[3]]
        np.testing.assert_allclose(boxes[row], expected, rtol=1e-4, atol=1e-3)


def test_an_object_gets_the_cells_that_predict_it_best():
    truth, labels = torch.tensor([[[20.0, 20, 60, 60]]]), torch.tensor([[1]])
    cells, boxes = predicted([20, 20, 60, 40])
    inside = ((cells.centers > 20) & (cells.centers < 60)).all(1).nonzero()[:, 0]
    best = inside[torch.tensor([3, 7, 11])]
    boxes[0, best] = truth[0, 0]
    boxes[0, 0] = truth[0, 0]  # a cell outside of the object
    found = assign(cells, boxes, truth, labels)
    assert found.has_object[0].sum() == 13
    assert found.has_object[0, best].all()
    assert not found.has_object[0, 0]
    assert found.quality[0, best].tolist() == pytest.approx([1, 1, 1])  # the largest overlap
    others = found.quality[0][found.has_object[0]].sort().values[:-3]
    assert others.tolist() == pytest.approx([0.5**6] * 10, rel=1e-4)


def test_a_cell_of_two_objects_gets_the_one_that_its_box_overlaps_most():
    truth = torch.tensor([[[16.0, 16, 32, 32], [16, 16, 40, 32]]])
    cells, boxes = predicted([16, 16, 40, 32])  # each object has fewer than 13
    found = assign(cells, boxes, truth, torch.tensor([[0, 1]]))
    assert found.has_object.any()
    assert (found.place[found.has_object] == 1).all()


def test_an_object_thinner_than_a_cell_has_cells_and_padding_has_none():
    truth = torch.tensor([[[41.0, 10, 43, 90], [0, 0, 0, 0]]])
    cells, boxes = predicted([30, 10, 50, 90])
    found = assign(cells, boxes, truth, torch.tensor([[0, -1]]))
    assert found.has_object.any()
    assert (cells.centers[found.has_object[0]][:, 0] - 42).abs().max() <= 4
    assert (found.place[found.has_object] == 0).all()


def test_correct_predictions_have_a_low_loss():
    truth, labels = torch.tensor([[[20.0, 20, 60, 60], [0, 0, 0, 0]]]), torch.tensor([[1, -1]])
    cells, _ = predicted([0, 0, 1, 1], 1e-4)
    distance = torch.cat([cells.centers - truth[0, 0, :2], truth[0, 0, 2:] - cells.centers], 1)
    bins = distance.clamp(min=0) / cells.strides[:, None]
    # Two neighboring values with the mean that is wanted.
    share = 1 - (bins[..., None] - torch.arange(BINS)).abs()
    right = cells._replace(edges=share.clamp(min=1e-9).log()[None])
    wrong = modern_loss(cells, truth, labels)
    right.logits[assign(right, boxes_of(right), truth, labels).has_object] = torch.tensor([-9.0, 9])
    found = modern_loss(right, truth, labels)
    assert found["boxes"] < 0.01 * wrong["boxes"]
    assert found["edges"] < wrong["edges"]
    other = right._replace(logits=right.logits.flip(2))
    assert found["scores"] < 0.1 * modern_loss(other, truth, labels)["scores"]


def test_views_without_objects_have_a_loss():
    cells, _ = predicted([0, 0, 1, 1], 0.5)
    parts = modern_loss(cells, torch.zeros(1, 1, 4), torch.tensor([[-1]]))
    assert parts["scores"] > 0
    assert parts["boxes"] == parts["edges"] == 0


def test_the_scale_is_the_logarithm_of_meters_per_pixel():
    view = sample(0).frame
    view.depth[:] = 0.8
    view.depth[:32] = np.nan
    log, known = scale_of_cells(view)
    assert log.shape == (32, 40)  # 120 x 160 pixels, padded to 128 x 160
    np.testing.assert_allclose(log[4:30], np.log(0.8 / 560 / 0.0014), atol=1e-5)
    assert known[4:30].all()
    for some in (log, known):
        assert not some[:4].any()
        assert not some[30:].any()
    np.testing.assert_allclose(known_scale(np.float32(0.0014) / 2, np.float32(0.5)), [0, 1])


def test_kept_features_are_those_of_the_backbone():
    views = [sample(seed) for seed in range(3)]
    torch.manual_seed(0)
    kept = KeptViews(views, 2, packaged_backbone(CPU), 0)
    assert len(kept) == 6
    fine, wide, scale = kept.features(FeatureBatch.of([kept[0], kept[5]]))
    assert (fine.shape, wide.shape) == ((2, 48, 96, 128), (2, 96, 48, 64))
    assert scale.shape == (2, 2, 48, 64)
    (whole, far) = backbone_features(views[0].frame, packaged_backbone(CPU))
    for some, exact in ((fine, whole), (wide, far)):
        assert 0.3 < some.mean() / exact.mean() < 3
        assert some.max() < 3 * exact.max()


@pytest.mark.slow
def test_it_learns_four_images(tmp_path):
    views = Views(sample(seed) for seed in range(4))
    model = trainer().train(views, Views(), settings(8, 6), Run(tmp_path / "run"))
    assert report_on(model, views).ap50 == pytest.approx(1.0)


@pytest.mark.slow
def test_a_resumed_run_equals_an_uninterrupted_one(resumes):
    views = Views(sample(seed) for seed in range(2))
    resumes(trainer().train, views, Views([sample(9)]), settings(2))


def untrained(backbone=None):
    torch.manual_seed(0)
    head = ModernHead(3)
    for branch in head.scores:
        torch.nn.init.constant_(branch[-1].bias, -2.0)
    return Yolo(("can", "mug", "ball"), head, backbone).eval()


def test_weights_hold_the_head_alone_and_use_the_backbone_of_the_package(tmp_path):
    model, path = untrained(), tmp_path / "yolo.safetensors"
    model.save(path, {})
    assert not any("backbone" in name for name in load_weights(path, "Yolo")[0])
    loaded = load_detector("yolo", path, "cpu")
    assert loaded.classes == model.classes
    frame = sample(0).frame
    (found,), (expected,) = loaded([frame]), model([frame])
    np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-4)
    assert len(found)


def test_weights_of_another_backbone_are_refused(tmp_path):
    path = tmp_path / "yolo.safetensors"
    model = untrained()
    save_weights(
        path,
        model.state_dict(),
        {"model": "Yolo", "classes": '["can", "mug", "ball"]', "backbone": "another"},
    )
    with pytest.raises(InputError, match=r"another version of instances\.safetensors"):
        load_detector("yolo", path, "cpu")


def test_a_backbone_of_its_own_is_kept_with_the_weights(tmp_path):
    owner, path = RgbdRcnn(("cup",)), tmp_path / "owner.safetensors"
    owner.save(path, {})
    how = settings().model_copy(update={"backbone": path})
    model = trainer().train(Views([sample(0)]), Views(), how, Run(tmp_path / "run"))
    model.save(tmp_path / "yolo.safetensors", {})
    own = Yolo.load(tmp_path / "yolo.safetensors", CPU).backbone
    assert own is not None
    given = owner.backbone.state_dict()
    assert all(torch.equal(some, given[name]) for name, some in own.state_dict().items())


def test_training_starts_from_weights_with_the_same_classes_only(tmp_path):
    path = tmp_path / "yolo.safetensors"
    untrained().save(path, {})
    how = settings().model_copy(update={"start": path})
    with pytest.raises(InputError, match="is modern and knows the classes can, mug, ball"):
        trainer().train(Views([sample(0)]), Views(), how, Run(tmp_path / "run"))


def test_weights_of_another_number_of_classes_are_refused(tmp_path):
    path = tmp_path / "weights.safetensors"
    save_weights(path, untrained().state_dict(), {"model": "Yolo", "classes": '["can", "mug"]'})
    with pytest.raises(InputError, match=r"network\.scores\.0\.1\.(bias|weight) is 3.*expects 2"):
        load_detector("yolo", path, "cpu")


@pytest.mark.parametrize("size", [(16, 12), (2, 2), (30, 200), (1, 1)])
def test_boxes_are_in_images_of_any_size(size):
    width, height = size
    frame = RgbdFrame(
        np.zeros((height, width, 3), np.uint8),
        np.full((height, width), np.nan, np.float32),
        Camera(width, height, 570.0, 570.0, width / 2, height / 2),
    )
    (found,) = untrained()([frame])
    assert (found.boxes >= 0).all()
    assert (found.boxes <= [width, height, width, height]).all()
