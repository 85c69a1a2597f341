"""A small data folder in each layout."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from cvdl.core.camera import Camera
from helpers.datasets import write_scenes

WIDTH, HEIGHT = 16, 12


@pytest.fixture
def scenes(tmp_path: Path) -> Path:
    """Three scene folders; red color, depth 500 mm with one hole, labels in parts."""
    color = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    color[..., 2] = 200  # red, in OpenCV's order
    depth = np.full((HEIGHT, WIDTH), 500, np.uint16)
    depth[0, 0] = 0
    labels = np.full((HEIGHT, WIDTH), 3, np.uint8)
    labels[0, 0] = 0
    labels[2:6, 2:6], labels[2:4, 2:6], labels[8:, 8:] = 20, 21, 30
    scenes = dict.fromkeys(("learn10", "learn2", "learn1"), (color, depth, labels))
    return write_scenes(tmp_path, scenes, Camera(WIDTH, HEIGHT, 20.0, 21.0, 7.5, 5.5))


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """Two numbered pairs."""
    for number in (7, 3):
        color = np.full((HEIGHT, WIDTH, 3), number, np.uint8)
        cv2.imwrite(str(tmp_path / f"{number:06d}-color.png"), color)
        depth = np.full((HEIGHT, WIDTH), 1000 * number, np.uint16)
        cv2.imwrite(str(tmp_path / f"{number:06d}-depth.png"), depth)
    camera = {"img_width": WIDTH, "img_height": HEIGHT, "fx": 20, "fy": 21}
    camera |= {"x_offset": 8, "y_offset": 6}
    (tmp_path / "camera_params.json").write_text(json.dumps(camera))
    return tmp_path
