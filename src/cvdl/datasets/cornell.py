"""The Cornell Grasping Dataset (Jiang 2011; Lenz, Lee & Saxena 2014)."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import yaml
from numpy.typing import NDArray

from cvdl.core.camera import Camera
from cvdl.core.extras import require
from cvdl.core.frame import RgbdFrame
from cvdl.datasets.grasp_folder import GraspFolder
from cvdl.datasets.grasp_sample import GraspSample
from cvdl.datasets.reading import DatasetError, read_bytes, read_image
from cvdl.datasets.registry import DATASETS, DatasetInfo
from cvdl.grasping.rectangles import GraspRectangles

__all__ = ["CornellDataset", "depth_from_distance"]

#: The Kinect's factory intrinsics; the data set has none.
_CAMERA = Camera(640, 480, 525.0, 525.0, 319.5, 239.5)
_OBJECTS = Path(__file__).with_name("cornell_objects.yaml")

#: The origin of the point clouds (the robot's base) in the camera's frame, meters, and the table as
#: 1/z = m . (x, y, 1): fitted to folder 01, where they fit the table to 0.5 mm.
_ORIGIN = np.array([-0.2095, 0.826, 0.160])
_TABLE = np.array([0.135, 0.811, 1.09])
_FIT_STRIDE = 12  # pixels
_FIT_TOLERANCE = 0.003  # meters
_FITS = 0.005  # largest median residual of a fit, meters


class CornellDataset(GraspFolder):
    """A folder of ``pcdNNNNr.png`` with depth and labeled rectangles.

    Depth is in ``pcdNNNNd.tiff`` (float32 meters), as written by GG-CNN's converter from the point
    clouds: the *distance of each point from the origin of the clouds*, with holes filled, not the
    depth along z. It is converted to depth (see `depth_from_distance`). If this file does not
    exist, the point cloud ``pcdNNNN.txt`` is read.

    ``pcdNNNNcpos.txt`` and ``pcdNNNNcneg.txt`` have good and bad rectangles, four ``x y`` lines
    each; rectangles with a NaN are skipped and counted in ``skipped``.

    Args:
        path: the folder; subfolders are searched too.
        objects: YAML with ``first-last`` or a single image number for each object's name; images of
            an object have consecutive numbers. Default: the objects of folder 01. An image that is
            not listed is an object of its own.

    Raises:
        DatasetError: naming the file that is missing or cannot be read.
    """

    def __init__(self, path: Path, objects: Path = _OBJECTS) -> None:
        super().__init__(path, r"(pcd\d+)r\.png", "pcdNNNNr.png")
        object_of = _object_of_number(objects)
        self.object_ids = [object_of.get(int(name[3:]), name) for name in self._stems]
        self._skipped: dict[Path, int] = {}

    @property
    def skipped(self) -> int:
        """Number of rectangles with a NaN in the samples read so far."""
        return sum(self._skipped.values())

    def __getitem__(self, index: int) -> GraspSample:
        base = self._beside(index, "")
        good, bad = (self._rectangles(Path(f"{base}{kind}.txt")) for kind in ("cpos", "cneg"))
        frame = RgbdFrame(self._color(index, _CAMERA), _depth(base), _CAMERA)
        return GraspSample(self.names[index], self.object_ids[index], frame, good, bad)

    def _rectangles(self, path: Path) -> GraspRectangles:
        if not path.exists():
            return GraspRectangles.none()
        text = read_bytes(path)
        try:
            numbers = np.array(text.decode("ascii").split(), np.float64)
        except ValueError as error:
            raise DatasetError(f"{path}: cannot be read: {error}") from error
        if len(numbers) % 8:
            raise DatasetError(f"{path}: {len(numbers)} numbers; expected eight for each rectangle")
        corners = numbers.reshape(-1, 4, 2)
        whole = np.isfinite(corners).all(axis=(1, 2))
        self._skipped[path] = int((~whole).sum())  # by file, because a sample may be read again
        return GraspRectangles.from_corners(corners[whole])


def depth_from_distance(distance: NDArray[np.float32], camera: Camera) -> NDArray[np.float32]:
    """Convert the distance of each pixel's point from an unknown origin to depth.

    The origin is that of folder 01 if this makes the table flat. Otherwise it is fitted together
    with the plane that fills most of the lower half: the distances of a plane's points determine an
    origin beside the camera. Then every ray is intersected with its sphere.

    Args:
        distance: (H, W) float32, meters.
        camera: the intrinsics.

    Returns:
        (H, W) float32, meters along z; NaN where the ray does not reach the sphere.

    Raises:
        MissingExtraError: if the origin is to be fitted, and SciPy is not installed.
    """
    rows, cols = np.mgrid[: camera.height, : camera.width]
    rays = np.stack(
        [(cols - camera.cx) / camera.fx, (rows - camera.cy) / camera.fy, np.ones(rows.shape)], -1
    )
    some = slice(camera.height // 2, None, _FIT_STRIDE), slice(None, None, _FIT_STRIDE)
    known = np.isfinite(distance[some]) & (distance[some] > 0)
    ray, reach = rays[some][known], distance[some][known].astype(np.float64)

    def residual(values: NDArray[np.float64]) -> NDArray[np.float64]:
        z = 1 / np.maximum(ray @ values[3:], 0.1)
        return np.linalg.norm(z[:, None] * ray - values[:3], axis=1) - reach

    start = np.concatenate([_ORIGIN, _TABLE])
    origin = _ORIGIN
    if len(ray) and np.median(np.abs(residual(start))) > _FITS:  # the camera is elsewhere
        require("evaluate", "a view from elsewhere than in Cornell's folder 01", "scipy")
        from scipy.optimize import least_squares

        fit = least_squares(residual, start, loss="soft_l1", f_scale=_FIT_TOLERANCE, max_nfev=50)
        if np.median(np.abs(residual(fit.x))) < _FITS:
            origin = fit.x[:3]
    # Solve |z r - o| = d; use the farther solution, because the camera looks away from the origin.
    along = rays @ origin
    square = (rays**2).sum(axis=2)
    root = along**2 - square * (origin @ origin - distance.astype(np.float64) ** 2)
    depth = (along + np.sqrt(np.maximum(root, 0))) / square
    return np.where((root > 0) & (depth > 0), depth, np.nan).astype(np.float32)


def _depth(base: Path) -> NDArray[np.float32]:
    size = (_CAMERA.height, _CAMERA.width)
    image, cloud = Path(f"{base}d.tiff"), Path(f"{base}.txt")
    if image.exists():
        distance = read_image(image, cv2.IMREAD_UNCHANGED, (np.float32,), size)
        return depth_from_distance(distance, _CAMERA)
    if cloud.exists():
        return _depth_of_cloud(cloud)
    raise DatasetError(f"{base}: has neither {image.name} nor {cloud.name}")


def _depth_of_cloud(path: Path) -> NDArray[np.float32]:
    """Depth (H, W) from an ASCII point cloud with the fields x y z rgb index, millimeters.

    The points are in the robot's frame; the camera's pose follows from the pixels, which ``index``
    (row * 640 + column) gives.
    """
    try:
        header, _, body = path.read_text(encoding="ascii").partition("DATA ascii")
        rows = np.array(body.split(), np.float64).reshape(-1, 5)
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path}: not a point cloud with x y z rgb index: {error}") from error
    if "index" not in header or len(rows) < 6:
        raise DatasetError(f"{path}: not a point cloud with x y z rgb index")
    rows = rows[np.isfinite(rows[:, [0, 1, 2, 4]]).all(axis=1)]  # colors may be anything
    rows = rows[(rows[:, 4] >= 0) & (rows[:, 4] < _CAMERA.width * _CAMERA.height)]
    points, index = rows[:, :3] / 1000, rows[:, 4].astype(int)
    v, u = np.divmod(index, _CAMERA.width)
    some = slice(None, None, max(1, len(points) // 2000))
    pixels = np.stack([u[some], v[some]], axis=1).astype(np.float64)
    try:
        found, turn, shift = cv2.solvePnP(
            np.ascontiguousarray(points[some]),
            pixels,
            _CAMERA.matrix,
            None,
            flags=cv2.SOLVEPNP_SQPNP,
        )
    except cv2.error:  # too few points, or all in one place
        found = False
    if not found:
        raise DatasetError(f"{path}: its points do not fit its pixels")
    z = (points @ cv2.Rodrigues(turn)[0].T + shift.T)[:, 2]
    depth = np.full((_CAMERA.height, _CAMERA.width), np.nan, np.float32)
    depth.ravel()[index[z > 0]] = z[z > 0]
    return depth


def _object_of_number(path: Path) -> dict[int, str]:
    ranges = yaml.safe_load(path.read_text(encoding="utf-8"))
    objects = {}
    for name, text in ranges.items():
        first, _, last = str(text).partition("-")
        for number in range(int(first), int(last or first) + 1):
            objects[number] = name
    return objects


DATASETS.register(
    DatasetInfo(
        "cornell",
        "Cornell Grasping Dataset (Lenz et al. 2014): color, depth, grasps.",
        grasps=CornellDataset,
    )
)
