"""Which detector is loaded, from where and onto what; torch only then."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from cvdl.core.errors import InputError
from cvdl.grasping import load_grasp_detector
from cvdl.grasping.models.cascade.detector import CascadeDetector
from cvdl.grasping.models.cascade.exported import ExportedCascade
from cvdl.grasping.models.lenz2014.detector import LenzDetector


@pytest.mark.parametrize(
    ("name", "engine", "kind"),
    [
        ("cascade", "auto", ExportedCascade),
        ("cascade", "torch", CascadeDetector),
        ("lenz2014", "auto", LenzDetector),
    ],
)
def test_a_detector_is_loaded_by_its_name(name, engine, kind):
    assert isinstance(load_grasp_detector(name, device="cpu", engine=engine), kind)


def test_a_missing_gpu_is_an_error(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match="device is 'cuda', but torch finds no GPU"):
        load_grasp_detector("cascade", device="cuda")


def test_bad_arguments_name_the_accepted_ones(tmp_path):
    with pytest.raises(InputError, match="detector is 'gqcnn'; accepted: cascade, lenz2014"):
        load_grasp_detector("gqcnn")
    with pytest.raises(InputError, match="device is 'tpu'; accepted: auto, cpu, cuda"):
        load_grasp_detector("cascade", device="tpu")
    with pytest.raises(InputError, match=r"x\.safetensors: no such file; expected weights of"):
        load_grasp_detector("cascade", tmp_path / "x.safetensors")


@pytest.mark.slow
def test_segmentation_by_geometry_alone_imports_no_torch():
    program = (
        "import sys; from cvdl.pipeline import Perception, PerceptionConfig; import cvdl.replay; "
        "config = PerceptionConfig(segmentation={'method': 'geometry'}); "
        "Perception(config.segmentation_only()); "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], timeout=120).returncode == 0
