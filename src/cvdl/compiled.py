"""Loops over pixels, compiled: Numba as this package uses it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import njit

__all__ = ["compiled"]


def compiled(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Compiles a function of numbers and arrays at its first call.

    It runs without the interpreter's lock, and divides by zero as numpy does. What was compiled
    is kept for the next process, beside the source or in the user's cache folder; where neither
    can be written (a service without a home), each process compiles anew.

    Args:
        options: more of ``numba.njit``.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        try:
            return njit(cache=True, nogil=True, error_model="numpy", **options)(function)
        except RuntimeError:  # Numba's, of no place for a cache
            return njit(nogil=True, error_model="numpy", **options)(function)

    return decorate
