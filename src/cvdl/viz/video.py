"""Videos, as MP4 files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.core.errors import InputError
from cvdl.core.files import write_atomically

__all__ = ["check_video", "write_video"]

#: MPEG-4 part 2: every build of OpenCV with FFmpeg has it, unlike H.264.
_CODEC = cv2.VideoWriter_fourcc(*"mp4v")


def check_video() -> None:
    """Check that videos can be written, before any work is done.

    Raises:
        InputError: if OpenCV has no codec.
    """
    with TemporaryDirectory() as folder:
        _open(Path(folder, "video.mp4"), 10, 64, 64).release()


def write_video(path: Path, pictures: Iterable[NDArray[np.uint8]], rate: float) -> None:
    """Write a video as MP4 (MPEG-4 part 2), atomically, and create its folder.

    Args:
        path: of the file.
        pictures: (H, W, 3) uint8 RGB each, all of one size, at least one.
        rate: pictures per second.

    Raises:
        InputError: if OpenCV has no codec.
        OSError: if the file cannot be written.
    """
    with TemporaryDirectory() as folder:
        part, writer = Path(folder, "video.mp4"), None
        for picture in pictures:
            # The codec halves the resolution of color.
            height, width = (2 * (side // 2) for side in picture.shape[:2])
            writer = writer or _open(part, rate, width, height)
            writer.write(cv2.cvtColor(picture[:height, :width], cv2.COLOR_RGB2BGR))
        if writer is None:
            raise ValueError("a video needs at least one picture")
        writer.release()
        write_atomically(path, part.read_bytes())


def _open(path: Path, rate: float, width: int, height: int) -> cv2.VideoWriter:
    writer = cv2.VideoWriter(str(path), _CODEC, rate, (width, height))
    if not writer.isOpened():
        raise InputError("this build of OpenCV cannot write MP4 videos; that of PyPI can")
    return writer
