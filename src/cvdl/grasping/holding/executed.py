"""Poses that were executed, with what they were judged by: files that training reads.

The surfaces are kept, not the views: these can be drawn anew in another way.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvdl.core.camera import Camera
from cvdl.core.errors import InputError
from cvdl.core.files import write_atomically
from cvdl.core.scene import Plane
from cvdl.grasping.config import GraspConfig
from cvdl.grasping.hands import Hands, SceneCloud

__all__ = ["HELD", "ExecutedHands", "GripperSizes", "read_executed", "write_executed"]

#: The result of a grasp that holds.
HELD = "held"


@dataclass(frozen=True)
class GripperSizes:
    """Sizes of a gripper, meters; see `GraspConfig`."""

    max_opening: float
    plate_thickness: float
    plate_width: float
    plate_length: float

    @classmethod
    def of(cls, config: GraspConfig) -> GripperSizes:
        """Those in the settings."""
        return cls(*(getattr(config, each.name) for each in fields(cls)))


@dataclass(frozen=True)
class ExecutedHands:
    """N executed poses in one picture of a scene.

    Attributes:
        cloud: surfaces of the scene.
        hands: the poses.
        sizes: of the gripper.
        result: (N,) text: `HELD`, or why it did not.
        category: (N,) text: of the object; empty for a thing of no kind, or for none.
        moved: (N,) bool: whether the pose is a candidate that was moved at random.
    """

    cloud: SceneCloud
    hands: Hands
    sizes: GripperSizes
    result: NDArray[np.str_]
    category: NDArray[np.str_]
    moved: NDArray[np.bool_]

    @property
    def held(self) -> NDArray[np.bool_]:
        """(N,), whether the object was held."""
        return self.result == HELD


def write_executed(path: Path, pictures: Sequence[ExecutedHands]) -> None:
    """Write the executed poses in some pictures of a scene, atomically.

    Raises:
        OSError: if the file cannot be written.
    """
    arrays: dict[str, Any] = {"pictures": len(pictures)}
    for number, picture in enumerate(pictures):
        cloud, hands = picture.cloud, picture.hands
        content = {
            "points": cloud.points,
            "point_label": cloud.label.astype(np.uint16),
            "seen": cloud.seen,
            "plane": np.append(cloud.plane.normal, cloud.plane.offset),
            "depth": cloud.depth.astype(np.float16),
            "intrinsics": np.array(cloud.camera.intrinsics),
            "position": hands.position,
            "rotation": hands.rotation,
            "opening": hands.opening,
            "label": hands.label,
            "sizes": np.array([*asdict(picture.sizes).values()]),
            "result": picture.result,
            "category": picture.category,
            "moved": picture.moved,
        }
        arrays |= {f"{number}/{name}": value for name, value in content.items()}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    write_atomically(path, buffer.getvalue())


def read_executed(path: Path) -> list[ExecutedHands]:
    """Read the executed poses in all pictures of a scene.

    Raises:
        InputError: if the file is missing, damaged or of another kind.
    """
    try:
        with np.load(path) as file:
            return [_picture(file, f"{number}/") for number in range(int(file["pictures"]))]
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: missing, damaged, or no executed grasps ({error})") from error


def _picture(file: Any, prefix: str) -> ExecutedHands:
    def column(name: str) -> Any:
        return file[prefix + name]

    plane, depth = column("plane"), column("depth").astype(np.float32)
    height, width = depth.shape
    cloud = SceneCloud(
        column("points"),
        column("point_label").astype(np.int64),
        column("seen"),
        Plane(plane[:3], float(plane[3])),
        depth,
        Camera(width, height, *column("intrinsics").tolist()),
    )
    hands = Hands(*(column(each.name) for each in fields(Hands)))
    sizes = GripperSizes(*column("sizes").tolist())
    return ExecutedHands(cloud, hands, sizes, column("result"), column("category"), column("moved"))
