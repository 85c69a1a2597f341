"""The Cornell Grasping Dataset: rectangles, and depth from distances and from clouds."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from cvdl.core.camera import Camera
from cvdl.datasets.cornell import CornellDataset, depth_from_distance
from cvdl.datasets.reading import DatasetError
from helpers.paths import DATA

CAMERA = Camera(640, 480, 525.0, 525.0, 319.5, 239.5)
USUAL_ORIGIN = np.array([-0.2095, 0.826, 0.160])

TWO_GOOD = "0 0\n40 0\n40 10\n0 10\n10 10\n10 50\n0 50\n0 10\n"
WITH_NAN = "NaN NaN\n40 0\n40 10\n0 10\n" + TWO_GOOD


def tabletop() -> np.ndarray:
    """(480, 640) depth of a table seen from above at a slant, with a box on it."""
    points = CAMERA.deproject(np.ones((480, 640), np.float32))
    depth = 1 / (points @ np.array([0.135, 0.811, 1.09]))
    depth[200:260, 280:360] -= 0.05
    return depth


def distance_from(origin: np.ndarray, depth: np.ndarray) -> np.ndarray:
    points = CAMERA.deproject(depth.astype(np.float32)).astype(np.float64)
    return np.linalg.norm(points - origin, axis=2).astype(np.float32)


def write_view(folder: Path, name: str, good: str = TWO_GOOD, bad: str = "") -> None:
    color = np.zeros((480, 640, 3), np.uint8)
    color[..., 2] = 200  # red, in OpenCV's order
    cv2.imwrite(str(folder / f"{name}r.png"), color)
    cv2.imwrite(str(folder / f"{name}d.tiff"), distance_from(USUAL_ORIGIN, tabletop()))
    (folder / f"{name}cpos.txt").write_text(good)
    (folder / f"{name}cneg.txt").write_text(bad)


def write_cloud(path: Path, depth: np.ndarray, pose: np.ndarray, step: int = 8) -> None:
    """Every ``step``-th pixel's point, in millimeters, in the robot's frame."""
    v, u = (axis.ravel() for axis in np.mgrid[0:480:step, 0:640:step])
    points = CAMERA.deproject_pixels(np.stack([u, v], axis=1), depth[v, u])
    points = 1000 * (points @ pose[:3, :3].T + pose[:3, 3])
    index = v * 640 + u
    rows = "\n".join(
        f"{x:.6g} {y:.6g} {z:.6g} 0 {i}" for (x, y, z), i in zip(points, index, strict=True)
    )
    path.write_text(f"# .PCD v.7\nFIELDS x y z rgb index\nDATA ascii\n{rows}\n")


@pytest.fixture
def cornell(tmp_path: Path) -> Path:
    write_view(tmp_path, "pcd0101", WITH_NAN, TWO_GOOD)
    write_view(tmp_path, "pcd0100")
    write_view(tmp_path, "pcd0999")
    return tmp_path


def test_views_in_order_with_their_objects(cornell):
    data = CornellDataset(cornell)
    assert data.names == ["pcd0100", "pcd0101", "pcd0999"]
    assert data.object_ids == ["remote", "remote", "pcd0999"]
    samples = list(data)
    assert [sample.name for sample in samples] == data.names
    assert [sample.object_id for sample in samples] == data.object_ids
    assert samples[0].frame.color[0, 0].tolist() == [200, 0, 0]
    assert samples[0].frame.camera == CAMERA


def test_own_objects_file(cornell, tmp_path):
    objects = tmp_path / "objects.yaml"
    objects.write_text('stick: "101-999"\n')
    assert CornellDataset(cornell, objects).object_ids == ["pcd0100", "stick", "stick"]


def test_the_opening_is_the_first_side(cornell):
    good = CornellDataset(cornell)[0].good
    assert good.center.tolist() == [[20, 5], [5, 30]]
    assert good.opening.tolist() == [40, 40]
    assert good.plate.tolist() == [10, 10]
    np.testing.assert_allclose(np.abs(good.angle), [0, np.pi / 2])


def test_rectangles_with_nan_are_skipped_and_counted_once(cornell):
    data = CornellDataset(cornell)
    assert data.skipped == 0
    for _ in range(2):
        sample = data[1]
        assert (len(sample.good), len(sample.bad)) == (2, 2)
        assert data.skipped == 1


def test_a_missing_rectangle_file_means_no_rectangles(cornell):
    (cornell / "pcd0100cneg.txt").unlink()
    assert len(CornellDataset(cornell)[0].bad) == 0


def test_depth_from_distances_to_the_usual_origin():
    depth = depth_from_distance(distance_from(USUAL_ORIGIN, tabletop()), CAMERA)
    np.testing.assert_allclose(depth, tabletop(), atol=1e-4)


def test_depth_from_distances_to_another_origin():
    away = distance_from(USUAL_ORIGIN + np.array([0.1, -0.05, 0.08]), tabletop())
    depth = depth_from_distance(away, CAMERA)
    np.testing.assert_allclose(depth, tabletop(), atol=0.005)
    assert np.abs(depth - tabletop()).max() < np.abs(away - tabletop()).max() / 20


def test_depth_is_nan_where_no_distance_is_valid():
    away = distance_from(USUAL_ORIGIN, tabletop())
    away[:10], away[10:20] = 0, np.nan
    depth = depth_from_distance(away, CAMERA)
    assert np.isnan(depth[:20]).all()
    np.testing.assert_allclose(depth[20:], tabletop()[20:], atol=1e-4)


def test_depth_from_a_point_cloud(cornell):
    (cornell / "pcd0100d.tiff").unlink()
    pose = np.eye(4)
    pose[:3, :3] = cv2.Rodrigues(np.array([2.0, 0.3, -0.4]))[0]
    pose[:3, 3] = 0.2, -1.0, 0.5
    write_cloud(cornell / "pcd0100.txt", tabletop(), pose)
    depth = CornellDataset(cornell)[0].frame.depth
    known = np.isfinite(depth)
    assert known[::8, ::8].all()
    assert known.sum() == 60 * 80
    np.testing.assert_allclose(depth[known], tabletop()[known], atol=0.002)


@pytest.mark.parametrize("row", ["nan nan nan 0 5", "1 2 3 0 5", "1 2 3 0 1e12"])
def test_a_point_cloud_without_a_pose_is_reported(cornell, row):
    (cornell / "pcd0100d.tiff").unlink()
    rows = "\n".join([row] * 40)
    (cornell / "pcd0100.txt").write_text(f"FIELDS x y z rgb index\nDATA ascii\n{rows}\n")
    with pytest.raises(DatasetError, match=r"pcd0100\.txt: its points do not fit its pixels"):
        CornellDataset(cornell)[0]


def test_equal_names_in_two_folders_are_distinguished(tmp_path):
    for folder in ("01", "02"):
        (tmp_path / folder).mkdir()
        write_view(tmp_path / folder, "pcd0101")
    data = CornellDataset(tmp_path)
    assert data.names == ["01/pcd0101", "02/pcd0101"]
    assert len(set(data.object_ids)) == 1
    assert len(data[1].good) == 2


def test_missing_and_invalid_files_are_reported(cornell, tmp_path):
    with pytest.raises(DatasetError, match="nowhere: no such folder"):
        CornellDataset(tmp_path / "nowhere")
    (cornell / "pcd0100d.tiff").unlink()
    with pytest.raises(DatasetError, match=r"has neither pcd0100d\.tiff nor pcd0100\.txt"):
        CornellDataset(cornell)[0]
    (cornell / "pcd0100.txt").write_text("DATA ascii\n1 2 3\n")
    with pytest.raises(DatasetError, match=r"pcd0100\.txt: not a point cloud"):
        CornellDataset(cornell)[0]
    (cornell / "pcd0101cpos.txt").write_text("1 2\n3 4\n")
    with pytest.raises(DatasetError, match=r"pcd0101cpos\.txt: 4 numbers; expected eight"):
        CornellDataset(cornell)[1]
    (cornell / "pcd0101cpos.txt").write_text("a b")
    with pytest.raises(DatasetError, match=r"pcd0101cpos\.txt: cannot be read"):
        CornellDataset(cornell)[1]


def test_an_empty_folder_is_reported(tmp_path):
    with pytest.raises(DatasetError, match=r"holds no pcdNNNNr\.png"):
        CornellDataset(tmp_path)


@pytest.mark.real("cornell/01")
def test_the_real_table_is_flat():
    data = CornellDataset(DATA / "cornell" / "01")
    assert len(data) == 76
    assert len(set(data.object_ids)) == 21
    for sample in (data[index] for index in range(0, 76, 25)):
        assert len(sample.good) > 0
        points = sample.frame.camera.deproject(sample.frame.depth)[240:420:6, 150:500:6]
        points = points.reshape(-1, 3).astype(np.float64)
        points = points[np.isfinite(points[:, 2])]
        for _ in range(8):  # the plane, without what stands on it
            middle = points.mean(axis=0)
            normal = np.linalg.svd(points - middle, full_matrices=False)[2][2]
            away = np.abs((points - middle) @ normal)
            points = points[away <= max(2 * np.median(away), 0.001)]
        assert np.median(away) < 0.003
