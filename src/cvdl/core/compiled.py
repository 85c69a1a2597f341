"""Loops over pixels, compiled: Numba as this package uses it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, cast

from numba import njit
from numba.core.caching import FunctionCache
from numba.core.dispatcher import Dispatcher

__all__ = ["compiled"]

_log = logging.getLogger(__name__)


def compiled(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Compiles a function of numbers and arrays at its first call.

    It runs without the interpreter's lock, and divides by zero as numpy does. What was compiled
    is kept for the next process, beside the source or in the user's cache folder; where neither
    can be written (a service without a home, a full disk), each process compiles anew, and a
    warning says so once.

    Args:
        options: more of ``numba.njit``.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        result = njit(nogil=True, error_model="numpy", **options)(function)
        if isinstance(result, Dispatcher):  # not with NUMBA_DISABLE_JIT
            try:
                # As njit(cache=True) does, which has no public way to another kind of cache.
                cast(Any, result)._cache = _Cache(function)
            except (RuntimeError, OSError) as error:  # no place for a cache
                _warnings.warn("in __pycache__ or the user's cache folder", error)
        return result

    return decorate


class _Cache(FunctionCache):
    """Numba's cache, whose troubles cost time and nothing else."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except OSError as error:
            _warnings.warn(f"in {self.cache_path}", error)
        except Exception as error:  # a damaged file: pickle may raise anything
            _log.debug("%s is damaged: it is compiled again", self.cache_path, exc_info=error)
            try:
                self.flush()
            except OSError as full:
                _warnings.warn(f"in {self.cache_path}", full)
        return None

    def save_overload(self, sig: Any, data: Any) -> None:
        try:
            super().save_overload(sig, data)
        except OSError as error:
            _warnings.warn(f"in {self.cache_path}", error)


class _Warnings:
    """The one warning of a process."""

    def __init__(self) -> None:
        self.is_told = False

    def warn(self, where: str, error: Exception) -> None:
        """Say that compiled code cannot be kept, and why."""
        if not self.is_told:
            self.is_told = True
            _log.warning(
                "compiled code cannot be cached %s (%s): every start compiles it again, for up "
                "to a minute. Set NUMBA_CACHE_DIR to use another folder",
                where,
                getattr(error, "strerror", None) or error,
            )


_warnings = _Warnings()
