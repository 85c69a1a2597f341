"""What the depth shows of a detection that is no object: a thing, the bare table, or elsewhere."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from cvdl.core.camera import Camera
from cvdl.core.frame import RgbdFrame
from cvdl.core.scene import Plane, Scene
from cvdl.datasets import ImageFolder
from cvdl.depth.noise import depth_noise
from cvdl.detection import Detections
from cvdl.detection.config import DetectionConfig
from cvdl.detection.placing import Places
from cvdl.detection.stage import DetectionStage
from cvdl.segmentation import TabletopSegmenter
from helpers.paths import DATA

CAMERA = Camera(320, 240, 260.0, 260.0, 160.0, 120.0)
#: Rows and columns of the table in the image; behind it is the floor, 0.7 m lower.
TABLE = (slice(90, 240), slice(30, 290))


def table_view(seed=0):
    """A table seen 40 degrees from above with a camera's noise: depth, labels, plane."""
    tilt = np.deg2rad(40)
    plane = Plane(np.array([0, -np.cos(tilt), -np.sin(tilt)]), 0.6)
    depth = on_plane(Plane(plane.normal, plane.offset + 0.7))
    depth[TABLE] = on_plane(plane)[TABLE]
    depth += np.random.default_rng(seed).normal(0, depth_noise(depth)).astype(np.float32)
    labels = np.zeros(depth.shape, np.uint16)
    labels[TABLE] = 1
    return depth, labels, plane


def on_plane(plane):
    x, y = CAMERA.rays()
    slope = x * plane.normal[0] + y * plane.normal[1] + plane.normal[2]
    return np.where(slope < -1e-3, -plane.offset / slope, np.nan).clip(0, 8).astype(np.float32)


def place(depth, labels, plane, box, names=None, class_name="cup", mask=None, color=None):
    color = np.zeros((240, 320, 3), np.uint8) if color is None else color
    frame = RgbdFrame(color, depth, CAMERA)
    where = Places(frame, labels, plane, names or {})
    return where(np.array(box, float), class_name, mask)


@pytest.mark.parametrize(
    "box",
    [(100, 140, 180, 200), (40, 100, 70, 130), (200, 120, 290, 240), (28, 88, 292, 240)],
)
def test_a_bare_table_is_refused(box):
    """Neither a patch nor the table itself, whatever the detector calls it."""
    assert place(*table_view(), box, class_name="book") == "bare support"


def test_the_table_with_its_objects_is_refused():
    depth, labels, plane = table_view()
    for column in (80, 150, 220):
        depth[140:180, column : column + 30] -= 0.06
        labels[140:180, column : column + 30] = column
    assert place(depth, labels, plane, (40, 100, 280, 235)) == "bare support"


def test_an_object_without_a_segment_is_kept():
    depth, labels, plane = table_view()
    depth[150:190, 120:160] -= 0.05
    labels[150:190, 120:160] = 0
    assert place(depth, labels, plane, (118, 148, 162, 192)) == "on"


def test_a_thin_object_is_kept():
    """A marker of 12 mm that lies askew, of which the depth shows 5 mm: less than the noise."""
    depth, labels, plane = table_view()
    marker = np.zeros(depth.shape, np.uint8)
    cv2.line(marker, (120, 150), (165, 190), 1, 6)
    depth[marker > 0] -= 0.005
    assert place(depth, labels, plane, (116, 146, 169, 194)) == "on"
    mask = marker > 0
    assert place(depth, labels, plane, (116, 146, 169, 194), mask=mask) == "on"


def test_a_flat_object_of_another_color_is_kept():
    """A white card on a dark table; not the pattern that is all over a cloth."""
    color = np.full((240, 320, 3), 60, np.uint8)
    box = (120, 150, 160, 190)
    assert place(*table_view(), box, color=color) == "bare support"
    color[160:180, 130:150] = 220
    assert place(*table_view(), box, color=color) == "on"
    color[:, ::2] = 220
    assert place(*table_view(), box, color=color) == "bare support"


def test_an_object_in_the_mask_of_another_one_is_kept():
    """A tool that leans on a plate: one mask, which the plate's detection names."""
    depth, labels, plane = table_view()
    labels[150:156, 100:160] = 2
    labels[150:220, 160:230] = 2
    tool, names = (98, 140, 160, 166), {2: ("plate", np.array([158.0, 148, 232, 222]))}
    assert place(depth, labels, plane, tool, names, "hammer") == "on"
    # A plate that only reaches into the box makes no thing of it.
    labels[150:156, 100:160] = 1
    bare, names = (98, 140, 166, 166), {2: ("plate", np.array([158.0, 148, 232, 222]))}
    assert place(depth, labels, plane, bare, names, "hammer") == "bare support"


@pytest.mark.parametrize("gap", [np.nan, 0.0])
def test_a_transparent_object_is_kept(gap):
    """Depth that is missing, or that is missing in part and wrong elsewhere."""
    depth, labels, plane = table_view()
    labels[140:200, 140:170] = 0
    depth[140:200, 140:170] = gap
    depth[~(depth > 0)] = np.nan
    assert place(depth, labels, plane, (138, 138, 172, 202)) == "unknown"
    depth, labels, plane = table_view()
    depth[140:200:3, 140:170] = np.nan
    labels[140:200:3, 140:170] = 0
    assert place(depth, labels, plane, (138, 138, 172, 202)) == "on"


