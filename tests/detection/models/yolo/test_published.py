"""The network of the paper: its loss by hand, its boxes, its views, its training."""

import numpy as np
import pytest
import torch

from cvdl.core.camera import Camera
from cvdl.core.config import load_settings
from cvdl.core.errors import InputError
from cvdl.core.frame import RgbdFrame
from cvdl.datasets.detection_sample import DetectionSample
from cvdl.detection import load_detector
from cvdl.detection.models.yolo.detector import Yolo
from cvdl.detection.models.yolo.published import PublishedNetwork, decode_grid
from cvdl.detection.models.yolo.published_loss import published_loss
from cvdl.detection.models.yolo.published_views import published_views
from cvdl.detection.models.yolo.training import YoloTraining, trainer
from cvdl.evaluation.detection import report_on
from cvdl.training.checkpoint import Run
from cvdl.training.loop import TrainingSettings

pytestmark = pytest.mark.usefixtures("one_thread")

CAMERA = Camera(160, 120, 140.0, 140.0, 79.5, 59.5)
GREY = np.full(3, 128, np.uint8)


class Views(list):
    """Labeled views of bright boxes and dark bars."""

    classes = ("box", "bar")
    names = ()


def sample(seed):
    rng = np.random.default_rng(seed)
    color = np.full((120, 160, 3), 130, np.uint8)
    boxes = []
    for label, (width, height) in enumerate(((40, 30), (70, 20))):
        x, y = int(rng.integers(10, 80)), int(rng.integers(5, 25)) + 55 * label
        color[y : y + height, x : x + width] = (240, 30)[label]
        boxes.append([x, y, x + width, y + height])
    frame = RgbdFrame(color, np.full((120, 160), np.nan, np.float32), CAMERA)
    return DetectionSample(
        f"view{seed}", frame, np.array(boxes, float), np.arange(2), np.zeros(2, bool)
    )


def settings(**more):
    how = TrainingSettings(
        epochs=1, batch_size=4, learning_rate=5e-4, optimizer="adam", warmup=0.3, device="cpu"
    )
    return YoloTraining(style="published", training=how, image_size=128, **more)


def cells(classes=2):
    """A grid of 2 x 2 cells with two boxes each, that predicts nothing."""
    return torch.zeros(1, 2, 2, 10 + classes)


TRUTH = torch.tensor([[[0.05, 0.1, 0.30, 0.46], [0.0, 0.0, 0.0, 0.0]]])  # in the cell 0, 0
LABELS = torch.tensor([[1, -1]])


def test_the_loss_of_cells_that_predict_nothing():
    """Center 0.175, 0.28, which are 0.35, 0.56 of the cell; size 0.25, 0.36, roots 0.5, 0.6."""
    parts = published_loss(cells(), TRUTH, LABELS, 2)
    assert float(parts["centers"]) == pytest.approx(5 * (0.35**2 + 0.56**2))
    assert float(parts["sizes"]) == pytest.approx(5 * (0.5**2 + 0.6**2))
    assert float(parts["objects"]) == pytest.approx(0)  # an overlap of 0 is what it predicts
    assert float(parts["empty"]) == pytest.approx(0)
    assert float(parts["classes"]) == pytest.approx(1)


def test_the_box_with_the_larger_overlap_is_responsible():
    outputs = cells()
    # Inside of the object, half as wide and as high: an overlap of 1/4.
    outputs[0, 0, 0, :5] = torch.tensor([0.35, 0.56, 0.125**0.5, 0.18**0.5, 0.7])
    # Around it, with twice the area: an overlap of 1/2.
    outputs[0, 0, 0, 5:10] = torch.tensor([0.35, 0.56, 0.5**0.5, 0.6, 0.9])
    outputs[0, 0, 0, 10:] = torch.tensor([0.2, 0.9])
    outputs[0, 1, 1, 4] = 0.4
    parts = published_loss(outputs, TRUTH, LABELS, 2)
    assert float(parts["centers"]) == pytest.approx(0, abs=1e-6)
    assert float(parts["sizes"]) == pytest.approx(5 * (0.5**0.5 - 0.5) ** 2, rel=1e-4)
    assert float(parts["objects"]) == pytest.approx((0.9 - 0.5) ** 2, rel=1e-4)
    assert float(parts["empty"]) == pytest.approx(0.5 * (0.7**2 + 0.4**2), rel=1e-4)
    assert float(parts["classes"]) == pytest.approx(0.2**2 + 0.1**2, rel=1e-4)


def test_without_any_overlap_the_nearest_box_is_responsible():
    outputs = cells()
    outputs[0, 0, 0, :5] = torch.tensor([0.9, 0.9, 0.1, 0.1, 0.3])
    outputs[0, 0, 0, 5:10] = torch.tensor([0.35, 0.95, 0.1, 0.1, 0.6])
    parts = published_loss(outputs, TRUTH, LABELS, 2)
    assert float(parts["objects"]) == pytest.approx(0.6**2)
    assert float(parts["empty"]) == pytest.approx(0.5 * 0.3**2)


def test_a_cell_predicts_the_first_of_its_objects():
    both = torch.tensor([[[0.05, 0.1, 0.30, 0.46], [0.1, 0.1, 0.2, 0.2]]])
    expected = published_loss(cells(), both[:, :1], torch.tensor([[1]]), 2)
    assert published_loss(cells(), both, torch.tensor([[1, 0]]), 2) == expected


