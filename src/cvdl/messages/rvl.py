"""Decodes RVL, a lossless compression of depth images: runs of empty pixels, and differences.

A. D. Wilson, Fast Lossless Depth Image Compression, ISS 2017. A stream consists of 32-bit words,
each of eight nibbles, the first one in the highest bits. A number is a sequence of nibbles, its
lowest three bits first; the highest bit of a nibble says whether another one follows.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cvdl.core.compiled import compiled

__all__ = ["decode"]

_NO_MORE_DATA, _RUN_TOO_LONG, _NUMBER_TOO_LONG = -1, -2, -3
_FAULTS = {
    _NO_MORE_DATA: "the data ends too early",
    _RUN_TOO_LONG: "a run is longer than the image",
    _NUMBER_TOO_LONG: "a number has more than 32 bits",
}


def decode(data: NDArray[np.uint8], count: int) -> NDArray[np.uint16]:
    """Decode the pixels of an image.

    Args:
        data: (N,) uint8, the stream.
        count: number of pixels.

    Returns:
        (count,) uint16; 0 for empty pixels.

    Raises:
        ValueError: if the stream is too short or damaged.
    """
    words = np.frombuffer(data[: len(data) // 4 * 4].tobytes(), "<u4").astype(np.int64)
    pixels = np.zeros(count, np.uint16)
    done = _decode(words, pixels)
    if done in _FAULTS:
        raise ValueError(_FAULTS[done])
    return pixels


@compiled()
def _decode(words, pixels):  # type: ignore[no-untyped-def]
    """Fill the pixels, initially zero; returns their number, or a fault."""
    position, filled, previous = 0, 0, 0
    while filled < len(pixels):
        empty, position = _number(words, position)
        if empty < 0:
            return empty
        if empty > len(pixels) - filled:
            return _RUN_TOO_LONG
        filled += empty
        if filled == len(pixels):  # the run of readings that follows is of length 0
            break
        run, position = _number(words, position)
        if run < 0:
            return run
        if run > len(pixels) - filled:
            return _RUN_TOO_LONG
        for _ in range(run):
            folded, position = _number(words, position)
            if folded < 0:
                return folded
            # 0, 1, 2, 3, ... stand for the differences 0, -1, 1, -2, ...
            previous = (previous + ((folded >> 1) ^ -(folded & 1))) & 0xFFFF
            pixels[filled] = previous
            filled += 1
    return filled


@compiled()
def _number(words, position):  # type: ignore[no-untyped-def]
    """The number that begins at a nibble, or a fault; and the position of the next one."""
    value, shift = 0, 0
    while True:
        if position >> 3 >= len(words):
            return _NO_MORE_DATA, position
        nibble = (words[position >> 3] >> (28 - 4 * (position & 7))) & 15
        position += 1
        value |= (nibble & 7) << shift
        shift += 3
        if not nibble & 8:
            return value, position
        if shift > 32:
            return _NUMBER_TOO_LONG, position
