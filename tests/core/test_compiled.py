"""Compiled functions, their cache, and what happens where no cache can be written."""

import importlib
import logging
import resource
import shutil
import sys
from contextlib import contextmanager

import numba
import numpy as np
import pytest

from cvdl.core.compiled import compiled

SOURCES = {
    "constants": """
import enum

FACTOR = 2
OFFSET = 0

class Kind(enum.IntEnum):
    SMALL = 10
""",
    "inner": """
from cvdl.core.compiled import compiled
from package import constants
from package.constants import FACTOR

@compiled()
def inner(x):
    return FACTOR * x

@compiled()
def shifted(x):
    return x + constants.OFFSET
""",
    "outer": """
from typing import NamedTuple

from cvdl.core.compiled import compiled
from package import constants
from package.constants import Kind
from package.inner import inner, shifted

class Pair(NamedTuple):
    first: float
    second: float

@compiled()
def outer(x):
    return inner(x)

@compiled()
def by_attribute(x):
    return constants.FACTOR * shifted(x)

@compiled()
def by_member(x):
    return x + Kind.SMALL

@compiled()
def first_of(pair):
    return pair.first

@compiled(fastmath={"nsz", "arcp", "contract", "reassoc"})
def fast(x):
    return 2 * x
""",
}


@pytest.fixture(autouse=True)
def warnings_only(caplog):
    """What is logged at the default level; commands that ran before have changed it."""
    caplog.set_level(logging.WARNING, logger="cvdl")


@pytest.fixture
def package(tmp_path):
    """The folder of a package with compiled functions."""
    folder = tmp_path / "package"
    folder.mkdir()
    for name, text in SOURCES.items():
        (folder / f"{name}.py").write_text(text)
    return folder


@pytest.fixture
def load(package, monkeypatch):
    """A function that returns the module `outer` of the package, as a new process loads it."""

    def make():
        own = ["cvdl.core.compiled", *(n for n in sys.modules if n.split(".")[0] == package.name)]
        for name in own:
            monkeypatch.delitem(sys.modules, name)
        importlib.invalidate_caches()
        return importlib.import_module("package.outer")

    monkeypatch.syspath_prepend(package.parent)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # edits come within one second
    yield make
    for name in [n for n in sys.modules if n.split(".")[0] == package.name]:
        del sys.modules[name]


@pytest.fixture
def edit(package):
    """A function that replaces text in a module of the package."""

    def replace(name, old, new):
        path = package / f"{name}.py"
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))

    return replace


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The folder of the compiled code."""
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


def hits(function):
    """How many times a function's compiled code came from the cache."""
    return sum(function.stats.cache_hits.values())


def test_compiled_code_is_cached(load, cache, caplog):
    assert load().outer(21) == 42
    again = load().outer
    assert again(21) == 42
    assert hits(again) == 1
    assert not caplog.messages


def test_compiling_is_announced_once(load, cache, caplog):
    caplog.set_level(logging.INFO, logger="cvdl")
    outer = load()
    outer.outer(21), outer.by_attribute(21)
    assert caplog.messages == ["compiling code for this processor, once: up to a minute"]
    caplog.clear()
    load().outer(21)  # from the cache
    assert not caplog.messages


@pytest.mark.parametrize("name", ["outer", "by_attribute"])
def test_a_changed_constant_of_another_module_takes_effect(name, load, cache, edit):
    assert getattr(load(), name)(21) == 42
    edit("constants", "FACTOR = 2", "FACTOR = 3")
    assert getattr(load(), name)(21) == 63


def test_a_changed_constant_of_a_called_function_takes_effect(load, cache, edit):
    assert load().by_attribute(21) == 42
    edit("constants", "OFFSET = 0", "OFFSET = 1")
    assert load().by_attribute(21) == 44


def test_a_changed_function_of_another_module_takes_effect(load, cache, edit):
    assert load().outer(21) == 42
    edit("inner", "FACTOR * x", "FACTOR * x + 1")
    assert load().outer(21) == 43


def test_a_changed_member_of_an_enumeration_takes_effect(load, cache, edit):
    assert load().by_member(1) == 11
    edit("constants", "SMALL = 10", "SMALL = 20")
    assert load().by_member(1) == 21


