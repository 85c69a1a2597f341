"""Compiled loops, and what becomes of them where they cannot be kept."""

import importlib.util
import logging
import resource
import shutil
from contextlib import contextmanager

import numba
import numpy as np
import pytest

from cvdl.core import compiled as module
from cvdl.core.compiled import compiled

SOURCE = """
from cvdl.core.compiled import compiled

@compiled()
def inner(x):
    return 2 * x

@compiled()
def double(x):
    return inner(x)
"""


@pytest.fixture(autouse=True)
def not_yet_told(monkeypatch):
    monkeypatch.setattr(module, "_warnings", module._Warnings())


@pytest.fixture
def load(tmp_path):
    """A function: a fresh process's `double`, of a source file in a folder."""

    def make():
        path = tmp_path / "source" / "loops.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(SOURCE)
        spec = importlib.util.spec_from_file_location("loops", path)
        loops = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(loops)
        return loops.double

    return make


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The folder that compiled code is kept in."""
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@contextmanager
def full_disk():
    """No file can grow, as on a full disk: the system says "File too large"."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_what_was_compiled_is_kept(load, cache, caplog):
    assert load()(21) == 42
    again = load()
    assert again(21) == 42
    assert sum(again.stats.cache_hits.values()) == 1
    assert not caplog.messages


def test_on_a_full_disk_a_function_is_compiled_all_the_same(load, cache, caplog):
    double = load()
    with caplog.at_level(logging.WARNING), full_disk():
        assert double(21) == 42
        assert double(1.5) == 3.0
    (message,) = caplog.messages
    assert message.startswith(f"compiled code cannot be cached in {cache}")
    assert "File too large" in message
    assert load()(21) == 42


def test_without_a_folder_to_keep_it_a_function_is_compiled_all_the_same(
    load, tmp_path, monkeypatch, caplog
):
    """Nothing can be written beside the source, nor in the home folder."""
    file = tmp_path / "file"
    file.touch()
    monkeypatch.setenv("HOME", str(file))
    monkeypatch.setenv("XDG_CACHE_HOME", str(file))
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(file / "cache"))
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "__pycache__").touch()
    with caplog.at_level(logging.WARNING):
        assert load()(21) == 42
    (message,) = caplog.messages
    assert "cannot be cached in __pycache__ or the user's cache folder (" in message


def test_a_folder_that_vanishes_is_made_anew(load, cache, caplog):
    double = load()
    shutil.rmtree(cache)
    assert double(21) == 42
    assert list(cache.rglob("*.nbc"))
    double = load()
    shutil.rmtree(cache)
    cache.touch()  # now it cannot be
    assert double(21) == 42
    assert len(caplog.messages) == 1


@pytest.mark.parametrize("suffix", ["nbi", "nbc"])
@pytest.mark.parametrize("content", [b"", b"\x80\x05", b"no pickle at all"])
def test_damaged_files_are_written_anew(load, cache, caplog, suffix, content):
    assert load()(21) == 42
    for path in cache.rglob(f"*.{suffix}"):
        path.write_bytes(content or path.read_bytes()[:-20])
    with caplog.at_level(logging.WARNING):
        assert load()(21) == 42
    again = load()
    assert again(21) == 42
    assert sum(again.stats.cache_hits.values()) == 1
    assert not caplog.messages


def test_a_function_of_no_file_is_compiled_all_the_same():
    namespace = {}
    exec("def double(x):\n    return 2 * x", namespace)  # nothing of it can be kept
    double = compiled()(namespace["double"])
    assert double(21) == 42
    assert double.signatures


def test_division_by_zero_is_as_numpys():
    @compiled()
    def inverse(x):
        return 1 / x

    assert inverse(np.float32(0)) == np.inf
