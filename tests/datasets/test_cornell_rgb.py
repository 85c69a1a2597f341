"""Color crops of Cornell with grasps as classes and boxes."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from cvdl.datasets.cornell_rgb import CornellRgbDataset
from cvdl.datasets.reading import DatasetError
from helpers.paths import DATA


@pytest.fixture
def crops(tmp_path: Path) -> Path:
    """Two red crops: one with three grasps, one with none."""
    image = np.zeros((224, 224, 3), np.uint8)
    image[..., 2] = 200
    for name in ("pcd0010", "pcd0009"):
        cv2.imwrite(str(tmp_path / f"{name}.png"), image)
    (tmp_path / "pcd0009.txt").write_text("10 100 50 140 70\n13 100.5 50 140.5 70\n1 10 10 50 30\n")
    (tmp_path / "pcd0010.txt").write_text("")
    return tmp_path


def test_samples(crops):
    data = CornellRgbDataset(crops)
    assert len(data) == 2
    assert data.names == ["pcd0009", "pcd0010"]
    sample = data[0]
    assert (sample.name, sample.object_id) == ("pcd0009", "pcd0009")
    assert sample.frame.color[0, 0].tolist() == [200, 0, 0]
    assert np.isnan(sample.frame.depth).all()
    assert (sample.frame.camera.width, sample.frame.camera.height) == (224, 224)
    assert [len(sample.good) for sample in data] == [3, 0]
    assert not any(len(sample.bad) for sample in data)


def test_the_class_is_an_angle_with_y_up(crops):
    good = CornellRgbDataset(crops)[0].good
    np.testing.assert_allclose(good.center, [[120, 60], [120.5, 60], [30, 20]])
    np.testing.assert_allclose(good.opening, 40)
    np.testing.assert_allclose(good.plate, 20)
    # Class 13 opens 30 degrees from +x towards up, that is to the right and up the image.
    np.testing.assert_allclose(np.degrees(good.angle), [0, -30, -90], atol=1e-9)
    first, second = good.corners()[1, :2]
    np.testing.assert_allclose(second - first, [40 * np.sqrt(3) / 2, -20])


@pytest.mark.parametrize(
    "line",
    [
        "0 1 2 3 4",
        "20 1 2 3 4",
        "1.5 1 2 3 4",
        "1 3 2 1 4",
        "1 1 4 3 2",
        "1 1 2 3",
        "1 1 2 3 4 5",
        "a 1 2 3 4",
        "1 nan 2 3 4",
    ],
)
def test_invalid_lines_are_reported(crops, line):
    (crops / "pcd0009.txt").write_text(f"10 100 50 140 70\n\n{line}\n")
    with pytest.raises(DatasetError, match=rf"pcd0009\.txt: line 3 is '{line}'; expected class"):
        CornellRgbDataset(crops)[0]


def test_missing_files_are_reported(crops, tmp_path):
    with pytest.raises(DatasetError, match="nowhere: no such folder"):
        CornellRgbDataset(tmp_path / "nowhere")
    (crops / "pcd0009.txt").unlink()
    with pytest.raises(DatasetError, match=r"pcd0009\.txt: cannot be read"):
        CornellRgbDataset(crops)[0]
    (crops / "pcd0010.png").write_bytes(b"")
    with pytest.raises(DatasetError, match=r"pcd0010\.png: not a readable image"):
        CornellRgbDataset(crops)[1]


def test_an_empty_folder_is_reported(tmp_path):
    with pytest.raises(DatasetError, match=r"holds no NAME\.png"):
        CornellRgbDataset(tmp_path)


@pytest.mark.real("cornell_rgb")
def test_real_plates_are_beside_the_objects():
    """The middles of the plates show the table's color; turned the other way, they do less often.

    The same rectangles mirrored, as with y down instead of up, are the other way.
    """
    data = CornellRgbDataset(DATA / "cornell_rgb")
    assert len(data) == 528
    beside, mirrored = [], []
    for sample in (data[index] for index in range(0, len(data), 8)):
        gray = sample.frame.color.mean(axis=2)
        good = sample.good
        half = good.opening[:, None] / 2
        for sign, values in ((1, beside), (-1, mirrored)):
            way = np.stack([np.cos(good.angle), sign * np.sin(good.angle)], axis=1)
            ends = np.concatenate([good.center + way * half, good.center - way * half])
            u, v = np.rint(np.clip(ends, 0, 223)).astype(int).T
            values.extend(np.abs(gray[v, u] - np.median(gray)) < 20)
    assert np.mean(beside) > np.mean(mirrored) + 0.05
