"""The region of interest: what lies outside does not exist, and what is told of an empty one."""

import re
from dataclasses import replace

import numpy as np
import pytest

from cvdl.core.camera import Camera
from cvdl.core.errors import InputError
from cvdl.core.frame import RgbdFrame
from cvdl.core.scene import PLANE_LABEL, OrientedBox, Region, Segmentation
from cvdl.pipeline import Perception, PerceptionConfig

#: The camera is 0.64 m above the table; z of this frame is 0 on the table.
AROUND = [-0.15, 0.15, -0.15, 0.15, -0.05, 0.3]


@pytest.fixture(scope="module")
def view(cast, block):
    """Two blocks, 0.35 m apart, on a table in a room; 2 on the left."""
    floor = block(0, 0, (8, 8, 0.05), z=-0.8, color=(90, 70, 60))
    left = block(-0.2, 0, (0.1, 0.07, 0.12), yaw=20)
    return cast(left, block(0.15, 0.05, (0.1, 0.1, 0.08), color=(30, 80, 160)), room=(floor,))


@pytest.fixture(scope="module")
def frame(view):
    """Its region has its origin below the left block, on the table, and turns with the block."""
    box, pose = view.boxes[0], np.eye(4)
    pose[:3, :3] = box.rotation.T
    pose[:3, 3] = -box.rotation.T @ box.center + [0, 0, box.size[2] / 2]
    return replace(view.frame, region_pose=pose)


def segmented(frame: RgbdFrame, **region):
    return Perception(PerceptionConfig(segmentation={"region": region}).segmentation_only())(frame)


def points_of(frame, mask):
    """The points of pixels in the frame of the region, (N, 3)."""
    points = frame.camera.deproject(frame.depth)[mask].astype(np.float64)
    return points @ frame.region_pose[:3, :3].T + frame.region_pose[:3, 3]


def test_without_a_region_both_blocks_are_found(view, frame):
    scene = segmented(frame)
    assert len(scene.objects) == 2
    assert scene.region is None


def test_only_what_is_in_the_box_is_labeled(view, frame):
    scene = segmented(frame, box=AROUND)
    assert scene.labels.shape == frame.depth.shape
    assert view.overlaps(scene)[0] > 0.9
    assert len(scene.objects) == 1
    points = points_of(frame, (scene.labels > 0) & np.isfinite(frame.depth))
    assert (points >= np.array(AROUND[::2]) - 1e-4).all()
    assert (points <= np.array(AROUND[1::2]) + 1e-4).all()
    assert scene.doubts == ()


def test_only_what_is_in_the_rectangle_is_labeled(view):
    scene = segmented(view.frame, image=[0.5, 1, 0.3, 0.75])
    rows, columns = np.nonzero(scene.labels)
    assert columns.min() == 320
    assert (rows.min(), rows.max()) == (144, 359)
    assert view.overlaps(scene)[1] > 0.9
    assert len(scene.objects) == 1


def test_a_rectangle_and_a_box_limit_together(frame):
    both = segmented(frame, box=AROUND, image=[0.5, 1, 0, 1]).labels > 0
    box = segmented(frame, box=AROUND).labels > 0
    assert not both[:, :320].any()
    assert box[:, :320].any()


def test_the_support_is_chosen_within_the_box(view, frame):
    """The floor, where the table is outside."""
    scene = segmented(frame, box=[-2, 2, -2, 2, -0.9, -0.5])
    rotation, shift = frame.region_pose[:3, :3], frame.region_pose[:3, 3]
    center = rotation @ (-scene.plane.offset * scene.plane.normal) + shift
    assert center[2] == pytest.approx(-0.75, abs=0.02)


def test_the_table_in_a_small_region_is_large_enough(frame):
    """By its share of the region: it is 3 % of the image."""
    scene = segmented(frame, image=[0.4, 0.6, 0.7, 0.85])
    assert (scene.labels[336:408, 256:384] == PLANE_LABEL).mean() > 0.9


def test_holes_of_objects_are_filled_only_inside(view, frame):
    row, column = (int(np.median(each)) for each in np.nonzero(view.labels == 2))
    hole = np.s_[row - 4 : row + 4, column - 4 : column + 4]
    depth = frame.depth.copy()
    depth[hole] = np.nan
    assert (segmented(replace(frame, depth=depth), box=AROUND).labels[hole] > 1).all()
    depth[hole] = 0.3  # in front of the region
    assert not segmented(replace(frame, depth=depth), box=AROUND).labels[hole].any()


@pytest.mark.parametrize(
    ("region", "words"),
    [
        ({"box": [4, 5, -0.5, 0.5, 0, 1]}, r"box is out of view, 4\.\d\d m right of, .*box_frame"),
        (
            {"box": [0, 0.1, 0, 0.1, 0.2, 0.3]},
            r"at column 2.. and row \d+ of the image, 0\.\d\d m left of",
        ),
        ({"image": [0, 0.1, 0, 0.1]}, r"columns 0 to 63 and rows 0 to 47 .*region\.image"),
    ],
)
def test_a_region_without_a_reading_is_told(frame, region, words):
    depth = frame.depth.copy()
    depth[:48, :64] = np.nan
    scene = segmented(replace(frame, depth=depth), **region)
    assert not scene.labels.any()
    assert (scene.plane, scene.objects) == (None, ())
    ((cause, sentence),) = scene.doubts
    assert cause == "region not in view"
    assert sentence.startswith("no depth reading lies in segmentation.region")
    assert re.search(words, sentence)


def test_an_image_without_depth_says_nothing_of_the_region(frame):
    nothing = replace(frame, depth=np.full_like(frame.depth, np.nan))
    assert segmented(nothing, box=AROUND).doubts == ()


def test_a_box_needs_the_pose_of_its_frame(view):
    with pytest.raises(
        InputError, match=r"needs the pose of base_link: set RgbdFrame\.region_pose"
    ):
        segmented(view.frame, box=AROUND)


def test_grasps_lie_in_the_region(frame):
    config = PerceptionConfig(segmentation={"region": {"box": AROUND}}, detector={"enable": False})
    scene = Perception(config)(frame)
    low, high = np.array(AROUND[::2]), np.array(AROUND[1::2])
    assert scene.grasps
    for grasp in scene.grasps:
        at = frame.region_pose[:3, :3] @ grasp.position + frame.region_pose[:3, 3]
        assert ((at >= low) & (at <= high)).all()


def test_the_segmentation_of_another_node_comes_with_the_region_too(frame):
    """So that the other stages refuse what is outside."""
    config = PerceptionConfig(segmentation={"region": {"box": AROUND}}).segmentation_only()
    found = segmented(frame)
    given = Segmentation(found.labels, found.plane, found.objects)
    scene = Perception(config)(frame, segmentation=given)
    assert len(scene.objects) == 2
    np.testing.assert_allclose(scene.region.box.size, [0.3, 0.3, 0.35])


def test_pixels_without_a_reading_are_inside_by_their_ray_and_the_nearest_reading():
    camera = Camera(40, 20, 40.0, 40.0, 19.5, 9.5)
    depth = np.full((20, 40), 1.0, np.float32)
    depth[:, 30:] = 2.0  # behind the box
    depth[5:15, 10:34] = np.nan
    box = OrientedBox(np.array([0.5, 0, 1]), np.eye(3), np.array([1, 2, 0.2]))  # right of the axis
    inside = Region((0, 0, 40, 20), box).mask(depth, camera)
    assert not inside[:, :20].any()  # rays that go left
    assert inside[6:14, 20:25].all()
    assert not inside[9:11, 32:34].any()  # beside readings behind the box
