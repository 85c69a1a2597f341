"""Labelled boxes and masks in COCO's format (Lin et al. 2014), with depth where there is some."""

from __future__ import annotations

import json
import logging
import math
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as run_lengths

from cvdl.camera import Camera
from cvdl.datasets.detection_sample import DetectionSample
from cvdl.datasets.images import DatasetError, read_image
from cvdl.datasets.views import LabelledViews
from cvdl.frame import RgbdFrame

__all__ = ["CocoDataset"]

_log = logging.getLogger(__name__)

_EXPECTED = "annotations.json, or annotations/instances_*.json"
#: Half of the horizontal field of view that is assumed where nothing is said of the camera.
_HALF_VIEW = math.radians(30)


@dataclass
class _Image:
    """What a file of annotations says about one image."""

    color: str
    depth: str | None
    width: int
    height: int
    boxes: list[tuple[float, float, float, float]] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    crowd: list[bool] = field(default_factory=list)
    masks: list[Any] = field(default_factory=list)


class CocoDataset(LabelledViews[DetectionSample]):
    """The views of a folder in COCO's format.

    The annotations (object instances: ``images``, ``annotations``, ``categories``) are
    ``annotations.json`` or, as COCO has them, the one file ``annotations/instances_*.json``. An
    image lies where its ``file_name`` says: in the folder itself, in ``images`` or, for
    ``instances_NAME.json``, in ``NAME``.

    The ids of categories may have gaps: labels count the categories by ascending id; two of one
    name are one class. Masks may be polygons or run lengths, compressed or not; there are masks
    where every annotation has one.

    Beyond COCO, as ``cvdl simulate --format coco`` writes them: ``depth_file_name`` of an image
    (uint16 millimetres, 0 no reading; without it depth is NaN) and ``info.camera`` (``width``,
    ``height``, ``fx``, ``fy``, ``cx``, ``cy`` in pixels; without it, or for images of other sizes,
    a field of view of 60 degrees is assumed).

    Boxes are cut at the image's edges. Those without area in the image are left out, with one
    warning that says how many.

    Args:
        path: the folder.
        annotations: their file, in the folder or elsewhere; None: see above.

    Attributes:
        left_out: number of boxes without area in their image.

    Raises:
        DatasetError: naming the file, if there is no or more than one file of annotations, it is
            not COCO's JSON, it has no images, or images are missing.
    """

    def __init__(self, path: Path, annotations: Path | None = None) -> None:
        self.path = Path(path)
        if not self.path.is_dir():
            raise DatasetError(f"{self.path}: no such folder; expected one with {_EXPECTED}")
        self._file = _annotations_of(self.path) if annotations is None else self.path / annotations
        content = _read(self._file)
        try:
            self.classes, label_of = _classes(content["categories"])
            self._camera = _camera(content.get("info"))
            images = _images(content["images"])
            self.left_out = _annotate(images, content["annotations"], label_of)
        except KeyError as error:
            raise DatasetError(f"{self._file}: no {error}; expected COCO's instances") from error
        except (TypeError, ValueError, AttributeError) as error:
            raise DatasetError(f"{self._file}: {error}") from error
        self._images = list(images.values())
        if not self._images:
            raise DatasetError(f"{self._file}: lists no images")
        self._has_masks = self._all_have_masks()
        self._root = self._find_images()
        self.names = [Path(image.color).stem for image in self._images]
        if len(set(self.names)) < len(self.names):
            # One file may be listed twice.
            self.names = [f"{image.color} (id {number})" for number, image in images.items()]
        if self.left_out:
            _log.warning(
                "%s: %d boxes are of no size or outside of their image; they are left out",
                self._file,
                self.left_out,
            )

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> DetectionSample:
        """One view; negative indices count from the end.

        Raises:
            DatasetError: naming the file that is corrupt or of another size than it should be.
            IndexError: past the end.
        """
        image = self._images[index]
        size = (image.height, image.width)
        bgr = read_image(self._root / image.color, cv2.IMREAD_COLOR, (np.uint8,), size)
        depth = np.full(size, np.nan, np.float32)
        if image.depth is not None:
            file = self._root / image.depth
            raw = read_image(file, cv2.IMREAD_UNCHANGED, (np.uint16,), size)
            np.divide(raw, np.float32(1000), out=depth, where=raw > 0)
        camera = self._camera
        if camera is None or (camera.height, camera.width) != size:
            camera = _nominal_camera(image.width, image.height)
        return DetectionSample(
            self.names[index],
            RgbdFrame(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), depth, camera),
            np.array(image.boxes, np.float64).reshape(-1, 4),
            np.array(image.labels, np.int64),
            np.array(image.crowd, bool),
            self._masks(image) if self._has_masks else None,
        )

    def _all_have_masks(self) -> bool:
        without = [image.color for image in self._images for mask in image.masks if not mask]
        count = sum(len(image.masks) for image in self._images)
        if 0 < len(without) < count:
            _log.warning(
                "%s: %d of %d annotations have no mask, the first in %s; all are taken for boxes",
                self._file,
                len(without),
                count,
                without[0],
            )
        return not without

    def _masks(self, image: _Image) -> NDArray[np.bool_]:
        masks = np.zeros((len(image.masks), image.height, image.width), bool)
        try:
            for row, mask in enumerate(image.masks):
                if isinstance(mask, list):
                    mask = run_lengths.frPyObjects(mask, image.height, image.width)
                    mask = run_lengths.merge(mask)
                masks[row] = run_lengths.decode(mask)
        except Exception as error:  # pycocotools raises no narrower one
            raise DatasetError(
                f"{self._file}: a mask of {image.color} cannot be read ({error}); "
                "expected polygons or run lengths of the image's size"
            ) from error
        return masks

    def _find_images(self) -> Path:
        """The folder that the names of the images are relative to; all of them must be there."""
        split = self._file.stem.removeprefix("instances_")
        roots = [self.path / part for part in ("", "images", split, f"images/{split}")]
        first = self._images[0].color
        root = next((root for root in roots if (root / first).is_file()), None)
        if root is None:
            raise DatasetError(
                f"{self._file}: its image {first} is in none of "
                f"{', '.join(str(root) for root in roots)}"
            )
        files = [name for i in self._images for name in (i.color, i.depth) if name is not None]
        missing = [name for name in files if not (root / name).is_file()]
        if missing:
            raise DatasetError(
                f"{self._file}: {len(missing)} of {len(files)} images are missing, the first "
                f"is {root / missing[0]}"
            )
        return root


