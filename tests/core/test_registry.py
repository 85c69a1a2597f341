"""Models and data sets that are chosen by their names."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import EntryPoint
from types import SimpleNamespace

import pytest

from cvdl.core.errors import InputError
from cvdl.core.registry import Model, Registry, deferred
from cvdl.detection import DETECTORS
from cvdl.grasping import GRASP_DETECTORS


def test_the_default_is_the_first_name_and_the_others_are_sorted():
    names = DETECTORS.names
    assert names[0] == "rgbd_rcnn"
    assert list(names[1:]) == sorted(names[1:])


@pytest.mark.parametrize("registry", [DETECTORS, GRASP_DETECTORS])
def test_every_model_describes_itself_in_a_line(registry):
    for model in registry:
        assert model.description.endswith(".")
        assert len(model.description) < 80


@pytest.mark.parametrize("registry", [DETECTORS, GRASP_DETECTORS])
def test_packaged_weights_exist(registry):
    files = [model.weights for model in registry if model.weights]
    assert files
    assert all(file.is_file() for file in files)


def test_an_unknown_name_lists_the_accepted_ones():
    with pytest.raises(InputError, match="detector is 'gqcnn'; accepted: cascade, lenz2014"):
        GRASP_DETECTORS["gqcnn"]


def test_another_package_registers_a_model_by_an_entry_point(monkeypatch):
    mine = Model("mine", "A model of another package.", loader=lambda weights, device: weights)
    point = EntryPoint("mine", "nowhere:MODEL", "cvdl.test_models")
    monkeypatch.setattr(EntryPoint, "load", lambda self: mine)
    monkeypatch.setattr(
        "cvdl.core.registry.entry_points", lambda group: [point] if group == point.group else []
    )
    registry = Registry[Model]("model", "cvdl.detection.models", "cvdl.test_models", "mine")
    assert "mine" in registry.names
    assert registry["mine"].load("file", "cpu") == "file"


def test_what_is_registered_before_the_names_are_read_replaces_what_the_package_has(
    tmp_path, monkeypatch
):
    folder = tmp_path / "shelf"
    folder.mkdir()
    (folder / "__init__.py").write_text(
        "from cvdl.core.registry import Registry\n"
        "REGISTRY = Registry('item', 'shelf', 'cvdl.test_items', 'a')\n"
    )
    (folder / "a.py").write_text(
        "from types import SimpleNamespace\n"
        "from shelf import REGISTRY\n"
        "REGISTRY.register(SimpleNamespace(name='a', description='Of the package.'))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    registry = import_module("shelf").REGISTRY
    mine = SimpleNamespace(name="a", description="Mine.")
    registry.register(mine)
    assert registry["a"] is mine


def test_a_deferred_function_is_called_with_its_first_arguments():
    assert deferred("os.path:join", "a")("b") == "a/b"
