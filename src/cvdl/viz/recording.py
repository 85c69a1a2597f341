"""Visual outputs of a replay: a folder of pictures, a rerun recording."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvdl.core.errors import InputError
from cvdl.core.extras import require
from cvdl.core.files import keep_outputs
from cvdl.core.frame import RgbdFrame
from cvdl.core.rotations import quaternions_of
from cvdl.core.scene import Scene
from cvdl.viz.pictures import PLATE_COLOR, UNMATCHED_COLOR, object_color, write_png

__all__ = ["PictureFolder", "Recording", "RerunRecording"]

_POINT_STRIDE = 3  # pixels between the points of a cloud: a ninth of them looks the same
_JPEG_QUALITY = 90
_FLUSH_PERIOD = 30  # frames


class Recording(AbstractContextManager["Recording"]):
    """Records frames and their scenes; complete at the end of its with statement."""

    def add(self, frame: RgbdFrame, scene: Scene, picture: NDArray[np.uint8]) -> None:
        """Add a frame, its scene and its overlay, (H, W, 3) uint8 RGB.

        Raises:
            OSError: if it cannot be written.
        """
        raise NotImplementedError

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        """Complete the recording."""


class PictureFolder(Recording):
    """The overlay of each frame, as ``frame-NNNNNN.png``; entering it removes older ones.

    Raises:
        InputError: if such pictures exist and must not be replaced, or the path is a file.
    """

    def __init__(self, path: Path, overwrite: bool) -> None:
        if path.exists() and not path.is_dir():
            raise InputError(f"{path} is a file; expected a folder for pictures")
        self._path = path
        self._count = 0
        self._old = sorted(path.glob("frame-*.png"))
        if self._old and not overwrite:
            raise InputError(
                f"{self._old[0]} already exists; use --overwrite to replace such pictures"
            )

    def __enter__(self) -> PictureFolder:
        self._path.mkdir(parents=True, exist_ok=True)
        for file in self._old:
            file.unlink()
        return self

    def add(self, frame: RgbdFrame, scene: Scene, picture: NDArray[np.uint8]) -> None:
        """Write the overlay."""
        write_png(self._path / f"frame-{self._count:06d}.png", picture)
        self._count += 1


class RerunRecording(Recording):
    """Everything in 2-D and 3-D, on a timeline of stamps: open it with ``rerun FILE``.

    Raises:
        InputError: if rerun is not installed, or the file exists and must not be replaced.
        OSError: from any method, if it cannot be written.
    """

    def __init__(self, path: Path, overwrite: bool) -> None:
        require("rerun", "a recording")
        import rerun

        keep_outputs([path], overwrite)
        self._path = path
        self._rr: Any = rerun
        self._stream = rerun.RecordingStream("cvdl")
        self._count = 0

    def __enter__(self) -> RerunRecording:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._write_errors():
            self._stream.save(self._path)
        self._stream.log("camera", self._rr.ViewCoordinates.RDF, static=True)
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        """Complete the file."""
        try:
            if error is None:
                self._flush()
        finally:
            self._stream.disconnect()

    def _flush(self) -> None:
        with self._write_errors():
            self._stream.flush()

    @contextmanager
    def _write_errors(self) -> Iterator[None]:
        """Raise rerun's write errors as OSError."""
        try:
            yield
        except RuntimeError as error:
            raise OSError(f"cannot write {self._path}: {error}") from error

    def add(self, frame: RgbdFrame, scene: Scene, picture: NDArray[np.uint8]) -> None:
        """Log color, depth, overlay, labels, boxes, detections, grippers and points."""
        rr, log = self._rr, self._stream.log
        self._stream.set_time("stamp", timestamp=np.datetime64(frame.stamp_ns, "ns"))
        camera = frame.camera
        log(
            "camera/image",
            rr.Pinhole(image_from_camera=camera.matrix, width=camera.width, height=camera.height),
        )
        log("camera/image/color", rr.Image(frame.color).compress(jpeg_quality=_JPEG_QUALITY))
        log("camera/image/depth", rr.DepthImage(np.nan_to_num(frame.depth), meter=1.0))
        log("camera/image/labels", rr.SegmentationImage(scene.labels))
        log("overlay", rr.Image(picture).compress(jpeg_quality=_JPEG_QUALITY))
        boxes = [item.box3d for item in scene.objects]
        colors = [object_color(item.label) for item in scene.objects]
        log(
            "camera/boxes",
            rr.Boxes3D(
                centers=[box.center for box in boxes],
                sizes=[box.size for box in boxes],
                quaternions=[rr.Quaternion(xyzw=quaternions_of(box.rotation)) for box in boxes],
                colors=colors,
                labels=[scene.caption(item) for item in scene.objects],
            ),
        )
        log(
            "camera/image/detections",
            rr.Boxes2D(
                array=[item.box2d for item in scene.detections],
                array_format=rr.Box2DFormat.XYXY,
                colors=[
                    object_color(item.label) if item.label else UNMATCHED_COLOR
                    for item in scene.detections
                ],
                labels=[scene.caption(item) for item in scene.detections],
            ),
        )
        best = scene.best_grasps()
        log(
            "camera/grasps",
            rr.LineStrips3D(
                [line for grasp in scene.grasps for line in grasp.wireframe()],
                colors=[
                    (*PLATE_COLOR, 255 if grasp is best[grasp.label] else 90)
                    for grasp in scene.grasps
                    for _ in grasp.wireframe()
                ],
            ),
        )
        points = camera.deproject(frame.depth)[::_POINT_STRIDE, ::_POINT_STRIDE]
        seen = np.isfinite(points[..., 2])
        pixels = frame.color[::_POINT_STRIDE, ::_POINT_STRIDE]
        log("camera/points", rr.Points3D(points[seen], colors=pixels[seen]))
        self._count += 1
        if self._count % _FLUSH_PERIOD == 0:  # reports a full disk
            self._flush()
