"""Loops over pixels, compiled by Numba and cached on disk."""

from __future__ import annotations

import hashlib
import logging
import re
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, cast

from numba import njit
from numba.core.caching import CompileResultCacheImpl, FunctionCache, IndexDataCacheFile
from numba.core.dispatcher import Dispatcher

__all__ = ["compiled"]

_log = logging.getLogger(__name__)
_has_warned = _has_announced = False


def compiled(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Compile a function of numbers and arrays at its first call.

    The function runs without the interpreter's lock and divides by zero as numpy does. The
    compiled code is cached beside the source or in the user's cache folder. It is used as long as
    the source of the function's module stays the same, and that of the modules of its package
    from which it imports, directly or not, at the top level. Where no cache can be written (a
    service without a home, a full disk), each process compiles again and logs one warning. The
    first function that a process compiles is announced in the log.

    Args:
        options: More options of ``numba.njit``.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        result = njit(nogil=True, error_model="numpy", **options)(function)
        if isinstance(result, Dispatcher):  # not with NUMBA_DISABLE_JIT
            try:
                # njit(cache=True) sets this attribute; there is no public way to another cache.
                cast(Any, result)._cache = _Cache(result)
            except (RuntimeError, OSError) as error:  # no place for a cache
                _warn("in __pycache__ or the user's cache folder", error)
        return result

    return decorate


class _Cache(FunctionCache):
    """Numba's cache, never stale; its errors cost time and nothing else."""

    def __init__(self, dispatcher: Any) -> None:
        self._impl_class = _Naming
        super().__init__(dispatcher.py_func)
        # Read now, while the modules are imported: an edit between import and compilation would
        # pass the old code off as that of the new source.
        digest = _digest(dispatcher.py_func.__module__)
        self._cache_file = _Files(self._cache_path, self._impl.filename_base, digest)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        found = self._found(sig, target_context)
        if found is None:
            _announce()
        return found

    def _found(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except OSError as error:
            _warn(f"in {self.cache_path}", error)
        except Exception as error:  # a damaged file: pickle may raise anything
            _log.debug("%s is damaged: it is compiled again", self.cache_path, exc_info=error)
            try:
                self.flush()
            except OSError as full:
                _warn(f"in {self.cache_path}", full)
        return None

    def save_overload(self, sig: Any, data: Any) -> None:
        try:
            super().save_overload(sig, data)
        except OSError as error:
            _warn(f"in {self.cache_path}", error)


class _Naming(CompileResultCacheImpl):
    """File names without line numbers: a function that moves in its file keeps its files."""

    def get_filename_base(self, fullname: str, abiflags: str) -> str:
        name: str = super().get_filename_base(fullname, abiflags)
        return name.replace(f"-{self.locator.get_disambiguator()}.py", ".py")


class _Files(IndexDataCacheFile):
    """An index file and its data files, which name the signature and version that they hold.

    Numba writes the two files one after the other. Two processes that write at the same time can
    leave an index that points to the code of another signature or version.
    """

    def save(self, key: Any, data: Any) -> None:
        super().save(key, ((self._source_stamp, key), data))

    def load(self, key: Any) -> Any:
        found = super().load(key)
        if found is None:
            return None
        written_for, data = found
        return data if written_for == (self._source_stamp, key) else None


def _digest(name: str) -> str:
    """A hash of the sources of a module and of what it imports of its package, at any depth."""
    waiting, texts = [name], dict[str, str]()
    while waiting:
        module = waiting.pop()
        if module in sys.modules and module not in texts:
            texts[module], imported = _read(module)
            waiting += imported
    return hashlib.sha256(repr(sorted(texts.items())).encode()).hexdigest()


@cache
def _read(module: str) -> tuple[str, list[str]]:
    """The source of a module, and names of its package that its imports at the top level have."""
    file = getattr(sys.modules[module], "__file__", None)
    if file is None:  # a folder without __init__.py
        return "", []
    text = Path(file).read_text(encoding="utf-8")
    imports = rf"^from ({module.partition('.')[0]}\b[\w.]*) import (\([^)]*\)|.*)"
    found = []
    for parent, names in re.findall(imports, text, re.MULTILINE):
        # What is imported may itself be a module.
        found += [parent, *(f"{parent}.{name}" for name in re.findall(r"\w+", names))]
    return text, found


def _announce() -> None:
    """Log, once a process, that something is compiled, which takes longer than anything else."""
    global _has_announced
    if not _has_announced:
        _has_announced = True
        _log.info("compiling code for this processor, once: up to a minute")


def _warn(where: str, error: Exception) -> None:
    """Log, once a process, that compiled code cannot be cached, and why."""
    global _has_warned
    if not _has_warned:
        _has_warned = True
        _log.warning(
            "compiled code cannot be cached %s (%s): every start compiles it again, for up "
            "to a minute. Set NUMBA_CACHE_DIR to use another folder",
            where,
            getattr(error, "strerror", None) or error,
        )
