"""Image folders: content, order and error messages."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from cvdl.core.camera import Camera
from cvdl.datasets import DatasetError, ImageFolder
from helpers.paths import DATA


def edit_camera(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_scene_folders(scenes):
    folder = ImageFolder(scenes)
    assert folder.names == ["learn1", "learn2", "learn10"]
    assert len(folder) == len(list(folder)) == 3
    frame = folder[1]
    assert frame.camera == folder.camera(1) == Camera(16, 12, 20.0, 21.0, 7.5, 5.5)
    assert (frame.color == (200, 0, 0)).all()
    assert np.isnan(frame.depth[0, 0])
    assert np.nanmin(frame.depth) == np.nanmax(frame.depth) == np.float32(0.5)


def test_numbered_pairs(pairs):
    folder = ImageFolder(pairs)
    assert folder.names == ["000003", "000007"]
    assert folder[1].depth[0, 0] == 7
    assert folder[1].camera == Camera(16, 12, 20.0, 21.0, 8.0, 6.0)


def test_stamps_increase(scenes):
    stamps = [frame.stamp_ns for frame in ImageFolder(scenes)]
    assert 0 < stamps[0] < stamps[1] < stamps[2] == ImageFolder(scenes)[-1].stamp_ns


def test_intrinsics_of_a_scene_take_precedence(scenes):
    own = scenes / "learn2" / "camera.json"
    own.write_text((scenes / "camera.json").read_text())
    edit_camera(own, fx=99.0, depth_unit_m=0.0001)
    frame = ImageFolder(scenes)[1]
    assert frame.camera.fx == 99
    assert np.nanmax(frame.depth) == pytest.approx(0.05)


def test_an_impossible_depth_unit_is_reported(scenes):
    edit_camera(scenes / "camera.json", depth_unit_m=1.0)
    with pytest.raises(DatasetError, match=r"depth.png: the nearest reading is 500 m away; .*1 m"):
        ImageFolder(scenes)[1]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([], "an empty folder"),
        (["a.jpg", "b.txt"], r"found a\.jpg, b\.txt"),
    ],
)
def test_the_error_for_a_folder_without_frames_gives_the_layouts(tmp_path, content, words):
    for name in content:
        (tmp_path / name).touch()
    with pytest.raises(DatasetError, match=words) as error:
        ImageFolder(tmp_path)
    assert "SCENE/color.png" in str(error.value)
    assert "NNNNNN-color.png" in str(error.value)


def test_a_missing_folder_is_reported(tmp_path):
    with pytest.raises(DatasetError, match="nowhere: no such folder"):
        ImageFolder(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["color.png", "depth.png"])
def test_a_missing_image_is_reported(scenes, name):
    (scenes / "learn2" / name).unlink()
    with pytest.raises(DatasetError, match=rf"learn2/{name}: cannot be read: No such file"):
        ImageFolder(scenes)[1]


@pytest.mark.parametrize("kept", [0, 30])
@pytest.mark.parametrize("name", ["color.png", "depth.png"])
def test_a_corrupt_image_is_reported(scenes, name, kept):
    path = scenes / "learn2" / name
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(DatasetError, match=rf"learn2/{name}: not a readable image \({kept} bytes"):
        ImageFolder(scenes)[1]


def test_a_truncated_image_is_reported(scenes):
    path = scenes / "learn2" / "depth.png"
    noise = np.random.default_rng(0).integers(1, 60000, (12, 16)).astype(np.uint16)
    cv2.imwrite(str(path), noise)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DatasetError, match=r"learn2/depth\.png: not a readable image"):
        ImageFolder(scenes)[1]


def test_depth_of_another_size_is_reported(scenes):
    cv2.imwrite(str(scenes / "learn2" / "depth.png"), np.ones((6, 8), np.uint16))
    with pytest.raises(DatasetError, match=r"depth\.png: 8x6 pixels; expected 16x12"):
        ImageFolder(scenes)[1]


def test_depth_of_another_type_is_reported(scenes):
    cv2.imwrite(str(scenes / "learn2" / "depth.png"), np.ones((12, 16, 3), np.uint8))
    with pytest.raises(DatasetError, match="uint8 with 3 channels; expected uint16 with 1"):
        ImageFolder(scenes)[1]


@pytest.mark.parametrize("layout", ["scenes", "pairs"])
def test_missing_intrinsics_are_reported(layout, request):
    path = request.getfixturevalue(layout)
    next(path.glob("*.json")).unlink()
    with pytest.raises(DatasetError, match=r"camera\w*\.json: cannot be read"):
        ImageFolder(path)[0]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"fx": 0}, "focal lengths must be positive, got fx=0"),
        ({"cx": "left"}, "bad intrinsics: could not convert"),
        ({"depth_unit_m": 0}, "depth_unit_m must be positive, got 0"),
    ],
)
def test_invalid_intrinsics_are_reported(scenes, changes, words):
    edit_camera(scenes / "camera.json", **changes)
    with pytest.raises(DatasetError, match=rf"camera\.json: .*{words}"):
        ImageFolder(scenes)[0]


@pytest.mark.parametrize(
    ("text", "words"), [("{", "not JSON"), ("{}", "no 'width'"), ("[]", "bad intr")]
)
def test_invalid_intrinsics_files_are_reported(scenes, text, words):
    (scenes / "camera.json").write_text(text)
    with pytest.raises(DatasetError, match=rf"camera\.json: {words}"):
        ImageFolder(scenes)[0]


@pytest.mark.real("osd", "tabletop_demo")
@pytest.mark.parametrize(("name", "count"), [("osd", 45), ("tabletop_demo", 6)])
def test_real_data(name, count):
    folder = ImageFolder(DATA / name)
    assert len(folder) == count
    frame = folder[0]
    assert frame.depth.shape == (480, 640)
    assert 0.5 < np.nanmedian(frame.depth) < 2
