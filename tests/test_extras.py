"""What runs without the extras, and what is said where one is missing."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.metadata import packages_distributions

import numpy as np
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from cvdl.cli.app import app
from cvdl.core.camera import Camera
from cvdl.core.errors import InputError
from cvdl.core.extras import EXTRAS, MissingExtraError, require
from cvdl.core.frame import RgbdFrame
from cvdl.detection import DETECTORS, load_detector
from cvdl.grasping.rectangles import GraspRectangles, jaccard
from cvdl.segmentation.instances.loading import load_instance_model
from helpers.paths import ROOT

LIBRARIES = sorted({module for extra in EXTRAS.values() for module in extra})
DISTRIBUTIONS = packages_distributions()

# A command without the libraries of the extras. Its last line lists what modules of cvdl import.
WITHOUT = """
import builtins, json, sys

sys.modules.update(dict.fromkeys({blocked}))
imported, really_import = set(), builtins.__import__

def note(name, globals=None, locals=None, fromlist=(), level=0):
    if level == 0 and (globals or {{}}).get("__name__", "").startswith("cvdl"):
        top = name.partition(".")[0]
        imported.add(f"{{top}}.{{fromlist[0]}}" if top == "backports" else top)  # a namespace
    return really_import(name, globals, locals, fromlist, level)

builtins.__import__ = note
from cvdl.cli import main

for line in {lines}:
    sys.argv = ["cvdl", *line]
    status = 0
    try:
        main()
    except SystemExit as error:
        status = error.code
    print(json.dumps(["STATUS", status]))
