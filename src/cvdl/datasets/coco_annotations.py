"""What a file of COCO's instances says, as COCO and labelling tools write it.

What cannot be used is left out and counted; it never refuses the rest.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pycocotools import mask as run_lengths

__all__ = ["CocoImage", "Problems", "add_annotations", "read_classes", "read_images"]

_log = logging.getLogger(__name__)

Id = int | str
Box = tuple[float, float, float, float]

_MOSTLY_CROWD = 0.5  # of the annotations: labelled data has few crowds
_WITHOUT_MASKS = 0.1  # of the annotations: with more, the set is taken for one of boxes
_FEWEST_VALUES = 6  # of a polygon: three corners

# What is wrong, and what becomes of it.
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
    """Counts what is wrong in a file, by cause."""

    def __init__(self) -> None:
        self._examples: dict[tuple[str, str], list[str]] = {}

    def add(self, problem: tuple[str, str], example: object) -> None:
        """Count an entry.

        Args:
            problem: what is wrong, and what becomes of it.
            example: which entry it is.
        """
        self._examples.setdefault(problem, []).append(str(example))

    def tell(self, file: Path) -> None:
        """One warning a cause: how many, and the first one."""
        for (what, then), examples in self._examples.items():
            _log.warning(
                "%s: %s: %d, the first is %s; %s", file, what, len(examples), examples[0], then
            )


@dataclass
class CocoImage:
    """What a file of annotations says about one image.

    Attributes:
        color: name of its file.
        depth: of the file with its depth, where there is one.
        width: pixels.
        height: pixels.
        boxes: x_min, y_min, x_max, y_max in the image, pixels.
        labels: places in the classes.
        crowd: whether a box is round many things.
        masks: polygons or run lengths as pycocotools reads them; None where the box is the mask.
    """

    color: str
    depth: str | None
    width: int
    height: int
    boxes: list[Box] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    crowd: list[bool] = field(default_factory=list)
    masks: list[Any] = field(default_factory=list)


def read_classes(categories: Any) -> tuple[tuple[str, ...], dict[Id, int]]:
    """Names in label order, by ascending id, and the label of every category's id.

    Raises:
        ValueError: if a category has no id or no name, or two names have one id.
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
    """The images by id, without annotations.

    Args:
        entries: the list in the file.
        size_of: the width and height of an image's file, pixels; None where it cannot be read.
            It is asked where the list does not tell.
        problems: what cannot be used is counted there.

    Raises:
        ValueError: if it is no list.
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
        image = CocoImage(name, None if depth is None else str(depth), width, height)
        if images.setdefault(number, image) != image:
            unclear.add(number)
            problems.add(_ONE_ID, number)
    for number in unclear:
        del images[number]
    return images


def add_annotations(
    images: Mapping[Id, CocoImage], entries: Any, label_of: Mapping[Id, int], problems: Problems
) -> bool:
    """Adds to each image its annotations.

    Args:
        images: by id.
        entries: the list in the file.
        label_of: the label of each category's id.
        problems: what cannot be used is counted there.

    Returns:
        Whether the annotations have masks.

    Raises:
        ValueError: if it is no list.
    """
    known: dict[Id, dict[str, Any]] = {}
    added = 0
    crowds: list[str] = []
    without: list[str] = []
    for place, entry in enumerate(_list(entries, "annotations")):
        if not isinstance(entry, dict):
            problems.add(_NO_ENTRY, f"number {place}")
            continue
        number = _id(entry.get("id", f"number {place}"))
        before = known.setdefault(number, entry)
        image = images.get(_id(entry.get("image_id")))
        label = label_of.get(_id(entry.get("category_id")))
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
    """Polygons or run lengths as pycocotools reads them; [] without any, None if not usable."""
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
    """Polygons, x y x y..., of a list of them, a single one, or lists of corners."""
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
    """Whether it has three corners or more, and some of it may be in the image."""
    if len(polygon) < _FEWEST_VALUES or len(polygon) % 2:
        return False
    return _cut(_around([polygon]), image) is not None


def _around(polygons: list[list[float]]) -> Box:
    x = [number for polygon in polygons for number in polygon[::2]]
    y = [number for polygon in polygons for number in polygon[1::2]]
    return min(x), min(y), max(x), max(y)


def _runs(value: dict[str, Any], image: CocoImage) -> Any:
    """Run lengths with their counts as a short text; None if they are not of the image."""
    size = [image.height, image.width]
    counts = value.get("counts")
    if _numbers(value.get("size", size)) != size:
        return None
    if isinstance(counts, list):
        runs = _numbers(counts)
        if runs is None or min(runs, default=-1) < 0 or sum(runs) != math.prod(size):
            return None
        whole = {"size": size, "counts": [int(run) for run in runs]}
        return run_lengths.frPyObjects(whole, *size)
    if not isinstance(counts, str) or _total(counts) != math.prod(size):
        return None
    return {"size": size, "counts": counts}


def _total(text: str) -> int:
    """Sum of the run lengths in COCO's compressed text; -1 if it is none.

    A number takes characters of five bits each, the lowest first, and a sixth that says that more
    follow; from the fourth on it is the difference from the number two before it.
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
    """Two corners of [x, y, width, height] or, without an area in the image, of the mask."""
    numbers = _numbers(value)
    if numbers is not None and len(numbers) == 4:
        x, y, width, height = numbers
        box = _cut((x, y, x + width, y + height), image)
        if box is not None:
            return box
    if isinstance(mask, list) and mask:
        return _cut(_around(mask), image)
    if mask:
        x, y, width, height = (float(number) for number in run_lengths.toBbox(mask))
        return _cut((x, y, x + width, y + height), image)
    return None


def _cut(box: Box, image: CocoImage) -> Box | None:
    """A box within its image; None without an area there."""
    x_min, y_min = max(box[0], 0.0), max(box[1], 0.0)
    x_max, y_max = min(box[2], float(image.width)), min(box[3], float(image.height))
    return (x_min, y_min, x_max, y_max) if x_max > x_min and y_max > y_min else None


def _numbers(value: Any) -> list[float] | None:
    """Finite numbers of a list of numbers or of texts of such; None if it is no such list."""
    try:
        numbers = [float(each) for each in value] if isinstance(value, list) else None
    except (TypeError, ValueError):
        return None
    return numbers if numbers is not None and all(map(math.isfinite, numbers)) else None


def _id(value: Any) -> Id:
    """An id: a whole number, also where it is written as a text or with a fraction of 0."""
    try:
        return int(value) if int(value) == float(value) else str(value)
    except (TypeError, ValueError, OverflowError):
        return str(value)


def _whole(value: Any) -> int:
    """A whole number; 0 for whatever is none."""
    try:
        return int(float(value))
    except (TypeError, ValueError, OverflowError):
        return 0


def _list(value: Any, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"{what} are a {type(value).__name__}; expected a list")
    return value