def _annotations_of(path: Path) -> Path:
    single = path / "annotations.json"
    if single.is_file():
        return single
    found = sorted((path / "annotations").glob("instances_*.json"))
    if len(found) != 1:
        names = ", ".join(str(file.relative_to(path)) for file in found) or "none"
        raise DatasetError(
            f"{path}: which annotations? Expected {_EXPECTED}, one of them; found {names}"
        )
    return found[0]


def _read(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise DatasetError(f"{file}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{file}: not JSON: {error}") from error
    if not isinstance(content, dict):
        raise DatasetError(f"{file}: holds a {type(content).__name__}; expected COCO's instances")
    return content


def _classes(categories: list[dict[str, Any]]) -> tuple[tuple[str, ...], dict[int, int]]:
    """Names in label order, and the label of every category's id."""
    ordered = sorted(categories, key=lambda category: int(category["id"]))
    ids = [int(category["id"]) for category in ordered]
    twice = next((one for one, other in pairwise(ids) if one == other), None)
    if twice is not None:
        raise ValueError(f"two categories have the id {twice}")
    names = list(dict.fromkeys(str(category["name"]) for category in ordered))
    return tuple(names), {int(each["id"]): names.index(str(each["name"])) for each in ordered}


def _camera(info: Any) -> Camera | None:
    values = info.get("camera") if isinstance(info, dict) else None
    if values is None:
        return None
    try:
        size = int(values["width"]), int(values["height"])
        return Camera(*size, *(float(values[key]) for key in ("fx", "fy", "cx", "cy")))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"bad info.camera: {error}") from error


def _nominal_camera(width: int, height: int) -> Camera:
    focal = width / 2 / math.tan(_HALF_VIEW)
    return Camera(width, height, focal, focal, (width - 1) / 2, (height - 1) / 2)


def _images(entries: list[dict[str, Any]]) -> dict[int, _Image]:
    images: dict[int, _Image] = {}
    for entry in entries:
        number, width, height = int(entry["id"]), int(entry["width"]), int(entry["height"])
        if number in images:
            raise ValueError(f"two images have the id {number}")
        if width <= 0 or height <= 0:
            raise ValueError(f"image {number} is {width}x{height} pixels")
        depth = entry.get("depth_file_name")
        images[number] = _Image(
            str(entry["file_name"]), None if depth is None else str(depth), width, height
        )
    return images


def _annotate(
    images: dict[int, _Image], annotations: list[dict[str, Any]], label_of: dict[int, int]
) -> int:
    """Adds to each image its boxes; returns how many were left out."""
    left_out = 0
    for entry in annotations:
        where = f"annotation {entry.get('id')}"
        image, label = images.get(int(entry["image_id"])), label_of.get(int(entry["category_id"]))
        if image is None:
            raise ValueError(f"{where} is of image {entry['image_id']}, which is not listed")
        if label is None:
            raise ValueError(
                f"{where} is of category {entry['category_id']}; listed: "
                f"{', '.join(map(str, label_of))}"
            )
        if not isinstance(entry["bbox"], list) or len(entry["bbox"]) != 4:
            raise ValueError(f"{where} has bbox {entry['bbox']!r}; expected [x, y, width, height]")
        x, y, width, height = map(float, entry["bbox"])
        x_min, y_min = max(x, 0.0), max(y, 0.0)
        x_max, y_max = min(x + width, float(image.width)), min(y + height, float(image.height))
        if not (x_max > x_min and y_max > y_min):  # not even if one is NaN
            left_out += 1
            continue
        image.boxes.append((x_min, y_min, x_max, y_max))
        image.labels.append(label)
        image.crowd.append(bool(entry.get("iscrowd", 0)))
        image.masks.append(_compressed(entry.get("segmentation"), image, where))
    return left_out


def _compressed(mask: Any, image: _Image, where: str) -> Any:
    """Run lengths as a short text, as pycocotools reads them; polygons as they are."""
    if not isinstance(mask, dict):
        return mask
    size = [image.height, image.width]
    if list(mask["size"]) != size:
        raise ValueError(f"{where} has a mask of size {mask['size']}; the image has {size}")
    if not isinstance(mask["counts"], list):
        return mask
    if min(mask["counts"], default=0) < 0 or sum(mask["counts"]) != image.height * image.width:
        raise ValueError(f"{where} has run lengths that do not fill the image of size {size}")
    return run_lengths.frPyObjects(mask, *size)
