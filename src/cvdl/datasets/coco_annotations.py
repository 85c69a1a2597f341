"""Parses COCO instances as written by COCO and by annotation tools.

Entries that cannot be used are skipped and counted; the others are used.
"""

from __future__ import annotations

import logging
import math
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["CocoImage", "Problems", "add_annotations", "read_classes", "read_images"]

_log = logging.getLogger(__name__)

Id = int | str
Box = tuple[float, float, float, float]

_MOSTLY_CROWD = 0.5  # share of the annotations; usual data has few crowds
_WITHOUT_MASKS = 0.1  # share of the annotations; with more, only boxes are used
_FEWEST_VALUES = 6  # of a polygon with three corners

# Each problem is what is wrong, and what is done about it.
_SKIPPED = "they are skipped"
_BOX_IS_MASK = "the box is the mask"
_NO_BOX = "annotations without a box that has an area in the image", _SKIPPED
_NO_IMAGE = "annotations of an image that is not listed", _SKIPPED
_NO_CLASS = "annotations of a category that is not listed", _SKIPPED
_NO_ENTRY = "annotations that are not JSON objects", _SKIPPED
_TWICE = "annotations that are listed twice", "they are used once"
_NO_POLYGON = (
    "annotations with polygons that are not a list of three or more corners in the image",
    "these polygons are skipped; where none remains, the box is the mask",
)
_NO_RUNS = "annotations with run lengths that do not fill the image", _BOX_IS_MASK
_NO_MASK = "annotations without a mask"
_CROWDS = (
    "annotations with iscrowd 1, more than half of all",
    "all are used as single objects, because CVAT marks every mask so",
)
_NO_NAME = "images without an id or a file_name", _SKIPPED
_NO_SIZE = "images without a size and without a readable file", _SKIPPED
_SIZE_OF_FILE = "images without a size", "the size is read from their files"
_ONE_ID = "ids of several images", "these images are skipped"


class Problems:
    """Collects the problems in a file, by cause."""

    def __init__(self) -> None:
        self._examples: defaultdict[tuple[str, str], list[str]] = defaultdict(list)

    def add(self, problem: tuple[str, str], example: object) -> None:
        """Count an entry that has a problem (what is wrong, and what is done about it)."""
        self._examples[problem].append(str(example))

    def warn(self, file: Path) -> None:
        """Log one warning for each cause, with the number of entries and the first one."""
        for (what, then), examples in self._examples.items():
            _log.warning(
                "%s: %s: %d, the first is %s; %s", file, what, len(examples), examples[0], then
            )


@dataclass
class CocoImage:
    """One image with its annotations.

    Attributes:
        number: its id.
        color: name of its file.
        depth: name of the file of its depth, if it has one.
        width: pixels.
        height: pixels.
        camera: its intrinsics as they are listed, if they are.
        boxes: x_min, y_min, x_max, y_max within the image, pixels.
        labels: class indices.
        crowd: whether a box is around many objects.
        masks: polygons or run lengths as pycocotools reads them; None where the box is the mask.
    """

    number: Id
    color: str
    depth: str | None
    width: int
    height: int
    camera: Any = None
    boxes: list[Box] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    crowd: list[bool] = field(default_factory=list)
    masks: list[Any] = field(default_factory=list)


def read_classes(categories: Any) -> tuple[tuple[str, ...], dict[Id, int]]:
    """Return the class names by ascending id, and the class index of every category id.

    Raises:
        ValueError: if a category has no id or no name, or two names have the same id.
    """
    names: dict[Id, str] = {}
    for entry in _list(categories, "categories"):
        if not isinstance(entry, dict) or "id" not in entry or "name" not in entry:
            raise ValueError(f"a category is {entry!r}; expected an object with id and name")
        number = _id(entry["id"])
        if names.setdefault(number, str(entry["name"])) != str(entry["name"]):
            raise ValueError(f"two categories have the id {number}")
    ordered = sorted(names, key=lambda number: (isinstance(number, str), number))
    classes = tuple(dict.fromkeys(names[number] for number in ordered))
    return classes, {number: classes.index(name) for number, name in names.items()}


