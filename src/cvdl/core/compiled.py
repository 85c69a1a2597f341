"""Loops over pixels, compiled by Numba and cached on disk."""

from __future__ import annotations

import enum
import hashlib
import logging
from collections.abc import Callable, Iterator
from types import CodeType, ModuleType
from typing import Any, cast

from numba import njit
from numba.core.caching import CompileResultCacheImpl, FunctionCache, IndexDataCacheFile
from numba.core.dispatcher import Dispatcher
from numba.core.serialize import dumps

__all__ = ["compiled"]

_log = logging.getLogger(__name__)
_has_warned = False


def compiled(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Compile a function of numbers and arrays at its first call.

    The function runs without the interpreter's lock and divides by zero as numpy does. The
    compiled code is cached beside the source or in the user's cache folder. It is used as long as
    the function, the functions that it calls and the constants that they use stay the same, in
    whichever module these are. Where no cache can be written (a service without a home, a full
    disk), each process compiles again and logs one warning.

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
        self._dispatcher = dispatcher
        self._cache_file = _Files(self._cache_path, self._impl.filename_base, "")

    def _index_key(self, sig: Any, codegen: Any) -> Any:
        # Numba compares named tuples by their class's name.
        fields = tuple(getattr(kind, "fields", None) for kind in getattr(sig, "args", sig))
        return (*super()._index_key(sig, codegen), fields)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        # Here and not when the function is defined: constants may be defined after it.
        self._cache_file._source_stamp = _digest(self._dispatcher)
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


def _digest(dispatcher: Any) -> str:
    """A hash of all that is compiled into a function, as the process has loaded it.

    Hashing source files would miss an edit between import and compilation, and would discard all
    compiled code at each change of a comment.
    """
    digest = hashlib.sha256()
    for part in _ingredients(dispatcher, frozenset(), set()):
        digest.update(part)
    return digest.hexdigest()


def _ingredients(
    value: Any, names: frozenset[str], seen: set[tuple[int, frozenset[str]]]
) -> Iterator[bytes]:
    """All that a value among a compiled function's globals contributes to the compiled code.

    Args:
        value: A compiled function, a constant, a class, a module, or a function of a library.
        names: The names that the function uses, among them those of a module's attributes.
        seen: Functions and modules that were visited, by id and names; extended.
    """
    if isinstance(value, type):
        members = list(value) if issubclass(value, enum.Enum) else getattr(value, "_fields", None)
        yield repr((value, members)).encode()
        return
    if not isinstance(value, (Dispatcher, ModuleType)):
        yield dumps(value)  # functions of libraries by their names
        return
    if isinstance(value, Dispatcher):
        codes = list(_code_objects(value.py_func.__code__))
        names = frozenset(name for code in codes for name in code.co_names)
    if (id(value), names) in seen:
        return
    seen.add((id(value), names))
    if isinstance(value, Dispatcher):
        for option, chosen in sorted(value.targetoptions.items()):
            yield repr((option, sorted(chosen) if isinstance(chosen, set) else chosen)).encode()
        for code in codes:
            yield _bytecode(code)
        for cell in value.py_func.__closure__ or ():
            yield from _ingredients(cell.cell_contents, names, seen)
        attributes = value.py_func.__globals__
    else:
        attributes = vars(value)
    for name in sorted(names & attributes.keys()):
        yield name.encode()
        yield from _ingredients(attributes[name], names, seen)


def _code_objects(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _code_objects(constant)


def _bytecode(code: CodeType) -> bytes:
    """A code object without its line numbers, file and inner code objects."""
    constants = [value for value in code.co_consts if not isinstance(value, CodeType)]
    variables = code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars
    return code.co_code + repr((constants, variables)).encode()


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
