"""The layout of the Jacquard data set."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from cvdl.datasets.jacquard import JacquardDataset
from cvdl.datasets.reading import DatasetError
from cvdl.grasping.rectangles import GraspRectangles

SIZE = 1024


def write_view(folder: Path, name: str, grasps: str) -> None:
    """Red; 1 m deep, the stereo depth with a hole; the object in the middle."""
    folder.mkdir(exist_ok=True)
    color = np.zeros((SIZE, SIZE, 3), np.uint8)
    color[..., 2] = 200
    perfect = np.ones((SIZE, SIZE), np.float32)
    stereo = perfect + 0.01
    stereo[5, 7], stereo[6, 7], stereo[7, 7] = 0, np.nan, -1
    mask = np.zeros((SIZE, SIZE), np.uint8)
    mask[500:520, 400:600] = 255
    cv2.imwrite(str(folder / f"{name}_RGB.png"), color)
    cv2.imwrite(str(folder / f"{name}_perfect_depth.tiff"), perfect)
    cv2.imwrite(str(folder / f"{name}_stereo_depth.tiff"), stereo)
    cv2.imwrite(str(folder / f"{name}_mask.png"), mask)
    (folder / f"{name}_grasps.txt").write_text(grasps)


@pytest.fixture
def jacquard(tmp_path: Path) -> Path:
    """Object aa with views 10 and 2, object bb with one view and no grasp."""
    write_view(tmp_path / "aa", "10_aa", "500.5;510;90;40;20\n500.5;510;90;40;30\n")
    write_view(tmp_path / "aa", "2_aa", "300;200;30;50;10\n")
    write_view(tmp_path / "bb", "0_bb", "")
    return tmp_path


def test_views_and_objects(jacquard):
    data = JacquardDataset(jacquard)
    assert data.names == ["2_aa", "10_aa", "0_bb"]
    assert data.object_ids == ["aa", "aa", "bb"]
    samples = list(data)
    assert [sample.name for sample in samples] == data.names
    assert [sample.object_id for sample in samples] == data.object_ids
    assert [len(sample.good) for sample in samples] == [1, 2, 0]
    assert not any(len(sample.bad) for sample in samples)
    assert samples[0].frame.color[0, 0].tolist() == [200, 0, 0]


def test_the_angle_turns_from_x_to_y_down(jacquard):
    good = JacquardDataset(jacquard)[0].good
    assert good.center.tolist() == [[300, 200]]
    first, second = good.corners()[0, :2]  # along the opening
    np.testing.assert_allclose(second - first, 50 * np.array([np.sqrt(3) / 2, 0.5]))
    assert good.plate.tolist() == [10]


def test_a_grasp_turned_by_a_quarter_is_upright(jacquard):
    good = JacquardDataset(jacquard)[1].good
    assert np.abs(good.angle) == pytest.approx([np.pi / 2] * 2)
    assert (good.opening.tolist(), good.plate.tolist()) == ([40, 40], [20, 30])
    assert isinstance(good, GraspRectangles)


def test_depth_with_and_without_holes(jacquard):
    stereo = JacquardDataset(jacquard, "stereo")[0].frame.depth
    assert np.isnan(stereo[5:8, 7]).all()
    assert np.isnan(stereo).sum() == 3
    assert np.nanmax(stereo) == pytest.approx(1.01)
    perfect = JacquardDataset(jacquard, depth="perfect")[0].frame.depth
    assert (perfect == 1).all()


def test_mask(jacquard):
    mask = JacquardDataset(jacquard).mask(0)
    assert mask.dtype == bool
    assert mask[500:520, 400:600].all()
    assert mask.sum() == 20 * 200


def test_an_unknown_depth_is_reported(jacquard):
    with pytest.raises(ValueError, match="'true'; accepted: stereo, perfect"):
        JacquardDataset(jacquard, "true")


def test_missing_and_empty_folders_are_reported(tmp_path):
    with pytest.raises(DatasetError, match="nowhere: no such folder"):
        JacquardDataset(tmp_path / "nowhere")
    with pytest.raises(DatasetError, match=r"holds no N_ID_RGB\.png"):
        JacquardDataset(tmp_path)


@pytest.mark.parametrize(
    "line", ["1;2;3;4", "1;2;3;4;5;6", "1;2;x;4;5", "1;2;nan;4;5", "1;2;3;0;5", "1 2 3 4 5"]
)
def test_invalid_lines_are_reported(jacquard, line):
    (jacquard / "aa" / "2_aa_grasps.txt").write_text(f"1;2;3;4;5\n{line}\n")
    with pytest.raises(DatasetError, match=rf"2_aa_grasps.txt: line 2 is '{line}'; expected x;y;"):
        JacquardDataset(jacquard)[0]


@pytest.mark.parametrize("ending", ["grasps.txt", "stereo_depth.tiff", "RGB.png"])
def test_invalid_files_are_reported(jacquard, ending):
    data = JacquardDataset(jacquard)
    (jacquard / "aa" / f"2_aa_{ending}").write_bytes(b"\xff\xfe")
    with pytest.raises(DatasetError, match=f"2_aa_{ending}: "):
        data[0]
    (jacquard / "aa" / f"2_aa_{ending}").unlink()
    with pytest.raises(DatasetError, match=f"2_aa_{ending}: cannot be read"):
        data[0]


def test_images_of_another_size_are_reported(jacquard):
    cv2.imwrite(str(jacquard / "aa" / "2_aa_mask.png"), np.zeros((10, 20), np.uint8))
    with pytest.raises(DatasetError, match="20x10 pixels; expected 1024x1024"):
        JacquardDataset(jacquard).mask(0)
