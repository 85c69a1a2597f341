"""What runs a network, and the files and sessions of ONNX Runtime."""

import json
import logging
import os
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from cvdl.core import threads
from cvdl.core.errors import InputError
from cvdl.detection import load_detector
from cvdl.networks import engine, sessions
from cvdl.networks.engine import digest, exported_file
from cvdl.networks.onnx_files import part_path, read_metadata


def write_graph(path, factor=2.0, **metadata):
    """A graph that multiplies x by a factor."""
    constant = helper.make_tensor("factor", TensorProto.FLOAT, [1], [factor])
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n"]) for name in "xy")
    node = helper.make_node("Mul", ["x", "factor"], ["y"])
    graph = helper.make_graph([node], "graph", [x], [y], [constant])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, metadata)
    onnx.save(model, path)
    return path


@pytest.fixture
def weights(tmp_path):
    """A file of weights, with an ONNX file of them beside it."""
    path = tmp_path / "net.safetensors"
    path.write_bytes(b"weights")
    write_graph(tmp_path / "net.onnx", model="Net", weights=digest(path))
    return path


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(engine, "_has_gpu", lambda: False)


@pytest.mark.usefixtures("no_gpu")
@pytest.mark.parametrize("device", ["auto", "cpu"])
def test_a_cpu_runs_the_exported_file(weights, device):
    assert exported_file(weights, device, "auto") == weights.with_suffix(".onnx")
    assert exported_file(weights, device, "onnxruntime") == weights.with_suffix(".onnx")
    assert exported_file(weights, device, "torch") is None


def test_a_gpu_runs_torch(weights, monkeypatch):
    monkeypatch.setattr(engine, "_has_gpu", lambda: True)
    assert exported_file(weights, "auto", "auto") is None
    assert exported_file(weights, "cuda", "auto") is None
    assert exported_file(weights, "cpu", "auto") == weights.with_suffix(".onnx")
    with pytest.raises(InputError, match="runs on a CPU; accepted here: auto, cpu"):
        exported_file(weights, "cuda", "onnxruntime")


@pytest.mark.usefixtures("no_gpu")
def test_without_an_exported_file_torch_runs(weights, caplog):
    weights.with_suffix(".onnx").unlink()
    assert exported_file(weights, "cpu", "auto") is None
    assert not caplog.records
    with pytest.raises(InputError, match=r"net\.onnx: no such file; `cvdl export .* writes it"):
        exported_file(weights, "cpu", "onnxruntime")


@pytest.mark.usefixtures("no_gpu")
def test_a_file_of_other_weights_is_not_used(weights, caplog):
    weights.write_bytes(b"trained again")
    with caplog.at_level(logging.WARNING):
        assert exported_file(weights, "cpu", "auto") is None
    assert "not exported from" in caplog.text
    with pytest.raises(InputError, match="not exported from"):
        exported_file(weights, "cpu", "onnxruntime")


def test_an_onnx_file_is_its_own_weights(tmp_path):
    path = tmp_path / "net.onnx"
    assert exported_file(path, "auto", "auto") == path
    with pytest.raises(InputError, match="is an ONNX file; accepted here: auto, onnxruntime"):
        exported_file(path, "cpu", "torch")
    with pytest.raises(InputError, match="accepted here: auto, cpu"):
        exported_file(path, "cuda", "auto")


@pytest.mark.parametrize(
    ("device", "name", "words"),
    [("cpu", "tensorrt", "engine is 'tensorrt'"), ("tpu", "auto", "device is 'tpu'")],
)
def test_unknown_names_are_refused(weights, device, name, words):
    with pytest.raises(InputError, match=f"{words}; accepted: auto, "):
        exported_file(weights, device, name)


def test_a_model_that_is_not_exported_has_one_engine():
    with pytest.raises(InputError, match="accepted for segnet: auto, torch"):
        load_detector("segnet", engine="onnxruntime")
    with pytest.raises(InputError, match="accepted for onnx: auto, onnxruntime"):
        load_detector("onnx", "some.onnx", engine="torch")


