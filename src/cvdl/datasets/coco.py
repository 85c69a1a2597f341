"""Labelled boxes and masks in COCO's format (Lin et al. 2014), with depth where there is some."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as run_lengths

from cvdl.core.camera import Camera
from cvdl.core.frame import RgbdFrame
from cvdl.datasets.coco_annotations import (
    CocoImage,
    Problems,
    add_annotations,
    read_classes,
    read_images,
)
from cvdl.datasets.coco_files import (
    EXPECTED,
    ImageFinder,
    find_annotations,
    read_annotations,
    read_color,
)
from cvdl.datasets.detection_sample import DetectionSample
from cvdl.datasets.images import DatasetError, read_image
from cvdl.datasets.registry import DATASETS, Dataset
from cvdl.datasets.views import LabelledViews

__all__ = ["CocoDataset"]

#: Half of the horizontal field of view that is assumed where nothing is said of the camera.
_HALF_VIEW = math.radians(30)


@dataclass(frozen=True)
class _View:
    """An image that is there: its id, what is said of it, and its files."""

    number: int | str
    image: CocoImage
    color: Path
    depth: Path | None


class CocoDataset(LabelledViews[DetectionSample]):
    """The views of a folder in COCO's format.

    The annotations (object instances: ``images``, ``annotations``, ``categories``) are
    ``annotations.json`` or, as COCO has them, the one file ``annotations/instances_*.json``, or the
    one JSON file in the folder. Where images may lie: see `ImageFinder`.

    The ids of categories may have gaps: labels count the categories by ascending id; two of one
    name are one class. Masks may be polygons or run lengths, compressed or not. Where a tenth of
    the annotations or less has no usable mask, their boxes are their masks; else there are none.

    Beyond COCO, as ``cvdl simulate --format coco`` writes them: ``depth_file_name`` of an image
    (uint16 millimetres, 0 no reading; without it depth is NaN) and ``info.camera`` (``width``,
    ``height``, ``fx``, ``fy``, ``cx``, ``cy`` in pixels; without it, or for images of other sizes,
    a field of view of 60 degrees is assumed).

    Boxes are cut at the image's edges; what has none is given that round its mask. Annotations and
    images that cannot be used are left out, with one warning a cause that says how many and names
    the first. Crowds are taken for single things where most annotations are crowds: CVAT writes
    all masks so. Images are turned as their Exif data say where that gives the size in the list.

    Args:
        path: the folder.
        annotations: their file, in the folder or elsewhere; None: see above.

    Attributes:
        left_out: number of annotations that could not be used.

    Raises:
        DatasetError: naming the file, if there is no or more than one file of annotations, it is
            not COCO's JSON, or no image can be used.
    """

    @classmethod
    def open(cls, path: Path) -> CocoDataset:
        """The data set in a folder, or the one of a file of annotations."""
        if not path.is_file():
            return cls(path)
        folder = path.parent.parent if path.parent.name == "annotations" else path.parent
        return cls(folder, path.resolve())

    def __init__(self, path: Path, annotations: Path | None = None) -> None:
        self.path = Path(path)
        if not self.path.is_dir():
            raise DatasetError(f"{self.path}: no such folder; expected one with {EXPECTED}")
        self._file = find_annotations(self.path) if annotations is None else self.path / annotations
        content = read_annotations(self._file)
        problems = Problems()
        try:
            self.classes, label_of = read_classes(content["categories"])
            self._camera = _camera(content.get("info"))
            entries = [each for each in content["images"] if isinstance(each, dict)]
            find = ImageFinder(self.path, self._file, [str(e.get("file_name")) for e in entries])
            images = read_images(content["images"], find.size, problems)
            self._has_masks = add_annotations(images, content["annotations"], label_of, problems)
        except KeyError as error:
            raise DatasetError(f"{self._file}: no {error}; expected COCO's instances") from error
        except (TypeError, ValueError, AttributeError) as error:
            raise DatasetError(f"{self._file}: {error}") from error
        if not images:
            problems.tell(self._file)
            raise DatasetError(f"{self._file}: lists no usable images")
        self._views = self._find_files(images, find, problems)
        used = sum(len(image.boxes) for image in images.values())
        self.left_out = len(content["annotations"]) - used
        problems.tell(self._file)
        self.names = [Path(view.image.color.replace("\\", "/")).stem for view in self._views]
        if len(set(self.names)) < len(self.names):
            # One file may be listed twice.
            self.names = [f"{view.image.color} (id {view.number})" for view in self._views]

    def __len__(self) -> int:
        return len(self._views)

    def __getitem__(self, index: int) -> DetectionSample:
        """One view; negative indices count from the end.

        Raises:
            DatasetError: naming the file that is corrupt or of another size than it should be.
            IndexError: past the end.
        """
        view = self._views[index]
        image = view.image
        size = (image.height, image.width)
        color = read_color(view.color, size)
        depth = np.full(size, np.nan, np.float32)
        if view.depth is not None:
            raw = read_image(view.depth, cv2.IMREAD_UNCHANGED, (np.uint16,), size)
            np.divide(raw, np.float32(1000), out=depth, where=raw > 0)
        camera = self._camera
        if camera is None or (camera.height, camera.width) != size:
            camera = _nominal_camera(image.width, image.height)
        return DetectionSample(
            self.names[index],
            RgbdFrame(color, depth, camera),
            np.array(image.boxes, np.float64).reshape(-1, 4),
            np.array(image.labels, np.int64),
            np.array(image.crowd, bool),
            _masks(image) if self._has_masks else None,
        )

    def _find_files(
        self, images: dict[int | str, CocoImage], find: ImageFinder, problems: Problems
    ) -> list[_View]:
        """The views whose images are there."""
        views = []
        for number, image in images.items():
            color = find(image.color)
            depth = None if image.depth is None else find(image.depth)
            if color is None:
                problems.add(("images that are missing", "they are skipped"), image.color)
                continue
            if depth is None and image.depth is not None:
                problems.add(
                    ("depth images that are missing", "their views have no depth"), image.depth
                )
            views.append(_View(number, image, color, depth))
        if not views:
            first = next(iter(images.values())).color
            raise DatasetError(
                f"{self._file}: none of its {len(images)} images exists; {first} is in none of "
                f"{', '.join(str(root) for root in find.roots)}"
            )
        return views


def _masks(image: CocoImage) -> NDArray[np.bool_]:
    """The masks of an image's annotations, (N, H, W); the box where there is none."""
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


DATASETS.register(
    Dataset(
        "coco",
        "COCO's object instances; also of simulated scenes (cvdl simulate --format coco).",
        boxes=CocoDataset.open,
        masks=CocoDataset.open,
    )
)
