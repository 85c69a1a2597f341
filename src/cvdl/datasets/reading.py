"""Reads the files of data sets and checks their content."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.core.errors import InputError

__all__ = [
    "DatasetError",
    "check_folder",
    "read_bytes",
    "read_color",
    "read_depth",
    "read_image",
    "read_json",
    "read_rows",
]


class DatasetError(InputError):
    """A data set that cannot be used; the message names the file."""


def check_folder(path: Path, expected: str) -> Path:
    """Return ``path`` as a Path.

    Raises:
        DatasetError: if it is not a folder; the message says what is expected.
    """
    if not Path(path).is_dir():
        problem = "a file, not a folder" if Path(path).exists() else "no such folder"
        raise DatasetError(f"{path}: {problem}; expected {expected}")
    return Path(path)


def read_bytes(path: Path) -> bytes:
    """Read a file.

    Raises:
        DatasetError: naming the file and the cause.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror}") from error


def read_json(path: Path) -> Any:
    """Read JSON in UTF-8, with or without a byte order mark, or UTF-16.

    Raises:
        DatasetError: naming the file, if it cannot be read or is not JSON.
    """
    data = read_bytes(path)
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{path}: not JSON: {error}") from error


def read_image(
    path: Path, flags: int, dtypes: tuple[type[np.generic], ...], size: tuple[int, int]
) -> NDArray[Any]:
    """Read an image of one of the dtypes and the size (height, width) as OpenCV does.

    ``flags`` are OpenCV's: three channels, BGR, for ``IMREAD_COLOR``, otherwise one.

    Raises:
        DatasetError: naming the file, what it contains and what is expected.
    """
    data = np.frombuffer(read_bytes(path), np.uint8)
    image = cv2.imdecode(data, flags | cv2.IMREAD_IGNORE_ORIENTATION) if data.size else None
    if image is None:
        raise DatasetError(f"{path}: not a readable image ({data.size} bytes)")
    channels = 3 if flags == cv2.IMREAD_COLOR else 1
    found = image.shape[2] if image.ndim == 3 else 1
    if image.dtype not in dtypes or found != channels:
        accepted = " or ".join(np.dtype(dtype).name for dtype in dtypes)
        raise DatasetError(
            f"{path}: {image.dtype} with {found} channels; expected {accepted} with {channels}"
        )
    if image.shape[:2] != size:
        raise DatasetError(
            f"{path}: {image.shape[1]}x{image.shape[0]} pixels; expected {size[1]}x{size[0]}"
        )
    return np.asarray(image)


def read_color(path: Path, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Read a color image (H, W, 3) RGB of the size (height, width); see `read_image`."""
    bgr = read_image(path, cv2.IMREAD_COLOR, (np.uint8,), size)
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)


def read_depth(path: Path, size: tuple[int, int], unit: float = 0.001) -> NDArray[np.float32]:
    """Read a uint16 depth image (H, W) as meters, NaN where there is no reading.

    Args:
        path: the file.
        size: (height, width).
        unit: meters per unit of the file.

    Raises:
        DatasetError: as `read_image`.
    """
    raw = read_image(path, cv2.IMREAD_UNCHANGED, (np.uint16,), size)
    depth = raw.astype(np.float32) / np.float32(1 / unit)
    depth[raw == 0] = np.nan
    return depth


def read_rows(
    path: Path, separator: str | None, is_valid: Callable[[list[float]], bool], expected: str
) -> NDArray[np.float64]:
    """Read the lines of a text file as rows (N, 5) of numbers; blank lines are skipped.

    Args:
        path: the file.
        separator: between the numbers; None: white space.
        is_valid: whether five finite numbers are a valid line.
        expected: description of a valid line.

    Raises:
        DatasetError: naming the file and the invalid line.
    """
    try:
        lines = read_bytes(path).decode("ascii").splitlines()
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path}: cannot be read: {error}") from error

    def read(number: int, line: str) -> list[float]:
        try:
            values = [float(word) for word in line.split(separator)]
            if len(values) == 5 and np.isfinite(values).all() and is_valid(values):
                return values
        except ValueError:  # a word is not a number
            pass
        raise DatasetError(f"{path}: line {number} is {line!r}; expected {expected}")

    rows = [read(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    return np.array(rows, np.float64).reshape(-1, 5)
