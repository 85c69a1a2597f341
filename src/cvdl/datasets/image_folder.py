"""RGB-D frames from a folder of image files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from cvdl.core.camera import Camera
from cvdl.core.frame import RgbdFrame
from cvdl.core.natural_order import natural_key
from cvdl.datasets.images import DatasetError, read_image

__all__ = ["FRAME_INTERVAL_NS", "ImageFolder"]

#: Frames of a folder are stamped as if recorded at 30 a second, the first one interval in.
FRAME_INTERVAL_NS = 1_000_000_000 // 30

#: What no depth camera's reading is beyond, metres; a 16-bit image in millimetres ends there.
_FARTHEST = 65.535

_LAYOUTS = (
    "scene folders (SCENE/color.png and SCENE/depth.png, with camera.json in the folder "
    "or in each scene) or numbered pairs (NNNNNN-color.png and NNNNNN-depth.png, with "
    "camera_params.json)"
)


@dataclass(frozen=True)
class _Files:
    """Where one frame lies."""

    name: str
    color: Path
    depth: Path
    labels: Path
    camera: Path


class ImageFolder:
    """The RGB-D frames of a folder, in natural order of their names (2 before 10).

    Two layouts are read:

    - a sub-folder a scene with ``color.png``, ``depth.png`` and, where there is truth,
      ``labels.png``; the intrinsics in ``camera.json`` inside the sub-folder or beside it:
      ``width``, ``height``, ``fx``, ``fy``, ``cx``, ``cy`` (pixels) and, optional,
      ``depth_unit_m``;
    - pairs ``NNNNNN-color.png`` and ``NNNNNN-depth.png`` with ``camera_params.json``:
      ``img_width``, ``img_height``, ``fx``, ``fy``, ``x_offset``, ``y_offset``.

    Colour is 8 bits a channel; depth is uint16, registered to the colour, in millimetres unless
    ``depth_unit_m`` says otherwise, 0 where there is no reading.

    Raises:
        DatasetError: if the folder is missing, empty or of another layout; a frame's own files
            are looked at only when it is read.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        if not self.path.is_dir():
            raise DatasetError(f"{self.path}: no such folder; expected {_LAYOUTS}")
        self._files = sorted(_find(self.path), key=lambda files: natural_key(files.name))
        if not self._files:
            content = sorted(item.name for item in self.path.iterdir())
            found = ", ".join(content[:5]) + (", ..." if len(content) > 5 else "")
            raise DatasetError(
                f"{self.path}: no RGB-D frames; found {found or 'an empty folder'}; "
                f"expected {_LAYOUTS}"
            )

    def __len__(self) -> int:
        return len(self._files)

    @property
    def names(self) -> list[str]:
        """One name a frame: its folder's, or its number."""
        return [files.name for files in self._files]

    def camera(self, index: int) -> Camera:
        """The intrinsics of one frame.

        Raises:
            DatasetError: if their file is missing or bad.
        """
        return _read_camera(self._files[index].camera)[0]

    def __getitem__(self, index: int) -> RgbdFrame:
        """Read one frame.

        Raises:
            DatasetError: naming the file that is missing, corrupt or unlike the others.
            IndexError: past the end.
        """
        files = self._files[index]
        camera, depth_unit = _read_camera(files.camera)
        size = (camera.height, camera.width)
        bgr = read_image(files.color, cv2.IMREAD_COLOR, (np.uint8,), size)
        color = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
        raw = read_image(files.depth, cv2.IMREAD_UNCHANGED, (np.uint16,), size)
        depth = raw.astype(np.float32) / np.float32(1 / depth_unit)
        depth[raw == 0] = np.nan
        readings = raw[raw > 0]
        if len(readings) and readings.min() * depth_unit > _FARTHEST:
            raise DatasetError(
                f"{files.depth}: the nearest reading is {readings.min() * depth_unit:g} m away; "
                f"expected at most {_FARTHEST} m. A unit is depth_unit_m in {files.camera.name}, "
                f"{depth_unit:g} m"
            )
        position = index % len(self)
        return RgbdFrame(color, depth, camera, stamp_ns=(position + 1) * FRAME_INTERVAL_NS)

    def __iter__(self) -> Iterator[RgbdFrame]:
        return (self[index] for index in range(len(self)))


def _find(path: Path) -> Iterator[_Files]:
    for folder in path.iterdir():
        if (folder / "color.png").is_file() or (folder / "depth.png").is_file():
            camera = folder / "camera.json"
            yield _Files(
                folder.name,
                folder / "color.png",
                folder / "depth.png",
                folder / "labels.png",
                camera if camera.is_file() else path / "camera.json",
            )
    for color in path.glob("*-color.png"):
        name = color.name.removesuffix("-color.png")
        yield _Files(
            name,
            color,
            path / f"{name}-depth.png",
            path / f"{name}-labels.png",
            path / "camera_params.json",
        )


def _read_camera(path: Path) -> tuple[Camera, float]:
    """Intrinsics and metres a depth unit, in either file's spelling."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DatasetError(f"{path}: intrinsics cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise DatasetError(f"{path}: not JSON: {error}") from error
    if path.name == "camera.json":
        keys = ("width", "height", "fx", "fy", "cx", "cy")
    else:
        keys = ("img_width", "img_height", "fx", "fy", "x_offset", "y_offset")
    try:
        width, height, *intrinsics = (content[key] for key in keys)
        depth_unit = float(content.get("depth_unit_m", 0.001))
        if not depth_unit > 0:
            raise ValueError(f"depth_unit_m must be positive, got {depth_unit}")
        return Camera(int(width), int(height), *map(float, intrinsics)), depth_unit
    except KeyError as error:
        raise DatasetError(f"{path}: no {error}; expected {', '.join(keys)}") from error
    except (TypeError, ValueError, AttributeError) as error:
        raise DatasetError(f"{path}: bad intrinsics: {error}") from error