print(json.dumps(sorted(imported - sys.stdlib_module_names - {{"cvdl", "__future__"}})))
"""


def run_without_extras(*lines):
    """The status or error of each command line, and the libraries that cvdl imported."""
    code = WITHOUT.format(blocked=LIBRARIES, lines=[[str(word) for word in line] for line in lines])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    found = [json.loads(line)[1] for line in said if line.startswith('["STATUS"')]
    return found, json.loads(said[-1])


def names(requirements):
    """The distributions of requirements, on this system."""
    each = map(Requirement, requirements)
    return {canonicalize_name(r.name) for r in each if r.marker is None or r.marker.evaluate()}


def distributions(modules):
    """The distributions that have modules; a module that is not installed stands for itself."""
    found = (DISTRIBUTIONS.get(module, [module]) for module in modules)
    return {canonicalize_name(name) for each in found for name in each}


# --- A run --------------------------------------------------------------------------------------


@pytest.fixture
def table_bag(tmp_path):
    """A bag of a box on a table, seen from above."""
    from cvdl.bags import BagWriter, write_frame

    depth = np.full((240, 320), 0.8, np.float32)
    depth[90:150, 120:200] = 0.72
    color = np.full((240, 320, 3), 90, np.uint8)
    color[90:150, 120:200] = 200, 60, 30
    path = tmp_path / "bag"
    with BagWriter(path) as bag:
        write_frame(bag, RgbdFrame(color, depth, Camera(320, 240, 280.0, 280.0, 160, 120), 10**9))
    return path


@pytest.mark.slow
def test_a_replay_imports_the_requirements_of_a_run_and_all_of_them(table_bag, tmp_path, metadata):
    out = tmp_path / "out"
    line = ["replay", table_bag, "-o", out, "--set", "segmentation.device=cpu"]
    line += ["--set", "detector.device=cpu", "--set", "grasp.device=cpu"]
    (status,), imported = run_without_extras([*line, "--pictures", tmp_path / "pictures"])
    assert status == 0
    assert (tmp_path / "pictures" / "frame-000000.png").is_file()
    with_pydantic = {"pydantic_core"}  # of the one version that pydantic takes
    assert distributions({*imported} - with_pydantic) == names(metadata["install_requires"])


# --- What is missing ----------------------------------------------------------------------------


@pytest.mark.slow
def test_commands_without_their_extra_end_with_one_line(table_bag, tmp_path):
    weights = tmp_path / "mine.safetensors"
    weights.touch()
    out, replay = tmp_path / "out", ["replay", table_bag, "-o", tmp_path / "out"]
    expected = {
        ("train", "detector", "--data", tmp_path, "--out", out): "PyTorch [train]",
        ("evaluate", "segmentation", "--data", tmp_path): "pycocotools [evaluate]",
        ("evaluate", "detector", "--data", tmp_path): "pycocotools [evaluate]",
        ("evaluate", "grasp", "--data", tmp_path): "pycocotools [evaluate]",
        ("evaluate", "semantic", "--data", tmp_path): "pycocotools [evaluate]",
        ("export", "rgbd_rcnn", "-o", tmp_path / "x.onnx"): "PyTorch [export]",
        ("simulate", out): "Open3D [sim]",
        ("demo", out): "Open3D [sim]",
        ("live",): "ROS 2 [live]",
        (*replay, "--rerun", tmp_path / "x.rrd"): "rerun [rerun]",
        (*replay, "--set", "detector.track=true"): "trackforge [tracking]",
        (*replay, "--set", "detector.engine=torch"): "PyTorch [torch]",
        (*replay, "--set", "grasp.device=cuda"): "PyTorch [torch]",
        (*replay, "--set", "detector.detector=segnet"): "PyTorch [torch]",
        (*replay, "--set", "segmentation.weights=" + str(weights)): "PyTorch [torch]",
    }
    found, _ = run_without_extras(*expected)
    for line, error, what in zip(expected, found, expected.values(), strict=True):
        library, extra = re.fullmatch(r"(.*) \[(\w+)\]", what).groups()
        assert isinstance(error, str), line
        assert f" needs {library}, which is not installed: pip install 'cvdl[{extra}]'" in error
        assert "\n" not in error
    assert not out.exists()


@pytest.mark.slow
def test_every_command_explains_itself_without_the_extras():
    groups = {"bag": ["from-images"], "evaluate": ["segmentation", "grasp", "detector", "semantic"]}
    lines = [["--help"]]
    for name in app.info.cls.list_commands(None, None):
        lines += [[name, "--help"], *([name, part, "--help"] for part in groups.get(name, ()))]
    found, _ = run_without_extras(*lines)
    assert found == [0] * len(lines)


@pytest.fixture
def no_torch(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)


@pytest.mark.usefixtures("no_torch")
def test_own_weights_without_pytorch_are_an_error_that_names_both_ways(tmp_path):
    weights = tmp_path / "mine.safetensors"
    weights.touch()
    exporting = f"cvdl export {weights} -o {weights.with_suffix('.onnx')}"
    both = (
        r"mine\.safetensors needs PyTorch, which is not installed: pip install 'cvdl\[torch\]'; "
        rf"or, on a machine that has it: {exporting}, and copy what it writes"
    )
    for load in (load_detector, load_instance_model):
        with pytest.raises(MissingExtraError, match=both):
            load(weights=weights)
    with pytest.raises(InputError, match=r"none\.safetensors: no such file"):
        load_detector(weights=tmp_path / "none.safetensors")


@pytest.mark.usefixtures("no_torch")
def test_what_only_pytorch_runs_says_so():
    for name in ("hog", "ssdlite320_mobilenet_v3_large", "segnet"):
        with pytest.raises(MissingExtraError, match=f"{name} needs PyTorch, which is not"):
            load_detector(name, "COCO_V1")
    with pytest.raises(MissingExtraError, match=r"rgbd_rcnn\.training needs PyTorch, .*\[train\]"):
        DETECTORS["rgbd_rcnn"].trainer()


def test_the_simulation_without_open3d_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "open3d", None)
    for name in [name for name in sys.modules if name.startswith("cvdl.simulation")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(MissingExtraError, match=r"the simulation needs Open3D, .*'cvdl\[sim\]'"):
        import cvdl.simulation  # noqa: F401


def test_the_library_that_a_function_needs_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pycocotools", None)
    square = GraspRectangles(np.zeros((1, 2)), np.zeros(1), np.full(1, 4.0), np.full(1, 4.0))
    assert jaccard(square, square) == [[1]]
    monkeypatch.setitem(sys.modules, "shapely", None)
    with pytest.raises(MissingExtraError, match=r"rectangles needs Shapely, .*'cvdl\[evaluate\]'"):
        jaccard(square, square)


def test_nothing_is_said_if_nothing_is_missing(monkeypatch):
    monkeypatch.setitem(EXTRAS, "rerun", {"json": "JSON"})
    require("rerun", "a recording")


# --- The lists ----------------------------------------------------------------------------------


@pytest.mark.parametrize("extra", sorted(set(EXTRAS) - {"live"}))
def test_the_libraries_of_an_extra_are_those_that_setup_installs(extra, metadata):
    required = names(metadata["extras_require"][extra])
    assert all(required & distributions([module]) for module in EXTRAS[extra])
    assert required <= distributions(EXTRAS[extra])


def test_one_extra_has_all_but_ros_and_the_tools_of_development(metadata):
    extras = metadata["extras_require"]
    parts = [extras[name] for name in EXTRAS if name != "live"]
    assert names(extras["all"]) == set().union(*map(names, parts))
    assert names(extras["all"]) <= names(extras["dev"])


def test_extras_that_are_named_exist(metadata):
    files = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "Makefile"]
    files += [*(ROOT / "docs").glob("*.md"), *(ROOT / "src").rglob("*.py")]
    text = "\n".join(file.read_text(encoding="utf-8") for file in files)
    named = re.findall(r"(?:\bcvdl|'\.|/cvdl|/\.)\\{0,2}\[([a-z,]+)\]", text)
    assert len(named) > 10
    assert {name for each in named for name in each.split(",")} <= set(metadata["extras_require"])


def test_installations_beside_ros_keep_its_numpy():
    """A newer numpy would crash ROS's messages."""
    text = (ROOT / "docs" / "ros.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```\n(.*?)```", text, flags=re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if "pip install" in line]
    assert lines
    for line in lines:
        assert re.search(r" -[rc] \S*docker/requirements\.txt", line), line
