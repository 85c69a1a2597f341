"""RGB-D frames from a folder of image files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cvdl.core.camera import Camera
from cvdl.core.frame import RgbdFrame
from cvdl.core.natural_order import natural_key
from cvdl.datasets.reading import DatasetError, check_folder, read_color, read_depth, read_json

__all__ = ["ImageFolder"]

#: Frames are stamped as if recorded at 30 per second; the first stamp is one interval.
_FRAME_INTERVAL_NS = 1_000_000_000 // 30

#: No depth camera measures further, meters; a 16-bit image in millimeters ends here.
_FARTHEST = np.float32(65.535)

_LAYOUTS = (
    "scene folders (SCENE/color.png and SCENE/depth.png, with camera.json in the folder "
    "or in each scene) or numbered pairs (NNNNNN-color.png and NNNNNN-depth.png, with "
    "camera_params.json)"
)


@dataclass(frozen=True)
class _Files:
    """The files of one frame."""

    name: str
    color: Path
    depth: Path
    labels: Path
    camera: Path


class ImageFolder:
    """The RGB-D frames of a folder, in natural order of their names (2 before 10).

    Two layouts are read:

    - a subfolder for each scene with ``color.png``, ``depth.png`` and, if there is ground truth,
      ``labels.png``; the intrinsics are in ``camera.json`` in the subfolder or beside it:
      ``width``, ``height``, ``fx``, ``fy``, ``cx``, ``cy`` (pixels) and, optionally,
      ``depth_unit_m``;
    - pairs ``NNNNNN-color.png`` and ``NNNNNN-depth.png`` with ``camera_params.json``:
      ``img_width``, ``img_height``, ``fx``, ``fy``, ``x_offset``, ``y_offset``.

    Color has 8 bits per channel. Depth is uint16, registered to the color, in millimeters unless
    ``depth_unit_m`` says otherwise, 0 where there is no reading.

    Raises:
        DatasetError: if the folder is missing, empty or has another layout. The files of a frame
            are checked on access.
    """

    def __init__(self, path: Path) -> None:
        self.path = check_folder(path, _LAYOUTS)
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
        """The name of each frame: its folder's name, or its number."""
        return [files.name for files in self._files]

    def camera(self, index: int) -> Camera:
        """Read the intrinsics of one frame.

        Raises:
            DatasetError: if their file is missing or invalid.
        """
        return _read_camera(self._files[index].camera)[0]

    def __getitem__(self, index: int) -> RgbdFrame:
        """Read one frame.

        Raises:
            DatasetError: naming the file that is missing, corrupt or not as expected.
            IndexError: past the end.
        """
        files = self._files[index]
        camera, unit = _read_camera(files.camera)
        size = (camera.height, camera.width)
        color, depth = read_color(files.color, size), read_depth(files.depth, size, unit)
        nearest = np.nanmin(depth, initial=np.inf)
        if _FARTHEST < nearest < np.inf:
            raise DatasetError(
                f"{files.depth}: the nearest reading is {nearest:g} m away; expected at most "
                f"{_FARTHEST} m. A unit is depth_unit_m in {files.camera.name}, {unit:g} m"
            )
        position = index % len(self)
        return RgbdFrame(color, depth, camera, stamp_ns=(position + 1) * _FRAME_INTERVAL_NS)

    def __iter__(self) -> Iterator[RgbdFrame]:
        return (self[index] for index in range(len(self)))


def _find(path: Path) -> Iterator[_Files]:
    names = ("color.png", "depth.png", "labels.png")
    for folder in path.iterdir():
        color, depth, labels = (folder / name for name in names)
        if color.is_file() or depth.is_file():
            camera = folder / "camera.json"
            camera = camera if camera.is_file() else path / "camera.json"
            yield _Files(folder.name, color, depth, labels, camera)
    for file in path.glob("*-color.png"):
        stem = file.name.removesuffix("-color.png")
        color, depth, labels = (path / f"{stem}-{name}" for name in names)
        yield _Files(stem, color, depth, labels, path / "camera_params.json")


def _read_camera(path: Path) -> tuple[Camera, float]:
    """Intrinsics, and meters per depth unit, with the keys of either layout."""
    content = read_json(path)
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
