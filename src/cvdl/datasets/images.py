"""Image files of data sets, checked for what they should be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.core.errors import InputError

__all__ = ["DatasetError", "read_image"]


class DatasetError(InputError):
    """A data folder that cannot be used; the message names the file."""


def read_image(
    path: Path, flags: int, dtypes: tuple[type[np.generic], ...], size: tuple[int, int]
) -> NDArray[Any]:
    """An image of one of the types and the size (height, width), as OpenCV reads it.

    ``flags`` are OpenCV's: three channels, BGR, for ``IMREAD_COLOR``, otherwise one.

    Raises:
        DatasetError: naming the file, what was found and what was expected.
    """
    try:
        data = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror}") from error
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
