"""Which detector is loaded, from where and onto what; torch only then."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch

from cvdl.core.errors import InputError
from cvdl.grasping import DETECTORS, load_detector, packaged_weights


@pytest.fixture
def weights(tmp_path):
    path = tmp_path / "mine.safetensors"
    path.write_bytes(b"")
    return path


@pytest.fixture
def loaded(monkeypatch):
    """What the detectors' classes were asked to load; they stand in for the real ones."""
    calls = []
    for module, name in (("cascade", "CascadeDetector"), ("lenz", "LenzDetector")):

        def load(path, device, name=name):
            calls.append((name, path, device))
            return name

        detector = SimpleNamespace(**{name: SimpleNamespace(load=load)})
        monkeypatch.setitem(sys.modules, f"cvdl.grasping.{module}", detector)
    return calls


@pytest.mark.parametrize(
    ("name", "class_name"), [("cascade", "CascadeDetector"), ("lenz2014", "LenzDetector")]
)
def test_a_detector_is_loaded_by_its_name(loaded, weights, name, class_name):
    assert load_detector(name, weights, "cpu") == class_name
    assert loaded == [(class_name, weights, "cpu")]


@pytest.mark.parametrize(("has_gpu", "device"), [(True, "cuda"), (False, "cpu")])
def test_auto_takes_a_gpu_where_there_is_one(loaded, weights, monkeypatch, has_gpu, device):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has_gpu)
    load_detector("cascade", weights)
    assert loaded[0][2] == device


def test_a_gpu_that_is_not_there(weights, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match="device is 'cuda', but torch finds no GPU"):
        load_detector("cascade", weights, "cuda")


def test_what_is_accepted_is_said(weights, tmp_path):
    with pytest.raises(InputError, match="detector is 'gqcnn'; accepted: cascade, lenz2014"):
        load_detector("gqcnn")
    with pytest.raises(InputError, match="device is 'tpu'; accepted: auto, cpu, cuda"):
        load_detector("cascade", weights, "tpu")
    with pytest.raises(InputError, match=r"no weights of cascade at .*x\.safetensors"):
        load_detector("cascade", tmp_path / "x.safetensors")


def test_each_detector_has_a_place_in_the_package():
    for name in DETECTORS:
        path = packaged_weights(name)
        assert path.name == f"{name}.safetensors"
        assert path.is_file()


def test_segmentation_alone_imports_no_torch():
    program = (
        "import sys; from cvdl.pipeline import Perception, PerceptionConfig; import cvdl.replay; "
        "Perception(PerceptionConfig().segmentation_only()); "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], timeout=120).returncode == 0