def test_the_loss_is_a_mean_over_images_and_empty_ones_count():
    outputs = torch.cat([cells(), cells()])
    truth, labels = TRUTH.repeat(2, 1, 1), torch.tensor([[1, -1], [-1, -1]])
    one = published_loss(cells(), TRUTH, LABELS, 2)
    for name, value in published_loss(outputs, truth, labels, 2).items():
        assert float(value) == pytest.approx(float(one[name]) / 2)


def test_boxes_and_scores_are_those_of_each_cell():
    torch.manual_seed(0)
    outputs = torch.rand(2, 3, 3, 2 * 5 + 4)
    boxes, scores = decode_grid(outputs, 4)
    numbers = outputs.numpy()
    row = 0
    for i in range(3):
        for j in range(3):
            for b in range(2):
                x, y, w, h, confidence = numbers[1, i, j, 5 * b : 5 * b + 5]
                middle = np.array([(j + x) / 3, (i + y) / 3])
                half = np.array([w, h]) ** 2 / 2
                expected = np.concatenate([middle - half, middle + half]).clip(0, 1)
                np.testing.assert_allclose(boxes[1, row], expected, atol=1e-6)
                np.testing.assert_allclose(
                    scores[1, row], confidence * numbers[1, i, j, 10:], rtol=1e-5
                )
                row += 1
    assert row == boxes.shape[1]


def test_scores_are_chances_though_outputs_are_not():
    outputs = torch.tensor([-1.0, 2.0]).repeat(1, 2, 2, 7)
    boxes, scores = decode_grid(outputs, 4)
    for some in (boxes, scores):
        assert some.min() >= 0
        assert some.max() <= 1


def test_views_are_scaled_and_moved_by_a_fifth_at_most_and_boxes_follow():
    views = [sample(seed) for seed in range(20)]
    batch = published_views(views, 128, GREY, 0.2, np.random.default_rng(0))
    assert batch.color.shape == (20, 128, 128, 3)
    moved = []
    for image, boxes, labels, view in zip(*batch, views, strict=True):
        for box, label in zip(boxes[labels >= 0], labels[labels >= 0], strict=True):
            x_min, y_min, x_max, y_max = (box * 128).round().int()
            inside = image[y_min + 2 : y_max - 2, x_min + 2 : x_max - 2].float().mean()
            assert (inside > 150) == (label == 0)
            moved += (box.numpy() - view.boxes[label] / [160, 120, 160, 120]).tolist()
    assert 0.1 < np.abs(moved).max() < 0.5


def test_an_unchanged_view_is_the_image():
    view = sample(1)
    batch = published_views([view], 128, GREY, 0, np.random.default_rng(0), color=1)
    np.testing.assert_allclose(
        batch.boxes[0] * 128, view.boxes * [0.8, 128 / 120, 0.8, 128 / 120], rtol=1e-5
    )
    assert batch.color[0].float().std() > 10


def test_exposure_and_saturation_change_and_the_hue_stays():
    view = sample(0)
    view.frame.color[:] = (120, 80, 40)
    views = [view] * 30
    batch = published_views(views, 64, GREY, 0, np.random.default_rng(0))
    colors = batch.color.float().mean((1, 2))
    brightness = colors.max(1).values
    assert brightness.min() < 100 < 150 < brightness.max()
    order = colors.argsort(dim=1)
    assert (order == order[0]).all()


@pytest.mark.slow
def test_it_learns_four_images(tmp_path):
    views = Views(sample(seed) for seed in range(4))
    model = trainer().train(
        Views(60 * views), Views(), settings(dropout=0, jitter=0), Run(tmp_path / "run")
    )
    assert report_on(model, views).ap50 == pytest.approx(1.0)


def test_a_loaded_detector_is_the_same(tmp_path):
    torch.manual_seed(0)
    network = PublishedNetwork(3, 128, boxes=3, mean=(1.0, 2, 3))
    torch.nn.init.constant_(network.connected[-1].bias, 0.4)
    model = Yolo(("can", "mug", "ball"), network).eval()
    path = tmp_path / "yolo.safetensors"
    model.save(path, {})
    loaded = load_detector("yolo", path, "cpu")
    assert isinstance(loaded, Yolo)
    assert isinstance(loaded.network, PublishedNetwork)
    assert (loaded.classes, loaded.network.size) == (model.classes, 128)
    frame = sample(0).frame
    (found,), (expected,) = loaded([frame]), model([frame])
    np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-4)
    assert len(found)


def test_the_defaults_of_the_style_are_those_of_the_paper():
    paper = load_settings(YoloTraining, overrides=["style=published", "training.epochs=9"])
    assert (paper.training.optimizer, paper.training.epochs) == ("sgd", 9)
    assert (paper.training.batch_size, paper.training.weight_decay) == (64, 5e-4)
    assert load_settings(YoloTraining).training.optimizer == "adamw"
    with pytest.raises(InputError, match=r"style is 'v8': accepted: modern, published"):
        load_settings(YoloTraining, overrides=["style=v8"])
    with pytest.raises(InputError, match="image_size is 400"):
        load_settings(YoloTraining, overrides=["image_size=400"])