def read_images(
    entries: Any, size_of: Callable[[str], tuple[int, int] | None], problems: Problems
) -> dict[Id, CocoImage]:
    """Return the images by id, without annotations.

    ``size_of`` returns width and height of an image file, pixels, or None if it cannot be read; it
    is called for entries without a size.

    Raises:
        ValueError: if ``entries`` is not a list.
    """
    images: dict[Id, CocoImage] = {}
    unclear: set[Id] = set()
    for entry in _list(entries, "images"):
        if not isinstance(entry, dict) or "id" not in entry or not entry.get("file_name"):
            problems.add(_NO_NAME, entry)
            continue
        number, name = _id(entry["id"]), str(entry["file_name"])
        width, height = _whole(entry.get("width")), _whole(entry.get("height"))
        if width <= 0 or height <= 0:
            size = size_of(name)
            if size is None:
                problems.add(_NO_SIZE, name)
                continue
            problems.add(_SIZE_OF_FILE, name)
            width, height = size
        depth = entry.get("depth_file_name")
        depth = None if depth is None else str(depth)
        image = CocoImage(number, name, depth, width, height, entry.get("camera"))
        if images.setdefault(number, image) != image:
            unclear.add(number)
            problems.add(_ONE_ID, number)
    for number in unclear:
        del images[number]
    return images


def add_annotations(
    images: Mapping[Id, CocoImage], entries: Any, class_of: Mapping[Id, int], problems: Problems
) -> bool:
    """Add the annotations to the images (by id), and return whether they have masks.

    Raises:
        ValueError: if ``entries`` is not a list.
    """
    known: dict[Id, dict[str, Any]] = {}
    added = 0
    crowds, without = [], []
    for place, entry in enumerate(_list(entries, "annotations")):
        if not isinstance(entry, dict):
            problems.add(_NO_ENTRY, f"number {place}")
            continue
        number = _id(entry.get("id", f"number {place}"))
        before = known.setdefault(number, entry)
        image = images.get(_id(entry.get("image_id")))
        label = class_of.get(_id(entry.get("category_id")))
        if before is not entry and before == entry:
            problems.add(_TWICE, number)
        elif image is None:
            problems.add(_NO_IMAGE, number)
        elif label is None:
            problems.add(_NO_CLASS, number)
        else:
            where = f"{number} in {image.color}"
            mask = _mask(entry.get("segmentation"), image, where, problems)
            box = _box(entry.get("bbox"), mask, image)
            if box is None:
                problems.add(_NO_BOX, where)
                continue
            image.boxes.append(box)
            image.labels.append(label)
            image.crowd.append(_whole(entry.get("iscrowd")) == 1)
            image.masks.append(mask or None)
            added += 1
            if image.crowd[-1]:
                crowds.append(where)
            if mask == []:
                without.append(where)
    if len(crowds) > _MOSTLY_CROWD * added:
        for where in crowds:
            problems.add(_CROWDS, where)
        for image in images.values():
            image.crowd = [False] * len(image.crowd)
    if added and not any(mask for image in images.values() for mask in image.masks):
        return False
    enough = len(without) <= _WITHOUT_MASKS * added
    then = _BOX_IS_MASK if enough else f"all {added} are used as boxes"
    for where in without:
        problems.add((_NO_MASK, then), where)
    return enough


def _mask(value: Any, image: CocoImage, where: str, problems: Problems) -> Any:
    """Polygons or run lengths as pycocotools reads them; [] for none, None for unusable ones."""
    if not value:
        return []
    if isinstance(value, dict):
        runs = _runs(value, image)
        if runs is None:
            problems.add(_NO_RUNS, where)
        return runs
    polygons = _polygons(value)
    usable = [polygon for polygon in polygons if _is_in(polygon, image)]
    if len(usable) < len(polygons) or not usable:
        problems.add(_NO_POLYGON, where)
    return usable or None


