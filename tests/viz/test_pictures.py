"""Pictures of results: places, colors and sizes."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from cvdl.core.camera import Camera
from cvdl.core.frame import RgbdFrame
from cvdl.core.scene import Detection, Grasp, OrientedBox, Region, Scene, SceneObject
from cvdl.viz.captions import Captions
from cvdl.viz.pictures import (
    PLATE_COLOR,
    UNMATCHED_COLOR,
    contact_sheet,
    depth_picture,
    object_color,
    overlay,
    write_png,
)

CAMERA = Camera(160, 120, 150.0, 150.0, 79.5, 59.5)


def make_frame(value: int = 128) -> RgbdFrame:
    color = np.full((120, 160, 3), value, np.uint8)
    return RgbdFrame(color, np.ones((120, 160), np.float32), CAMERA)


def make_object(label: int, box: tuple[int, int, int, int], center_z: float = 1.0) -> SceneObject:
    box3d = OrientedBox(np.array([0.0, 0.0, center_z]), np.eye(3), np.full(3, 0.1))
    area = (box[2] - box[0]) * (box[3] - box[1])
    return SceneObject(label, np.array(box, float), box3d, area, "bowl")


def make_scene(*objects: SceneObject, plane_rows: int = 0) -> Scene:
    labels = np.zeros((120, 160), np.uint16)
    labels[120 - plane_rows :] = 1
    for item in objects:
        x0, y0, x1, y1 = item.box2d.astype(int)
        labels[y0:y1, x0:x1] = item.label
    return Scene(labels, None, objects)


def test_overlay_does_not_change_pixels_outside_the_scene():
    frame = make_frame()
    picture = overlay(frame, make_scene(plane_rows=60))
    assert np.array_equal(picture[:58], frame.color[:58])


@pytest.mark.parametrize(
    ("depth", "sentence"),
    [
        (np.nan, "no depth"),
        (0.8, "depth: 100% of pixels, median 0.8 m"),
        (800, "depth: 100% of pixels, median 800 m"),
    ],
)
def test_overlay_reports_a_missing_plane(monkeypatch, depth, sentence):
    written = []
    write = Captions.write
    monkeypatch.setattr(
        Captions,
        "write",
        lambda self, text, *place, **k: written.append(text) or write(self, text, *place, **k),
    )
    frame = replace(make_frame(), depth=np.full((120, 160), depth, np.float32))
    picture = overlay(frame, make_scene())
    assert written == ["no support plane: no grasps", sentence]
    # Two lines in the upper left corner, one below the other.
    for rows in (slice(0, 17), slice(17, 34)):
        assert picture[rows].max() > 240
    assert np.array_equal(picture[38:], frame.color[38:])


def test_overlay_with_a_plane_reports_nothing():
    picture = overlay(make_frame(), make_scene(plane_rows=60))
    assert picture[:40].max() == 128


def test_overlay_outlines_the_plane_with_its_objects_and_across_gaps():
    scene = make_scene(make_object(2, (40, 50, 90, 90)), plane_rows=60)
    scene.labels[80:84, 100:104] = 0
    picture = overlay(make_frame(), scene)
    line = object_color(1)
    assert tuple(picture[60, 20]) == line
    assert tuple(picture[90, 60]) != line
    assert tuple(picture[80, 102]) == (128, 128, 128)


def test_overlay_does_not_change_the_frame():
    frame = make_frame()
    overlay(frame, make_scene(make_object(2, (40, 30, 80, 60)), plane_rows=40))
    assert (frame.color == 128).all()


@pytest.mark.parametrize("background", [0, 128, 255])
def test_overlay_outline_is_visible_on_any_background(background):
    picture = overlay(make_frame(background), make_scene(make_object(2, (10, 70, 60, 110))))
    inside, outside = picture[75, 10].astype(int), picture[75, 9].astype(int)
    assert tuple(inside) == object_color(2)
    assert max(abs(inside - background).max(), abs(outside - background).max()) > 100


def test_overlay_tints_the_table_less_than_an_object():
    picture = overlay(make_frame(), make_scene(make_object(2, (10, 70, 60, 110)), plane_rows=60))
    table = np.abs(picture[115, 150].astype(int) - 128).max()
    thing = np.abs(picture[75, 20].astype(int) - 128).max()
    assert 5 < table < 40 < thing


def test_overlay_draws_the_projected_box():
    scene = make_scene(make_object(2, (100, 80, 140, 110)))
    # The box of 0.1 m at 1 m: its near face ends 0.05 / 0.95 * 150 pixels from the center.
    left = round(79.5 - 0.05 / 0.95 * 150)
    assert np.allclose(overlay(make_frame(), scene)[60, left], object_color(2), atol=4)


def test_overlay_draws_the_2d_box_if_the_3d_box_extends_behind_the_camera():
    item = replace(make_object(2, (10, 10, 60, 50), center_z=0.0), class_name="")
    empty = Scene(np.ones((120, 160), np.uint16), None, (item,))
    picture = overlay(make_frame(), empty)
    assert tuple(picture[10, 10]) == tuple(picture[49, 59]) == object_color(2)


@pytest.mark.parametrize("box", [(0, 0, 160, 120), (10, 10, 11, 11), (10, 10, 10, 10)])
def test_overlay_of_the_largest_and_the_smallest_object(box):
    picture = overlay(make_frame(), make_scene(make_object(2, box)))
    assert picture.shape == (120, 160, 3)


def test_overlay_outlines_the_region():
    scene = make_scene(plane_rows=20)
    picture = overlay(make_frame(), replace(scene, region=Region((20, 10, 60, 50))))
    line = tuple(picture[10, 40])
    assert tuple(picture[30, 20]) == tuple(picture[30, 59]) == tuple(picture[49, 40]) == line
    assert (picture[13:47, 23:57] == 128).all()
    # The far side of a box around the camera: 0.4 m at 2 m. The whole image has no outline.
    box = OrientedBox(np.array([0.0, 0, 1]), np.eye(3), np.array([0.8, 0.8, 2]))
    picture = overlay(make_frame(), replace(scene, region=Region((0, 0, 160, 120), box)))
    assert tuple(picture[round(59.5 - 0.4 / 2 * 150), 80]) == line
    assert (picture[50:70, 60:100] == 128).all()
    assert (picture[0, 70:90] == 128).all()


def make_grasp(center: tuple[float, float], angle: float, label: int = 2) -> Grasp:
    at, turn = np.zeros(3), np.eye(3)
    return Grasp(np.array(center), angle, 40.0, 16.0, 1.0, label, at, turn, 0.1, 0.02)


@pytest.mark.parametrize("background", [0, 128, 255])
def test_overlay_draws_plates_thick_and_the_opening_thin(background):
    scene = replace(make_scene(), grasps=(make_grasp((80, 60), 0.0),))
    picture = overlay(make_frame(background), scene).astype(int)
    is_plate = (picture == PLATE_COLOR).all(-1)
    assert is_plate[60, [59, 60, 100, 101]].all()
    assert is_plate[53:68, 60].all()
    yellow = picture[[52, 68], 80]
    assert (yellow[:, 0] > 200).all()
    assert (yellow[:, 2] < 80).all()
    assert (picture[60, 66:95] == background).all()
    dark = np.abs(picture - background).max(-1) if background else 255 - picture.min(-1)
    assert dark[60, 56:65].max() > 100  # visible on any background


def test_overlay_angles_of_grasps_turn_from_right_to_down():
    scene = replace(make_scene(), grasps=(make_grasp((80, 60), np.pi / 4),))
    is_plate = (overlay(make_frame(), scene) == PLATE_COLOR).all(-1)
    step = round(20 * np.sqrt(0.5))
    assert is_plate[60 + step, 80 + step]
    assert is_plate[60 - step, 80 - step]
    assert not is_plate[60 + step - 4 : 60 + step + 5, 80 - step - 4 : 80 - step + 5].any()


def test_overlay_draws_only_the_best_grasp_of_an_object_fully():
    best, other = make_grasp((40, 60), 0.0), make_grasp((110, 60), 0.0)
    picture = overlay(make_frame(), replace(make_scene(plane_rows=1), grasps=(best, other)))
    is_plate = (picture == PLATE_COLOR).all(-1)
    assert is_plate[60, 20]
    assert not is_plate[:, 80:].any()
    assert picture[60, 90].min() > 160
    assert (picture[52, 105:115] == 128).all()
    of_two = replace(best, label=3), other
    picture = overlay(make_frame(), replace(make_scene(), grasps=of_two))
    assert (picture[60, 90] == PLATE_COLOR).all()


def test_overlay_of_a_grasp_outside_the_picture():
    scene = replace(make_scene(), grasps=(make_grasp((1e7, -1e7), 0.3),))
    without = overlay(make_frame(), make_scene())
    np.testing.assert_array_equal(overlay(make_frame(), scene), without)


@pytest.mark.parametrize("background", [0, 128, 255])
def test_overlay_draws_a_dashed_box_for_a_detection_without_an_object(background):
    detection = Detection(np.array([40.0, 50, 101, 91]), "mug", 0.8)
    scene = replace(make_scene(plane_rows=1), detections=(detection,))
    picture = overlay(make_frame(background), scene).astype(int)
    for row, columns in ((50, slice(40, 101)), (90, slice(40, 101))):
        is_light = (picture[row, columns] == UNMATCHED_COLOR).all(-1)
        assert is_light[[0, -1]].all()  # both corners
        assert 0.45 < is_light.mean() < 0.7
        assert np.abs(picture[row, columns] - background).max() > 100
    inside = picture[54:87, 44:97]
    assert (inside == background).all()
    caption = picture[34:46, 40:100]
    assert caption.min() < 40
    assert caption.max() == 255


def test_overlay_dims_the_box_of_a_detection_off_the_support():
    detection = Detection(np.array([40.0, 80, 101, 111]), "mug", 0.8)
    bright, dim = (
        overlay(make_frame(0), replace(make_scene(), detections=(each,)))[80, 40:101].mean()
        for each in (detection, replace(detection, off_support=True))
    )
    assert 0 < dim < 0.7 * bright


def test_overlay_draws_no_second_box_for_an_object():
    item = make_object(2, (10, 70, 60, 110))
    found = Detection(item.box2d, "bowl", 1.0, label=2)
    scene = make_scene(item)
    with_detection = overlay(make_frame(), replace(scene, detections=(found,)))
    np.testing.assert_array_equal(with_detection, overlay(make_frame(), scene))


def test_overlay_of_a_detection_beyond_the_picture():
    boxes = ([-50.0, -20, 500, 300], [-9.0, -9, -3, -3], [5.0, 5, 5, 5])
    found = tuple(Detection(np.array(box), "mug", 0.8) for box in boxes)
    picture = overlay(make_frame(), replace(make_scene(), detections=found))
    assert picture.shape == (120, 160, 3)


def test_neighboring_labels_differ_in_color():
    colors = np.array([object_color(label) for label in range(2, 22)], int)
    distance = np.abs(colors[:, None] - colors[None]).max(-1)
    assert distance[~np.eye(20, dtype=bool)].min() > 25
    assert (np.abs(np.diff(colors, axis=0)).max(-1) > 100).all()


def test_every_label_has_a_color():
    items = [make_object(label, (10, 10, 50, 50)) for label in (255, 256, 65535)]
    for item in items:
        picture = overlay(make_frame(), make_scene(item))
        assert tuple(picture[11, 10]) == object_color(item.label) != object_color(1)


@pytest.mark.parametrize(("width", "height"), [(1, 1), (2, 1), (1, 3)])
def test_overlay_of_a_few_pixels(width, height):
    camera = Camera(width, height, 500, 500, 0, 0)
    color = np.full((height, width, 3), 9, np.uint8)
    frame = RgbdFrame(color, np.ones((height, width), np.float32), camera)
    scene = Scene(np.ones((height, width), np.uint16), None)
    assert np.abs(overlay(frame, scene).astype(int) - color).max() < 60


def test_overlay_of_another_size_is_an_error():
    with pytest.raises(ValueError, match="labels are 10x20, the frame 160x120"):
        overlay(make_frame(), Scene(np.zeros((20, 10), np.uint16), None))


def test_depth_picture_is_red_near_blue_far_dark_without_reading():
    depth = np.tile(np.linspace(0.5, 1.5, 100, dtype=np.float32), (20, 1))
    depth[:, 50] = np.nan
    depth[:, 51] = np.inf
    picture = depth_picture(depth)
    assert picture.shape == (20, 100, 3)
    assert picture[0, 5, 0] > picture[0, 5, 2] + 100
    assert picture[0, 85, 2] > picture[0, 85, 0] + 50
    assert picture[0, 50:52].max() < 40


@pytest.mark.parametrize("value", [np.nan, 0.7])
def test_depth_picture_of_one_value(value):
    assert depth_picture(np.full((4, 6), value, np.float32)).shape == (4, 6, 3)


def test_contact_sheet_arranges_pictures_row_by_row():
    shades = [np.full((30, 40, 3), 40 * i + 60, np.uint8) for i in range(5)]
    sheet = contact_sheet(shades, [""] * 5, columns=2, width=40)
    seen = [sheet[y, x, 0] for y in (40, 96, 152) for x in (24, 68)]
    assert seen[:5] == [60, 100, 140, 180, 220]
    assert seen[5] < 40


def test_contact_sheet_keeps_the_shape_of_each_picture_and_writes_captions_inside_its_cell():
    wide = np.full((30, 120, 3), 255, np.uint8)
    sheet = contact_sheet([np.zeros((30, 40, 3), np.uint8), wide], ["", "x" * 200], 2, 40)
    assert np.count_nonzero((sheet == 255).all(-1)) == 40 * 10
    assert sheet[:20, 48:].max() > 100
    assert sheet[:20, :48].max() < 40


@pytest.mark.parametrize("captions", [[], ["a", "b"]])
def test_contact_sheet_needs_one_caption_per_picture(captions):
    with pytest.raises(ValueError, match=f"1 pictures and {len(captions)} captions"):
        contact_sheet([np.zeros((3, 4, 3), np.uint8)], captions)


def test_png_round_trip(tmp_path):
    picture = np.random.default_rng(0).integers(0, 255, (20, 30, 3), np.uint8)
    write_png(tmp_path / "new" / "a.png", picture)
    read = cv2.imread(str(tmp_path / "new" / "a.png"))
    assert np.array_equal(read[..., ::-1], picture)


def test_error_of_a_png_that_cannot_be_written_names_the_file(tmp_path):
    (tmp_path / "a.png").mkdir()
    with pytest.raises(OSError, match=r"a\.png"):
        write_png(tmp_path / "a.png", np.zeros((2, 2, 3), np.uint8))
