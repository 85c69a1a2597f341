"""Weights come back as they went, and what cannot be used is refused with a reason."""

from __future__ import annotations

import os
import pickle

import pytest
import torch

from cvdl.networks.metadata import WeightsError
from cvdl.networks.weights import load_weights, save_weights

STATE = {
    "weight": torch.arange(24.0).reshape(1, 2, 3, 4).to(memory_format=torch.channels_last),
    "half": torch.tensor([1.5, -2], dtype=torch.float16),
    "steps": torch.tensor(7),
}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "new" / "some.safetensors"
    save_weights(path, STATE, {"model": "cascade", "seed": "3"})
    return path


def test_saved_weights_are_loaded(path):
    state, metadata = load_weights(path, "cascade", STATE)
    assert metadata == {"model": "cascade", "seed": "3"}
    assert state.keys() == STATE.keys()
    for name, tensor in STATE.items():
        assert state[name].dtype == tensor.dtype
        assert torch.equal(state[name], tensor)
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_weights_of_another_model_are_refused(path, tmp_path):
    with pytest.raises(WeightsError) as caught:
        load_weights(path, "lenz2014")
    message = str(caught.value)
    for words in (str(path), "holds weights of cascade", "expected weights of lenz2014"):
        assert words in message
    from safetensors.torch import save_file

    save_file({"x": torch.ones(2)}, tmp_path / "nameless.safetensors")
    with pytest.raises(WeightsError, match="name no model; expected weights of cascade"):
        load_weights(tmp_path / "nameless.safetensors", "cascade")
    with pytest.raises(ValueError, match="name of their model"):
        save_weights(path, STATE, {"seed": "3"})


def test_missing_and_damaged_files_are_refused(path, tmp_path):
    with pytest.raises(WeightsError, match=r"nowhere\.safetensors: no such file"):
        load_weights(tmp_path / "nowhere.safetensors", "cascade")
    with pytest.raises(WeightsError, match="no such file"):
        load_weights(tmp_path, "cascade")
    whole = path.read_bytes()
    for content in (b"", b"junk", whole[:-5], whole[:20], b"\xff" * 200):
        path.write_bytes(content)
        with pytest.raises(WeightsError, match=r"some\.safetensors: damaged, or not a safetensors"):
            load_weights(path, "cascade")


def test_nothing_is_unpickled(path, tmp_path):
    class Bomb:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "exploded"),))

    for dump in (lambda: path.write_bytes(pickle.dumps(Bomb())), lambda: torch.save(Bomb(), path)):
        dump()
        with pytest.raises(WeightsError, match="damaged, or not a safetensors file"):
            load_weights(path, "cascade")
    assert not (tmp_path / "exploded").exists()


def test_weights_of_another_shape_are_refused(path):
    wider = {**STATE, "weight": torch.zeros(1, 2, 3, 5)}
    with pytest.raises(WeightsError, match="weight is 1x2x3x4; the model expects 1x2x3x5"):
        load_weights(path, "cascade", wider)
    more = {**STATE, "bias": torch.zeros(3)}
    with pytest.raises(WeightsError, match="bias is nothing; the model expects 3"):
        load_weights(path, "cascade", more)
    fewer = {"weight": STATE["weight"], "half": STATE["half"]}
    with pytest.raises(WeightsError, match="steps is a number; the model expects nothing"):
        load_weights(path, "cascade", fewer)


def test_a_failed_write_leaves_the_old_file(path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    before = path.read_bytes()
    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        save_weights(path, {"x": torch.ones(3)}, {"model": "cascade"})
    assert path.read_bytes() == before