def _polygons(value: Any) -> list[list[float]]:
    """Polygons, x y x y..., from a list of polygons, a single polygon, or lists of corners."""
    if not isinstance(value, list):
        return [[]]
    if not any(isinstance(each, list) for each in value):
        value = [value]
    elif all(isinstance(each, list) and len(each) == 2 for each in value) and len(value) > 2:
        value = [value]  # corners
    polygons = []
    for polygon in value:
        if isinstance(polygon, list) and all(isinstance(each, list) for each in polygon):
            polygon = [number for corner in polygon for number in corner]
        polygons.append(_numbers(polygon) or [])
    return polygons


def _is_in(polygon: list[float], image: CocoImage) -> bool:
    """Whether a polygon has at least three corners and its box is partly in the image."""
    if len(polygon) < _FEWEST_VALUES or len(polygon) % 2:
        return False
    return _clipped(_box_around([polygon]), image) is not None


def _box_around(polygons: list[list[float]]) -> Box:
    x = [number for polygon in polygons for number in polygon[::2]]
    y = [number for polygon in polygons for number in polygon[1::2]]
    return min(x), min(y), max(x), max(y)


def _runs(value: dict[str, Any], image: CocoImage) -> Any:
    """Compressed run lengths; None if they do not fill the image."""
    size = [image.height, image.width]
    counts = value.get("counts")
    if _numbers(value.get("size", size)) != size:
        return None
    if isinstance(counts, list):
        runs = _numbers(counts)
        if runs is None or min(runs, default=-1) < 0 or sum(runs) != math.prod(size):
            return None
        whole = {"size": size, "counts": [int(run) for run in runs]}
        from pycocotools import mask as run_lengths

        return run_lengths.frPyObjects(whole, *size)
    if not isinstance(counts, str) or _total(counts) != math.prod(size):
        return None
    return {"size": size, "counts": counts}


def _total(text: str) -> int:
    """Sum of the run lengths in COCO's compressed string; -1 if it is invalid.

    A number is a sequence of characters with five bits each, lowest bits first; the sixth bit says
    that more follow. From the fourth number on, it is the difference to the number two before.
    """
    runs: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64:
            return -1
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value = shift = 0
    return sum(runs) if runs and not shift and min(runs) >= 0 else -1


def _box(value: Any, mask: Any, image: CocoImage) -> Box | None:
    """Corners of [x, y, width, height] or, if that has no area in the image, of the mask's box."""
    numbers = _numbers(value)
    if numbers is not None and len(numbers) == 4:
        x, y, width, height = numbers
        box = _clipped((x, y, x + width, y + height), image)
        if box is not None:
            return box
    if isinstance(mask, list) and mask:
        return _clipped(_box_around(mask), image)
    if mask:
        from pycocotools import mask as run_lengths

        x, y, width, height = (float(number) for number in run_lengths.toBbox(mask))
        return _clipped((x, y, x + width, y + height), image)
    return None


def _clipped(box: Box, image: CocoImage) -> Box | None:
    """Clip a box to the image; None if no area remains."""
    x_min, y_min = max(box[0], 0.0), max(box[1], 0.0)
    x_max, y_max = min(box[2], float(image.width)), min(box[3], float(image.height))
    return (x_min, y_min, x_max, y_max) if x_max > x_min and y_max > y_min else None


def _numbers(value: Any) -> list[float] | None:
    """Finite numbers from a list of numbers or their strings; None for anything else."""
    try:
        numbers = [float(each) for each in value] if isinstance(value, list) else None
    except (TypeError, ValueError):
        return None
    return numbers if numbers is not None and all(map(math.isfinite, numbers)) else None


def _id(value: Any) -> Id:
    """An id: an integer, also if it is written as a string or a float; other ids as strings."""
    try:
        return int(value) if int(value) == float(value) else str(value)
    except (TypeError, ValueError, OverflowError):
        return str(value)


def _whole(value: Any) -> int:
    """An integer from a number or its string; 0 for anything else."""
    try:
        return int(float(value))
    except (TypeError, ValueError, OverflowError):
        return 0


def _list(value: Any, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"{what} are a {type(value).__name__}; expected a list")
    return value