def test_metadata_are_read_without_the_graph(tmp_path):
    path = write_graph(tmp_path / "net.onnx", model="Net", classes='["ä"]', empty="")
    assert read_metadata(path) == {"model": "Net", "classes": '["ä"]', "empty": ""}
    for content in (b"not a graph", path.read_bytes()[:-3], b"\xff" * 30):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"net\.onnx: damaged, or not an ONNX file"):
            read_metadata(path)
    with pytest.raises(InputError, match="no such file"):
        read_metadata(tmp_path / "none.onnx")


def test_equal_parts_are_one_graph(tmp_path):
    paths = [tmp_path / "a.onnx", tmp_path / "b.onnx"]
    for path, factor in zip(paths, (2.0, 3.0), strict=True):
        write_graph(path, factor, model="Net")
        write_graph(part_path(path, "backbone"), 5.0, model="Backbone")
    first, second = (sessions.open_parts(path, "Net", ("backbone", "main")) for path in paths)
    assert first["backbone"] is second["backbone"]
    assert first["main"] is not second["main"]
    (y,) = second["main"](x=np.float32([1, 2]))
    np.testing.assert_array_equal(y, [3, 6])


def test_files_of_another_model_are_refused(tmp_path):
    path = write_graph(tmp_path / "net.onnx", model="Other")
    with pytest.raises(InputError, match="holds a graph of Other; expected one of Net"):
        sessions.open_parts(path, "Net", ("main",))
    write_graph(path, model="Net")
    with pytest.raises(InputError, match=r"net\.backbone\.onnx: no such file"):
        sessions.open_parts(path, "Net", ("backbone", "main"))
    part = write_graph(part_path(path, "backbone"), model="Backbone")
    write_graph(path, model="Net", parts=json.dumps({"backbone": digest(part)}))
    assert len(sessions.open_parts(path, "Net", ("backbone", "main"))) == 2
    write_graph(part, 3.0, model="Backbone")
    with pytest.raises(InputError, match=r"net\.backbone\.onnx: of another export"):
        sessions.open_parts(path, "Net", ("backbone", "main"))


def test_threads_sleep_while_they_wait_and_are_as_many_as_the_usable_cores(tmp_path, monkeypatch):
    given = []
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(threads, "usable_cores", lambda: 3)
    monkeypatch.setattr(
        onnxruntime, "InferenceSession", lambda path, options, **_: given.append(options)
    )
    sessions.open_session(tmp_path / "net.onnx", ["CPUExecutionProvider"])
    (options,) = given
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"
    assert options.intra_op_num_threads == 3
    assert options.execution_mode == onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    sessions.open_session(tmp_path / "net.onnx", ["CPUExecutionProvider"])
    assert given[1].intra_op_num_threads == 2


RUNS = """
import json, sys
import numpy as np
from cvdl.core.camera import Camera
from cvdl.core.frame import RgbdFrame
{imports}
rng = np.random.default_rng(0)
color = rng.integers(0, 255, (96, 128, 3), dtype=np.uint8)
frame = RgbdFrame(color, np.full((96, 128), 0.8, np.float32), Camera(128, 96, 560.0, 560.0, 64, 48))
model = {load}
{run}
print(json.dumps("torch" in sys.modules))
"""


def imports_torch(imports, load, run):
    """Whether a process that loads a model on a CPU and runs it imports torch."""
    code = RUNS.format(imports=imports, load=load, run=run)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


@pytest.mark.parametrize("name", ["rgbd_rcnn", "yolo"])
def test_the_exported_detectors_need_no_torch(name):
    imports = "from cvdl.detection import load_detector"
    load = f"load_detector('{name}', device='cpu')"
    assert not imports_torch(imports, load, "model([frame], [np.array([[20.0, 20, 60, 60]])])")


def test_the_exported_cascade_needs_no_torch():
    imports = "from cvdl.grasping import load_grasp_detector"
    assert not imports_torch(imports, "load_grasp_detector(device='cpu')", "model(frame)")


def test_the_exported_instance_network_needs_no_torch():
    imports = "from cvdl.segmentation.instances.loading import load_instance_model"
    assert not imports_torch(imports, "load_instance_model(device='cpu')", "model(frame)")