def test_gaps_all_over_the_depth_are_no_objects():
    depth, labels, plane = table_view()
    gaps = np.random.default_rng(1).random(depth.shape) < 0.3
    depth[gaps] = np.nan
    assert place(depth, labels, plane, (100, 140, 180, 200)) == "bare support"


@pytest.mark.parametrize(
    ("box", "distance"),
    [
        ((140, 10, 170, 50), None),  # the floor behind the table
        ((140, 10, 200, 88), 1.6),  # somebody behind the table
        ((0, 120, 26, 200), 0.9),  # beside it
    ],
)
def test_objects_beside_the_table_are_marked(box, distance):
    depth, labels, plane = table_view()
    x_min, y_min, x_max, y_max = box
    if distance is not None:
        depth[y_min:y_max, x_min:x_max] = distance
    assert place(depth, labels, plane, box) == "off"


def test_objects_on_the_edge_are_on_the_table():
    """A bottle whose upper half hides the floor behind; and one cut by the image's edge."""
    depth, labels, plane = table_view()
    foot = on_plane(plane)[100, 150]
    depth[50:100, 140:160] = foot
    labels[50:100, 140:160] = 0
    assert place(depth, labels, plane, (139, 48, 161, 101)) == "on"
    depth, labels, plane = table_view()
    depth[180:240, 140:170] = on_plane(plane)[239, 150] - 0.05
    labels[180:240, 140:170] = 0
    assert place(depth, labels, plane, (139, 178, 171, 240)) == "on"


def test_an_object_is_named_once():
    """A part with the object's own name repeats it; with another name it may be on or in it."""
    depth, labels, plane = table_view()
    depth[140:190, 120:180] -= 0.06
    labels[140:190, 120:180] = 2
    names = {2: ("cup", np.array([118.0, 138, 182, 192]))}
    part = (120, 140, 150, 190)
    assert place(depth, labels, plane, part, names) == "repeats a named object"
    assert place(depth, labels, plane, part, names, "spoon") == "on"
    assert place(depth, labels, plane, part) == "on"


def test_an_upside_down_camera():
    """All is as before, turned by half a turn."""
    depth, labels, plane = table_view()
    depth[140 - 130 : 50, 140:170] = 1.6
    turned = Plane(plane.normal * [-1, -1, 1], plane.offset)
    depth, labels = depth[::-1, ::-1], labels[::-1, ::-1]
    camera = Camera(320, 240, 260.0, 260.0, 159.0, 119.0)
    frame = RgbdFrame(np.zeros((240, 320, 3), np.uint8), depth, camera)
    where = Places(frame, labels, turned, {})
    assert where(np.array([150.0, 190, 180, 230]), "cup") == "off"
    assert where(np.array([140.0, 40, 220, 100]), "cup") == "bare support"


@pytest.mark.parametrize("box", [(400, 10, 420, 30), (-30, -30, -5, -5), (10.2, 10.2, 10.4, 10.4)])
def test_a_box_without_a_pixel_is_unknown(box):
    assert place(*table_view(), box) == "unknown"


def test_the_place_is_unknown_if_no_plane_is_visible():
    depth, labels, plane = table_view()
    assert place(depth, np.zeros_like(labels), plane, (100, 140, 180, 200)) == "unknown"


def test_the_stage_drops_marks_and_counts_detections():
    depth, labels, plane = table_view()
    frame = RgbdFrame(np.zeros((240, 320, 3), np.uint8), depth, CAMERA)

    class Detector:
        classes = ("book", "bottle")

        def __call__(self, frames, proposals=None):
            boxes = np.array([[100.0, 140, 180, 200], [140, 10, 170, 50]])
            return [Detections(boxes, np.array([0, 1]), np.array([0.6, 0.5]))]

    stage = DetectionStage(DetectionConfig(), Detector())
    scene = stage(frame, Scene(labels, plane))
    (bottle,) = scene.detections
    assert (bottle.class_name, bottle.label, bottle.off_support) == ("bottle", 0, True)
    assert scene.refused_detections == {"bare support": 1}
    assert scene.objects == ()
    # Without a plane nothing is known of a place.
    scene = stage(frame, Scene(labels, None))
    assert [(d.class_name, d.off_support) for d in scene.detections] == [
        ("book", False),
        ("bottle", False),
    ]
    assert scene.refused_detections == {}


@pytest.mark.real("tabletop_demo")
def test_the_marker_of_a_recording_is_kept_and_its_table_is_refused():
    frame = ImageFolder(DATA / "tabletop_demo")[4]
    labels, plane, _ = TabletopSegmenter()(frame)
    where = Places(frame, labels, plane, {})
    for marker in ((130, 189, 195, 244), (558, 247, 621, 331)):
        assert where(np.array(marker, float), "marker") == "on"
    for table in ((425, 320, 485, 420), (210, 260, 300, 330)):
        assert where(np.array(table, float), "book") == "bare support"
    floor = np.array([100.0, 0, 200, 60])
    assert where(floor, "bottle") == "off"
