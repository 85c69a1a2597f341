"""Videos are written whole, with the pictures in their order."""

import cv2
import numpy as np
import pytest

from cvdl.core.errors import InputError
from cvdl.viz.video import check_video, write_video


def plain(*color):
    return np.full((49, 65, 3), color, np.uint8)  # odd sides


def test_a_video_has_its_pictures(tmp_path):
    path = tmp_path / "new" / "a.mp4"
    write_video(path, iter([plain(220, 30, 30), plain(30, 30, 220), plain(220, 30, 30)]), 10)
    video = cv2.VideoCapture(str(path))
    assert video.get(cv2.CAP_PROP_FPS) == 10
    colors = []
    while (read := video.read())[0]:
        colors.append(read[1].mean(axis=(0, 1))[::-1])
    np.testing.assert_allclose(colors, [(220, 30, 30), (30, 30, 220), (220, 30, 30)], atol=12)
    assert [each.name for each in path.parent.iterdir()] == ["a.mp4"]


def test_without_pictures_or_a_codec_nothing_is_written(tmp_path, monkeypatch):
    path = tmp_path / "a.mp4"
    with pytest.raises(ValueError, match="at least one picture"):
        write_video(path, [], 10)
    closed = cv2.VideoWriter()
    monkeypatch.setattr(cv2, "VideoWriter", lambda *_: closed)
    with pytest.raises(InputError, match="cannot write MP4"):
        check_video()
    assert not path.exists()
