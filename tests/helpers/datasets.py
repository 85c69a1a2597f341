"""Small data folders in the layouts that cvdl reads."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import cv2
from numpy.typing import NDArray

from cvdl.core.camera import Camera

__all__ = ["write_coco", "write_scenes"]

Box = Sequence[int]


def write_coco(
    folder: Path,
    classes: Sequence[str],
    images: Mapping[str, tuple[NDArray, Iterable[tuple[int, Box]]]],
    with_masks: bool = False,
) -> Path:
    """Write a folder in COCO's format.

    Args:
        folder: Created.
        classes: Names of the classes.
        images: By name, (H, W, 3) uint8 BGR and the objects: class index and x, y, width, height.
        with_masks: Each object has a mask that fills its box.
    """
    folder.mkdir(exist_ok=True)
    listed, annotations = [], []
    for number, (name, (image, objects)) in enumerate(images.items()):
        cv2.imwrite(str(folder / f"{name}.png"), image)
        height, width = image.shape[:2]
        listed.append({"id": number, "file_name": f"{name}.png", "width": width, "height": height})
        for index, (x, y, w, h) in objects:
            mask = [[x, y, x + w, y, x + w, y + h, x, y + h]]
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": index,
                    "bbox": [x, y, w, h],
                    **({"segmentation": mask} if with_masks else {}),
                }
            )
    categories = [{"id": index, "name": name} for index, name in enumerate(classes)]
    content = {"images": listed, "annotations": annotations, "categories": categories}
    (folder / "annotations.json").write_text(json.dumps(content))
    return folder


def write_scenes(
    folder: Path, scenes: Mapping[str, tuple[NDArray, NDArray, NDArray]], camera: Camera
) -> Path:
    """Write a folder in the layout of the Object Segmentation Database.

    Args:
        folder: Created.
        scenes: By name, color (H, W, 3) uint8 BGR, depth (H, W) uint16 in millimeters, and labels
            (H, W) uint8.
        camera: Of all scenes.
    """
    for name, pictures in scenes.items():
        (folder / name).mkdir(parents=True)
        for kind, picture in zip(("color", "depth", "labels"), pictures, strict=True):
            cv2.imwrite(str(folder / name / f"{kind}.png"), picture)
    known = {key: getattr(camera, key) for key in ("width", "height", "fx", "fy", "cx", "cy")}
    (folder / "camera.json").write_text(json.dumps(known))
    return folder
