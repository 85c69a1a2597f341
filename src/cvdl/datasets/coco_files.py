"""Files of a folder in COCO's format: the annotations, and images where tools put them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.datasets.images import DatasetError, read_image

__all__ = ["EXPECTED", "ImageFinder", "find_annotations", "read_annotations", "read_color"]

#: What a file of annotations is called, in words.
EXPECTED = "annotations.json, or annotations/instances_*.json, or the one file *.json"
_PATTERNS = ("*annotations*.json", "instances*.json", "annotations/instances_*.json")
_EXIF_WITHIN = 1 << 16  # bytes from the start of a JPEG file


def find_annotations(folder: Path) -> Path:
    """The file of annotations in a folder.

    Raises:
        DatasetError: if there is none, or more than one.
    """
    single = folder / "annotations.json"
    if single.is_file():
        return single
    found = sorted({file for pattern in _PATTERNS for file in folder.glob(pattern)})
    found = found or sorted(folder.glob("*.json"))
    if len(found) != 1:
        names = ", ".join(str(file.relative_to(folder)) for file in found) or "none"
        raise DatasetError(f"{folder}: expected one file of annotations, {EXPECTED}; found {names}")
    return found[0]


def read_annotations(file: Path) -> dict[str, Any]:
    """The content of a file of annotations, in UTF-8, with or without a mark, or UTF-16.

    Raises:
        DatasetError: naming the file, if it cannot be read or holds no JSON object.
    """
    try:
        content = json.loads(file.read_bytes())
    except OSError as error:
        raise DatasetError(f"{file}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{file}: not JSON: {error}") from error
    if not isinstance(content, dict):
        raise DatasetError(f"{file}: holds a {type(content).__name__}; expected COCO's instances")
    return content


class ImageFinder:
    """Finds the images that a file of annotations names.

    They lie in the folder, in ``images``, or for ``instances_NAME.json`` in ``NAME`` or
    ``images/NAME``; or beside the file. Names may be those of Windows. A name with folders that are
    not here is looked for without them, where no other image has it.

    Args:
        folder: of the data.
        file: the annotations.
        names: of all images.

    Attributes:
        roots: where images are looked for.
    """

    def __init__(self, folder: Path, file: Path, names: Iterable[str]) -> None:
        split = file.stem.removeprefix("instances_")
        roots = [folder / part for part in ("", "images", split, f"images/{split}")]
        self.roots = list(dict.fromkeys([*roots, file.parent]))
        self._bases = Counter(_base(name) for name in set(names))

    def __call__(self, name: str) -> Path | None:
        """The file of an image; None where there is none."""
        variants = [name, name.replace("\\", "/")]
        if self._bases[_base(name)] <= 1:
            variants.append(_base(name))
        files = (root / each for each in dict.fromkeys(variants) for root in self.roots)
        return next((file for file in files if file.is_file()), None)

    def size(self, name: str) -> tuple[int, int] | None:
        """Width and height of an image as viewers show it, pixels; None if it cannot be read."""
        file = self(name)
        image = None if file is None else _decoded(file.read_bytes(), cv2.IMREAD_COLOR)
        return None if image is None else (image.shape[1], image.shape[0])


def read_color(file: Path, size: tuple[int, int]) -> NDArray[np.uint8]:
    """A colour image (H, W, 3) RGB of the size (height, width).

    Labelling tools show photographs turned as their Exif data say: so are they read, unless only
    the picture as it is stored has that size.

    Raises:
        DatasetError: naming the file, what was found and what was expected.
    """
    try:
        data = file.read_bytes()
    except OSError as error:
        raise DatasetError(f"{file}: cannot be read: {error.strerror}") from error
    if b"Exif\0\0" in data[:_EXIF_WITHIN]:
        turned = _decoded(data, cv2.IMREAD_COLOR)
        if turned is not None and turned.shape[:2] == size:
            return np.asarray(cv2.cvtColor(turned, cv2.COLOR_BGR2RGB), np.uint8)
    bgr = read_image(file, cv2.IMREAD_COLOR, (np.uint8,), size)
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)


def _decoded(data: bytes, flags: int) -> NDArray[Any] | None:
    return cv2.imdecode(np.frombuffer(data, np.uint8), flags) if data else None


def _base(name: str) -> str:
    return name.replace("\\", "/").rsplit("/", 1)[-1]
