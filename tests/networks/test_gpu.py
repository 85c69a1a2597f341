"""On a GPU everything gives what it gives on the CPU, up to the products' precision."""

import gc
import weakref

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.overrides import TorchFunctionMode

from cvdl.core.camera import Camera
from cvdl.core.frame import RgbdFrame
from cvdl.datasets.detection_sample import DetectionSample
from cvdl.detection import load_detector as load_object_detector
from cvdl.detection.models.rgbd_rcnn.detector import RgbdRcnn
from cvdl.detection.models.rgbd_rcnn.training import RgbdTraining, trainer
from cvdl.evaluation.detection import report_on
from cvdl.grasping import load_grasp_detector
from cvdl.grasping.models.cascade.detector import CascadeDetector
from cvdl.networks import cuda_graphs as capture
from cvdl.networks.cuda_graphs import captured
from cvdl.networks.detailed_input import input_scale
from cvdl.networks.input_gpu import gpu_input
from cvdl.segmentation.instances.network import InstanceNetwork
from cvdl.training.checkpoint import Run
from cvdl.training.loop import TrainingSettings
from cvdl.warm_up import made_up_frame

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")


class Layer(torch.nn.Linear):
    """Counts how often it is run, not replayed."""

    runs = 0

    @captured
    def times(self, x, factor):
        self.runs += 1
        return (self(x) * factor,)


def test_without_a_gpu_the_method_is_called_directly():
    layer = Layer(4, 2)
    x = torch.rand(5, 4)
    (found,) = layer.times(x, factor=2)
    torch.testing.assert_close(found, 2 * layer(x))
    assert layer.runs == 1


@needs_gpu
@torch.inference_mode()
def test_a_replay_uses_new_inputs_and_weights():
    layer = Layer(4, 2).cuda()
    for factor in (1, 3):
        for _ in range(3):
            layer.weight.copy_(torch.rand(2, 4))
            x = torch.rand(5, 4, device="cuda")
            (found,) = layer.times(x, factor=factor)
            torch.testing.assert_close(found.float(), layer(x) * factor, rtol=1e-2, atol=1e-2)
    assert layer.runs == 2 * 4  # three to warm up and one captured


@pytest.mark.parametrize("load", [load_object_detector, load_grasp_detector])
def test_a_detector_is_freed_with_its_last_reference(load):
    """At once, and its graphs with it: not when Python next looks for cycles."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    detector = load(device=device)
    frame = made_up_frame()
    detector([frame] if load is load_object_detector else frame)
    alive = weakref.ref(detector)
    gc.disable()
    try:
        del detector
        assert alive() is None
    finally:
        gc.enable()


class NothingBrought(TorchFunctionMode):
    """No tensor is made of numbers that the CPU holds."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        assert function.__name__ not in {"tensor", "new_tensor", "as_tensor", "from_numpy"}
        return function(*args, **(kwargs or {}))


@pytest.mark.slow
def test_captured_methods_copy_nothing_from_the_cpu_and_do_not_wait(monkeypatch):
    """On a make-believe GPU, on which tensors have shapes but no values to choose by."""
    monkeypatch.setattr(capture, "_capture", lambda function, inputs: function)
    with torch.no_grad(), FakeTensorMode(), torch.device("cuda"):
        detector, cascade = RgbdRcnn(("can", "mug")).eval(), CascadeDetector().eval()
        instances = InstanceNetwork().eval()
        frame = torch.zeros(480, 640, 3, dtype=torch.uint8), torch.ones(480, 640), torch.ones(4)
        allowed = torch.ones(120, 160, dtype=torch.bool)
        with NothingBrought():
            channels = gpu_input(*frame)
            fine, wide = detector.backbone.features(channels, frame[0])
            (boxes,) = detector._propose(wide)
            maps = instances.maps(fine, wide)
            scale = input_scale(*frame[1:])[None]
            boxes, scores = detector._classify(fine, wide, scale, boxes)
            image = channels
            rectangles, first = cascade.propose(image, allowed, survivors=50)
            rectangles, score = cascade._judge(image, rectangles, first)
    assert (boxes.shape, scores.shape) == ((32, 4), (32, 2))
    assert [tuple(some.shape[1:]) for some in maps] == [(3, 240, 320), (240, 320), (2, 240, 320)]
    assert (rectangles.shape, score.shape) == ((50, 5), (50,))


@needs_gpu
def test_cpu_and_gpu_detect_the_same_objects():
    frame = made_up_frame()
    given = [np.array([[280.0, 190, 360, 270]]), np.zeros((0, 4))]
    cpu, gpu = (load_object_detector(device=device) for device in ("cpu", "cuda"))
    for proposals in given:
        (expected,), (found,) = (each([frame], [proposals]) for each in (cpu, gpu))
        assert len(expected) == pytest.approx(len(found), abs=3)
        np.testing.assert_allclose(found.scores[:1], expected.scores[:1], atol=0.02)
        np.testing.assert_allclose(found.boxes[:1], expected.boxes[:1], atol=1)


@needs_gpu
def test_cpu_and_gpu_find_the_same_grasps():
    frame = made_up_frame()
    mask = np.zeros((480, 640), bool)
    mask[180:280, 270:370] = True
    cpu, gpu = (load_grasp_detector(device=device, engine="torch") for device in ("cpu", "cuda"))
    expected, found = cpu(frame), gpu(frame)
    np.testing.assert_allclose(found.score[:3], expected.score[:3], atol=0.02)
    np.testing.assert_allclose(found.center[:3], expected.center[:3], atol=0.5)
    # A CPU looks at what is round the mask only, a GPU at everything.
    np.testing.assert_allclose(gpu(frame, mask).score[0], cpu(frame, mask).score[0], atol=0.05)
    assert len(gpu(frame, np.zeros((480, 640), bool))) == 0


@needs_gpu
def test_the_default_detector_trains_on_a_gpu(tmp_path):
    color = np.full((240, 320, 3), 130, np.uint8)
    color[60:120, 100:160] = 240
    depth = np.full((240, 320), 0.8, np.float32)
    depth[60:120, 100:160] = 0.76
    frame = RgbdFrame(color, depth, Camera(320, 240, 560.0, 560.0, 159.5, 119.5))
    view = DetectionSample(
        "view", frame, np.array([[100.0, 60, 160, 120]]), np.array([0]), np.zeros(1, bool)
    )

    class Views(list):
        classes = ("box",)
        names = ()

    training = TrainingSettings(
        epochs=2, batch_size=4, learning_rate=2e-3, clip=10, mixed_precision=True, device="cuda"
    )
    settings = RgbdTraining(training=training, steps=60)
    model = trainer().train(Views([view]), Views([view]), settings, Run(tmp_path / "run"))
    assert report_on(model, [view]).ap50 == pytest.approx(1.0)