def test_a_changed_order_of_fields_takes_effect(load, cache, edit):
    outer = load()
    assert outer.first_of(outer.Pair(first=1.0, second=2.0)) == 1
    edit("outer", "first: float\n    second: float", "second: float\n    first: float")
    outer = load()
    assert outer.first_of(outer.Pair(first=1.0, second=2.0)) == 1


def test_a_changed_option_takes_effect(load, cache, edit):
    assert load().fast(21) == 42
    edit("outer", '"nsz", ', "")
    fast = load().fast
    assert fast(21) == 42
    assert hits(fast) == 0


def test_an_edit_of_a_module_that_is_not_imported_keeps_the_cache(load, cache, edit):
    assert load().inner(21) == 42
    edit("outer", "@compiled()\ndef outer", "# A comment.\n\n@compiled()\ndef outer")
    again = load().inner
    assert again(21) == 42
    assert hits(again) == 1


def test_stale_files_do_not_pile_up(load, cache, edit):
    assert load().outer(21) == 42
    before = sorted(cache.rglob("*.nb[ic]"))
    for old in range(2, 5):
        edit("constants", f"FACTOR = {old}", f"FACTOR = {old + 1}")
        edit("outer", "@compiled()\ndef outer", "\n@compiled()\ndef outer")
        assert load().outer(21) == 21 * (old + 1)
    assert sorted(cache.rglob("*.nb[ic]")) == before


def test_code_that_another_process_wrote_for_other_types_is_not_used(load, cache):
    """Two processes that write at the same time can leave files in each other's place."""
    outer = load().outer
    assert [outer(21), outer(1.5)] == [42, 3.0]
    one, two = sorted(cache.rglob("*outer.outer*.nbc"))
    of_one = one.read_bytes()
    one.write_bytes(two.read_bytes())
    two.write_bytes(of_one)
    outer = load().outer
    assert [outer(21), outer(1.5)] == [42, 3.0]


def test_a_full_disk_does_not_prevent_compilation(load, cache, caplog):
    outer = load().outer
    with caplog.at_level(logging.WARNING), full_disk():
        assert outer(21) == 42
        assert outer(1.5) == 3.0
    (message,) = caplog.messages
    assert message.startswith(f"compiled code cannot be cached in {cache}")
    assert "File too large" in message
    assert load().outer(21) == 42


def test_a_missing_cache_folder_does_not_prevent_compilation(
    load, package, tmp_path, monkeypatch, caplog
):
    """Nothing can be written beside the source, nor in the home folder."""
    file = tmp_path / "file"
    file.touch()
    monkeypatch.setenv("HOME", str(file))
    monkeypatch.setenv("XDG_CACHE_HOME", str(file))
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(file / "cache"))
    (package / "__pycache__").touch()
    with caplog.at_level(logging.WARNING):
        assert load().outer(21) == 42
    (message,) = caplog.messages
    assert "cannot be cached in __pycache__ or the user's cache folder (" in message


def test_a_deleted_cache_folder_is_created_again(load, cache, caplog):
    outer = load().outer
    shutil.rmtree(cache)
    assert outer(21) == 42
    assert list(cache.rglob("*.nbc"))
    outer = load().outer
    shutil.rmtree(cache)
    cache.touch()  # a file stands in the folder's place
    assert outer(21) == 42
    assert len(caplog.messages) == 1


@pytest.mark.parametrize("suffix", ["nbi", "nbc"])
@pytest.mark.parametrize("content", [b"", b"\x80\x05", b"no pickle at all"])
def test_damaged_files_are_replaced(load, cache, caplog, suffix, content):
    assert load().outer(21) == 42
    for path in cache.rglob(f"*.{suffix}"):
        path.write_bytes(content or path.read_bytes()[:-20])
    with caplog.at_level(logging.WARNING):
        assert load().outer(21) == 42
    again = load().outer
    assert again(21) == 42
    assert hits(again) == 1
    assert not caplog.messages


def test_a_function_without_a_file_is_compiled():
    namespace = {}
    exec("def double(x):\n    return 2 * x", namespace)
    double = compiled()(namespace["double"])
    assert double(21) == 42
    assert double.signatures


def test_division_by_zero_follows_numpy():
    @compiled()
    def inverse(x):
        return 1 / x

    assert inverse(np.float32(0)) == np.inf
