"""Labeled boxes and masks in the format of COCO (Lin et al. 2014), optionally with depth."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.core.camera import Camera
from cvdl.core.extras import require
from cvdl.core.frame import RgbdFrame
from cvdl.datasets.coco_annotations import (
    CocoImage,
    Problems,
    add_annotations,
    read_classes,
    read_images,
)
from cvdl.datasets.dataset import Dataset
from cvdl.datasets.detection_sample import DetectionSample
from cvdl.datasets.reading import (
    DatasetError,
    check_folder,
    read_bytes,
    read_color,
    read_depth,
    read_json,
)
from cvdl.datasets.registry import DATASETS, DatasetInfo

__all__ = ["CocoDataset"]

#: Half of the assumed horizontal field of view of images without intrinsics.
_HALF_VIEW = math.radians(30)
_EXPECTED = "annotations.json, or annotations/instances_*.json, or the one file *.json"
_PATTERNS = ("*annotations*.json", "instances*.json", "annotations/instances_*.json")
_EXIF_WITHIN = 1 << 16  # bytes from the start of a JPEG file


class CocoDataset(Dataset[DetectionSample]):
    """The images of a folder in COCO's format.

    The annotations (object instances: ``images``, ``annotations``, ``categories``) are in
    ``annotations.json`` or, as in COCO, the one file ``annotations/instances_*.json``, or the one
    JSON file in the folder. The images are in the folder, in ``images``, or for
    ``instances_NAME.json`` in ``NAME`` or ``images/NAME``; or beside the annotations.

    Category ids may have gaps: class indices follow ascending ids; categories of the same name are
    one class. Masks may be polygons or run lengths, compressed or not. If at most a tenth of the
    annotations has no usable mask, their boxes are their masks; otherwise there are no masks.

    Additions to COCO, as written by ``cvdl simulate --format coco``: ``depth_file_name`` of an
    image (uint16 millimeters, 0 no reading; without it depth is NaN) and ``camera`` of an image, or
    ``info.camera`` for all (``width``, ``height``, ``fx``, ``fy``, ``cx``, ``cy`` in pixels;
    without it, or for images of another size, a field of view of 60 degrees is assumed).

    Boxes are clipped to the image; an annotation without a box gets the box of its mask.
    Annotations and images that cannot be used are skipped, with one warning for each cause that
    gives their number and the first one. If most annotations are crowds, they are used as single
    objects, because CVAT marks every mask so. Images are rotated by their Exif orientation if that
    gives the listed size.

    Args:
        path: the folder, or the file of annotations in it or in its folder ``annotations``.

    Attributes:
        skipped: number of annotations that could not be used.

    Raises:
        DatasetError: naming the file, if there is not exactly one file of annotations, it is not
            COCO's JSON, or no image can be used.
        MissingExtraError: if pycocotools is not installed.
    """

    def __init__(self, path: Path) -> None:
        require("evaluate", "the data set coco", "pycocotools")
        if Path(path).is_file():
            file = Path(path)
            folder = file.parent.parent if file.parent.name == "annotations" else file.parent
        else:
            folder = check_folder(path, f"one with {_EXPECTED}")
            file = _find_annotations(folder)
        content = read_json(file)
        if not isinstance(content, dict):
            found = type(content).__name__
            raise DatasetError(f"{file}: holds a {found}; expected COCO's instances")
        problems = Problems()
        try:
            self.classes, class_of = read_classes(content["categories"])
            info = content.get("info")
            self._camera = _camera(info.get("camera"), "info") if isinstance(info, dict) else None
            entries = [entry for entry in content["images"] if isinstance(entry, dict)]
            find = _ImageFinder(folder, file, [str(entry.get("file_name")) for entry in entries])
            images = read_images(content["images"], find.size, problems)
            self._own_cameras = {
                image.number: _camera(image.camera, image.color) for image in images.values()
            }
            self._has_masks = add_annotations(images, content["annotations"], class_of, problems)
        except KeyError as error:
            raise DatasetError(f"{file}: no {error}; expected COCO's instances") from error
        except (TypeError, ValueError, AttributeError) as error:
            raise DatasetError(f"{file}: {error}") from error
        if not images:
            problems.warn(file)
            raise DatasetError(f"{file}: lists no usable images")
        self._images = _find_images(images.values(), find, problems)
        if not self._images:
            raise DatasetError(
                f"{file}: none of its {len(images)} images exists; "
                f"{next(iter(images.values())).color} is in none of "
                f"{', '.join(str(root) for root in find.roots)}"
            )
        used = sum(len(image.boxes) for image in images.values())
        self.skipped = len(content["annotations"]) - used
        problems.warn(file)
        self.names = [Path(image.color.replace("\\", "/")).stem for image, _, _ in self._images]
        if len(set(self.names)) < len(self.names):  # one file may be listed twice
            self.names = [f"{image.color} (id {image.number})" for image, _, _ in self._images]

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> DetectionSample:
        image, color_file, depth_file = self._images[index]
        size = (image.height, image.width)
        color = _read_upright(color_file, size)
        if depth_file is None:
            depth = np.full(size, np.nan, np.float32)
        else:
            depth = read_depth(depth_file, size)
        camera = self._own_cameras[image.number] or self._camera
        if camera is None or (camera.height, camera.width) != size:
            focal = image.width / 2 / math.tan(_HALF_VIEW)
            center = (image.width - 1) / 2, (image.height - 1) / 2
            camera = Camera(image.width, image.height, focal, focal, *center)
        return DetectionSample(
            self.names[index],
            RgbdFrame(color, depth, camera),
            np.array(image.boxes, np.float64).reshape(-1, 4),
            np.array(image.labels, np.int64),
            np.array(image.crowd, bool),
            _masks(image) if self._has_masks else None,
        )


def _find_annotations(folder: Path) -> Path:
    single = folder / "annotations.json"
    if single.is_file():
        return single
    found = sorted({file for pattern in _PATTERNS for file in folder.glob(pattern)})
    found = found or sorted(folder.glob("*.json"))
    if len(found) != 1:
        names = ", ".join(str(file.relative_to(folder)) for file in found) or "none"
        raise DatasetError(
            f"{folder}: expected one file of annotations, {_EXPECTED}; found {names}"
        )
    return found[0]


class _ImageFinder:
    """Finds the images that a file of annotations names.

    Names may be those of Windows. A name with folders that do not exist here is searched without
    them if no other image has the same base name.
    """

    def __init__(self, folder: Path, file: Path, names: Iterable[str]) -> None:
        split = file.stem.removeprefix("instances_")
        roots = [folder / part for part in ("", "images", split, f"images/{split}")]
        self.roots = list(dict.fromkeys([*roots, file.parent]))
        self._bases = Counter(_base(name) for name in set(names))

    def __call__(self, name: str) -> Path | None:
        """Return the file of an image; None if there is none."""
        variants = [name, name.replace("\\", "/")]
        if self._bases[_base(name)] <= 1:
            variants.append(_base(name))
        files = (root / each for each in dict.fromkeys(variants) for root in self.roots)
        return next((file for file in files if file.is_file()), None)

    def size(self, name: str) -> tuple[int, int] | None:
        """Return width and height of an image as viewers show it; None if it cannot be read."""
        file = self(name)
        image = None if file is None else _decoded(file.read_bytes())
        return None if image is None else (image.shape[1], image.shape[0])


def _find_images(
    images: Iterable[CocoImage], find: _ImageFinder, problems: Problems
) -> list[tuple[CocoImage, Path, Path | None]]:
    """The images with their color and depth files; images without a color file are skipped."""
    found = []
    for image in images:
        color = find(image.color)
        depth = None if image.depth is None else find(image.depth)
        if color is None:
            problems.add(("images that are missing", "they are skipped"), image.color)
            continue
        if depth is None and image.depth is not None:
            missing = "depth images that are missing", "their views have no depth"
            problems.add(missing, image.depth)
        found.append((image, color, depth))
    return found


def _read_upright(file: Path, size: tuple[int, int]) -> NDArray[np.uint8]:
    """A color image (H, W, 3) RGB of the size (height, width).

    Annotation tools show photographs rotated by their Exif orientation. The image is rotated too,
    unless only the stored image has the size.
    """
    data = read_bytes(file)
    if b"Exif\0\0" in data[:_EXIF_WITHIN]:
        rotated = _decoded(data)
        if rotated is not None and rotated.shape[:2] == size:
            return np.asarray(cv2.cvtColor(rotated, cv2.COLOR_BGR2RGB), np.uint8)
    return read_color(file, size)


def _decoded(data: bytes) -> NDArray[Any] | None:
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None


def _base(name: str) -> str:
    return name.replace("\\", "/").rsplit("/", 1)[-1]


def _masks(image: CocoImage) -> NDArray[np.bool_]:
    """The masks (N, H, W) of an image's annotations; an annotation without a mask has its box."""
    from pycocotools import mask as run_lengths

    masks = np.zeros((len(image.masks), image.height, image.width), bool)
    for row, (mask, box) in enumerate(zip(image.masks, image.boxes, strict=True)):
        if isinstance(mask, list):
            mask = run_lengths.merge(run_lengths.frPyObjects(mask, image.height, image.width))
        if mask is not None:
            masks[row] = run_lengths.decode(mask)
        if not masks[row].any():
            x_min, y_min, x_max, y_max = box
            rows = slice(math.floor(y_min), math.ceil(y_max))
            masks[row, rows, math.floor(x_min) : math.ceil(x_max)] = True
    return masks


def _camera(values: Any, owner: str) -> Camera | None:
    if values is None:
        return None
    try:
        size = int(values["width"]), int(values["height"])
        return Camera(*size, *(float(values[key]) for key in ("fx", "fy", "cx", "cy")))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"bad {owner}.camera: {error}") from error


DATASETS.register(
    DatasetInfo(
        "coco",
        "COCO's object instances; also of simulated scenes (cvdl simulate --format coco).",
        boxes=CocoDataset,
        masks=CocoDataset,
    )
)
