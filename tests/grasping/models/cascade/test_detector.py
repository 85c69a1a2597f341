"""The detector as the rest of the stack sees it, with untrained networks."""

import numpy as np
import pytest
import torch

from cvdl.core.camera import Camera
from cvdl.core.errors import InputError
from cvdl.core.frame import RgbdFrame
from cvdl.grasping.models.cascade.detector import CascadeDetector
from cvdl.grasping.models.cascade.frames import STRIDE
from cvdl.grasping.models.cascade.geometry import cut_patches, refine
from cvdl.networks.input import network_input
from cvdl.networks.weights import save_weights
from cvdl.networks.working_size import to_working_size

CAMERA = Camera(160, 120, 560.0, 560.0, 79.5, 59.5)


@pytest.fixture(scope="module")
def detector():
    torch.manual_seed(0)
    model = CascadeDetector()
    for network in (model.dense, model.second):  # scores that differ from place to place
        for name, parameter in network.named_parameters():
            if name.startswith(("scores", "score", "delta")):
                torch.nn.init.normal_(parameter, 0, 0.05)
    return model.eval()


@pytest.fixture
def frame():
    rng = np.random.default_rng(0)
    color = rng.integers(0, 255, (120, 160, 3), dtype=np.uint8)
    return RgbdFrame(color, np.full((120, 160), 0.8, np.float32), CAMERA)


def test_the_best_come_first_and_no_more_than_asked(detector, frame):
    found = detector(frame)
    assert 1 < len(found) <= 100
    assert (np.diff(found.score) <= 0).all()
    np.testing.assert_array_equal(detector(frame, count=3).center, found.center[:3])


def test_the_second_network_judges_every_survivor(detector, frame):
    """What comes out is what it says of each by itself, and a little of what the first says."""
    image = torch.from_numpy(network_input(frame)[None])
    with torch.inference_mode():
        rectangles, scores = detector.search(image, survivors=20)
        proposed, first = detector.propose(
            image, torch.ones(30, 40, dtype=torch.bool), survivors=20
        )
        for index, proposal in enumerate(proposed):
            logit, delta = detector.second(cut_patches(image, proposal[None, None])[0])
            both = logit[0] + 0.25 * first[index]
            torch.testing.assert_close(scores[index], both.sigmoid(), rtol=1e-3, atol=1e-4)
            torch.testing.assert_close(
                rectangles[index], refine(proposal, delta[0]), rtol=1e-3, atol=1e-2
            )


def test_candidates_lie_in_the_mask(detector, frame):
    mask = np.zeros((120, 160), bool)
    mask[40:80, 100:140] = True
    cells = torch.from_numpy(mask[::STRIDE, ::STRIDE].copy())
    image = torch.from_numpy(network_input(frame)[None])
    with torch.inference_mode():
        every, _ = detector.propose(image, torch.ones_like(cells), survivors=20)
        some, _ = detector.propose(image, cells, survivors=20)
    slack = 22 + STRIDE  # a proposal may be shifted from its cell
    assert len(some)
    assert (some[:, 0] > 100 - slack).all()
    assert (some[:, 0] < 140 + slack).all()
    assert every[:, 0].min() < 60


@pytest.mark.parametrize("depth", [0.8, np.nan, 0.0])
def test_an_empty_mask_gives_nothing_and_missing_depth_is_no_obstacle(detector, frame, depth):
    flat = RgbdFrame(frame.color, np.full((120, 160), depth, np.float32), CAMERA)
    assert len(detector(flat, np.zeros((120, 160), bool))) == 0
    found = detector(flat)
    assert len(found)
    assert np.isfinite(found.corners()).all()


@pytest.mark.parametrize(("width", "height"), [(101, 75), (161, 121), (4, 4), (3, 50), (1, 1)])
def test_sizes_that_are_no_multiple_of_the_networks_stride(detector, width, height):
    camera = Camera(width, height, 560.0, 560.0, width / 2, height / 2)
    depth = np.full((height, width), 0.5, np.float32)
    odd = RgbdFrame(np.zeros((height, width, 3), np.uint8), depth, camera)
    for mask in (None, np.ones((height, width), bool)):
        assert np.isfinite(detector(odd, mask).corners()).all()


def test_a_frame_of_another_camera_is_seen_in_the_networks_size(detector, frame):
    large = RgbdFrame(
        frame.color.repeat(2, 0).repeat(2, 1),
        frame.depth.repeat(2, 0).repeat(2, 1),
        Camera(320, 240, 2 * CAMERA.fx, 2 * CAMERA.fy, 159.5, 119.5),
    )
    mask = np.zeros((240, 320), bool)
    mask[60:160, 100:220] = True
    found = detector(large, mask, count=5)
    assert mask[found.center[:, 1].astype(int), found.center[:, 0].astype(int)].mean() > 0.5
    judged = detector.judge(large, found)
    assert judged.shape == (len(found),)
    small, factors = to_working_size(large)
    expected = detector.judge(small, found.resized(factors))
    np.testing.assert_allclose(judged, expected, atol=1e-5)


def test_a_window_round_the_mask_is_enough(detector, frame):
    """Far from the mask nothing counts: the same is found in the window cut out by hand."""
    mask = np.zeros((120, 160), bool)
    mask[:40, :40] = True
    whole = detector(frame, mask, count=5)
    camera = Camera(104, 104, CAMERA.fx, CAMERA.fy, CAMERA.cx, CAMERA.cy)  # mask and margin
    part = RgbdFrame(
        np.ascontiguousarray(frame.color[:104, :104]),
        np.ascontiguousarray(frame.depth[:104, :104]),
        camera,
    )
    cut = detector(part, mask[:104, :104], count=5)
    np.testing.assert_allclose(whole.center, cut.center, atol=0.5)


def test_labeled_rectangles_are_judged(detector, frame):
    found = detector(frame)
    judged = detector.judge(frame, found)
    assert judged.shape == (len(found),)
    assert (judged >= 0).all()
    assert (judged < 1).all()
    assert np.ptp(judged) > 0
    assert len(detector.judge(frame, found[:0])) == 0


@pytest.mark.slow
def test_weights_are_saved_and_read(detector, tmp_path, frame):
    file = tmp_path / "some.safetensors"
    detector.save(file, {"seed": "0"})
    again = CascadeDetector.load(file)
    np.testing.assert_allclose(
        again(frame).score[:5], detector(frame).score[:5], rtol=1e-3, atol=1e-4
    )


def test_weights_of_another_model_and_rubbish_are_refused(detector, tmp_path):
    file = tmp_path / "other.safetensors"
    save_weights(file, detector.state_dict(), {"model": "LenzDetector"})
    with pytest.raises(InputError, match="LenzDetector"):
        CascadeDetector.load(file)
    file.write_bytes(b"rubbish")
    with pytest.raises(InputError, match=r"other\.safetensors"):
        CascadeDetector.load(file)
