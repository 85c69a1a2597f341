"""Photographs without depth."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from cvdl.datasets.photographs import Photographs
from cvdl.datasets.reading import DatasetError


def test_photographs_are_rgb_in_natural_order(tmp_path):
    for number, value in ((10, 200), (2, 100)):
        picture = np.zeros((4, 6, 3), np.uint8)
        picture[..., 2] = value  # red, as OpenCV has it
        cv2.imwrite(str(tmp_path / f"p{number}.PNG"), picture)
    (tmp_path / "notes.txt").touch()
    found = Photographs(tmp_path)
    assert found.names == ["p2.PNG", "p10.PNG"]
    assert len(found) == 2
    assert [picture[0, 0].tolist() for picture in found] == [[100, 0, 0], [200, 0, 0]]


def test_what_is_no_photograph(tmp_path):
    with pytest.raises(DatasetError, match="no photographs; expected photographs"):
        Photographs(tmp_path)
    with pytest.raises(DatasetError, match="no such folder"):
        Photographs(tmp_path / "none")
    for name, content in (("empty.jpg", b""), ("text.png", b"text")):
        (tmp_path / name).write_bytes(content)
    for index, name in enumerate(("empty.jpg", "text.png")):
        with pytest.raises(DatasetError, match=f"{name}: not a readable image"):
            Photographs(tmp_path)[index]
