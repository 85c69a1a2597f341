"""Training of the instance network: learning, resuming and what it starts from."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from cvdl.core.errors import InputError
from cvdl.detection.models.rgbd_rcnn.detector import RgbdRcnn
from cvdl.evaluation.instances import score_instances
from cvdl.networks.weights import save_weights
from cvdl.segmentation.instances.loading import WEIGHTS
from cvdl.segmentation.instances.model import InstanceModel
from cvdl.segmentation.instances.network import InstanceNetwork
from cvdl.segmentation.instances.training import InstanceTask, InstanceTraining, trainer
from cvdl.training.checkpoint import Run
from cvdl.training.loop import TrainingSettings

pytestmark = pytest.mark.usefixtures("one_thread", "small_views")

CPU = torch.device("cpu")


def settings(epochs, steps=1, **more):
    training = TrainingSettings(
        epochs=epochs, batch_size=3, learning_rate=3e-3, clip=5, device="cpu"
    )
    return InstanceTraining(training=training, steps=steps, **more)


def equal(one, other):
    states = one.state_dict(), other.state_dict()
    return all(torch.equal(value, states[1][name]) for name, value in states[0].items())


@pytest.mark.slow
def test_it_learns_domes_on_a_table(views, tmp_path):
    some, others = views(0, 1, 2, 3), views(8, 9)
    network = trainer().train(some, views(), settings(1, 60), Run(tmp_path / "run"))
    figures = score_instances(network, others, others.classes).figures()
    assert figures["found"] == 1
    assert min(figures[f"iou_{kind}"] for kind in ("nothing", "support", "object")) > 0.8
    path = tmp_path / "instances.safetensors"
    network.save(path, {"data": "domes"})
    frame = some[0].frame
    first, again = InstanceModel.load(path, CPU)(frame), InstanceModel(network, CPU)(frame)
    np.testing.assert_array_equal(first.label_image(), again.label_image())


@pytest.mark.slow
def test_a_resumed_run_equals_an_uninterrupted_one(views, resumes):
    resumes(trainer().train, views(0, 1), views(9), settings(2))


def test_it_starts_from_what_is_named(views, tmp_path):
    def start(name):
        return InstanceTask(views(0), (), settings(1, start=str(name))).model

    network, path = InstanceNetwork(), tmp_path / "instances.safetensors"
    network.save(path, {})
    assert equal(start(path), network)
    assert equal(start("package"), InstanceModel.load(WEIGHTS, CPU).network)
    detector, path = RgbdRcnn(("cup",)), tmp_path / "rgbd_rcnn.safetensors"
    detector.save(path, {})
    assert equal(detector.backbone, start(path).backbone)
    assert not equal(detector.backbone, start("none").backbone)


def test_the_color_encoder_is_not_trained(views, tmp_path):
    packaged = InstanceModel.load(WEIGHTS, CPU).network.backbone.color.encoder
    start = InstanceTask(views(0), (), settings(1, start="none")).model
    assert equal(start.backbone.color.encoder, packaged)
    trained = trainer().train(views(0), (), settings(1, start="none"), Run(tmp_path / "run"))
    assert equal(trained.backbone.color.encoder, packaged)
    assert not equal(trained.backbone.color.projections, start.backbone.color.projections)


def test_bad_input_raises(views, tmp_path):
    (sample,) = views(0)
    empty = [replace(sample, labels=np.ones_like(sample.labels))]
    with pytest.raises(InputError, match="no view has a labeled object"):
        trainer().train(empty, (), settings(1, start="none"), Run(tmp_path / "run"))
    path = tmp_path / "other.safetensors"
    save_weights(path, {}, {"model": "SegNetDetector"})
    for start, words in (
        (path, "holds weights of SegNetDetector; expected weights of InstanceNetwork or RgbdRcnn"),
        (tmp_path / "nowhere", "nowhere: no such file; expected weights of InstanceNetwork or"),
    ):
        with pytest.raises(InputError, match=words):
            trainer().train(views(0), (), settings(1, start=str(start)), Run(tmp_path / "run"))
