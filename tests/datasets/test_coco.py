"""COCO's format: boxes, masks, depth, and invalid folders."""

from __future__ import annotations

import json
import logging
import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from pycocotools import mask as run_lengths

from cvdl.datasets import CocoDataset, DatasetError
from cvdl.simulation import SimulationConfig, simulate_scene
from cvdl.simulation.export import CocoExport

WIDTH, HEIGHT = 16, 12


def content() -> dict[str, Any]:
    """Two images, three boxes; categories out of order and with gaps."""
    square = np.zeros((HEIGHT, WIDTH), np.uint8)
    square[3:6, 2:7] = 1
    compressed = run_lengths.encode(np.asfortranarray(square))
    compressed["counts"] = compressed["counts"].decode()
    plain = [HEIGHT * 2 + 3, *[3, 9] * 4, 3, HEIGHT * 9 + 6]
    return {
        "images": [
            {"id": 7, "file_name": "b.png", "width": WIDTH, "height": HEIGHT},
            {"id": 3, "file_name": "a.png", "width": WIDTH, "height": HEIGHT},
        ],
        "categories": [{"id": 90, "name": "mug"}, {"id": 4, "name": "box"}],
        "annotations": [
            annotation(1, 7, 90, [2, 3, 5, 3], [[2, 3, 7, 3, 7, 6, 2, 6]]),
            annotation(2, 7, 4, [2, 3, 5, 3], {"size": [HEIGHT, WIDTH], "counts": plain}),
            annotation(3, 7, 4, [2, 3, 5, 3], compressed, iscrowd=1),
        ],
    }


def annotation(number, image, category, box, mask=None, iscrowd=0):
    entry = {"id": number, "image_id": image, "category_id": category, "bbox": box}
    return entry | ({} if mask is None else {"segmentation": mask, "iscrowd": iscrowd})


def write(folder: Path, content: Any, name: str = "annotations.json", images: str = "") -> Path:
    (folder / images).mkdir(parents=True, exist_ok=True)
    for entry in content["images"] if isinstance(content, dict) else ():
        color = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        color[..., 2] = 200  # red, in OpenCV's order
        cv2.imwrite(str(folder / images / entry["file_name"]), color)
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(json.dumps(content))
    return folder


def test_boxes_labels_and_masks_of_each_kind(tmp_path):
    data = CocoDataset(write(tmp_path, content()))
    assert data.classes == ("box", "mug")
    assert data.names == ["b", "a"]
    sample = data[0]
    assert sample.frame.color[0, 0].tolist() == [200, 0, 0]
    assert np.isnan(sample.frame.depth).all()
    assert sample.boxes.tolist() == [[2, 3, 7, 6]] * 3
    assert sample.labels.tolist() == [1, 0, 0]
    assert sample.crowd.tolist() == [False, False, True]
    expected = np.zeros((HEIGHT, WIDTH), bool)
    expected[3:6, 2:7] = True
    for mask in sample.masks:
        np.testing.assert_array_equal(mask, expected)
    empty = data[-1]
    assert empty.boxes.shape == (0, 4)
    assert empty.masks.shape == (0, HEIGHT, WIDTH)


def test_there_are_no_masks_if_too_few_boxes_have_one(tmp_path):
    some = content()
    some["annotations"].append(annotation(4, 3, 4, [0, 0, 2, 2]))
    data = CocoDataset(write(tmp_path, some))
    assert data[0].masks is None
    assert data[1].masks is None


def test_categories_of_one_name_are_one_class(tmp_path):
    some = content()
    some["categories"].append({"id": 5, "name": "box"})
    some["annotations"][0]["category_id"] = 5
    data = CocoDataset(write(tmp_path, some))
    assert data.classes == ("box", "mug")
    assert data[0].labels.tolist() == [0, 0, 0]


def test_an_export_is_read(tmp_path):
    config = SimulationConfig(width=320, height=240)
    scenes = [simulate_scene(5, index, config) for index in range(2)]
    with CocoExport(tmp_path / "out", False, 5) as export:
        for scene in scenes:
            export.add(scene)
    data = CocoDataset(tmp_path / "out")
    for sample, scene in zip(data, scenes, strict=True):
        frame, truth = scene.frame, scene.truth
        np.testing.assert_array_equal(sample.frame.color, frame.color)
        np.testing.assert_allclose(sample.frame.depth, frame.depth, atol=6e-4)
        assert np.isfinite(sample.frame.depth).any()
        assert sample.frame.camera == frame.camera
        assert [data.classes[label] for label in sample.labels] == [
            item.class_name for item in truth.objects
        ]
        for box, mask, item in zip(sample.boxes, sample.masks, truth.objects, strict=True):
            np.testing.assert_array_equal(box, item.box2d)
            np.testing.assert_array_equal(mask, truth.mask(item))


def test_coco_layout(tmp_path):
    name = "annotations/instances_val2017.json"
    write(tmp_path, content(), name, images="val2017")
    (tmp_path / "annotations" / "captions_val2017.json").write_text("{}")
    assert len(CocoDataset(tmp_path)) == 2
    other = "annotations/instances_train2017.json"
    write(tmp_path, content(), other, images="train2017")
    with pytest.raises(DatasetError, match=r"found .*train2017\.json, .*val2017\.json"):
        CocoDataset(tmp_path)
    for file in (name, other):
        assert len(CocoDataset(tmp_path / file)) == 2


@pytest.mark.parametrize("without", [0, 1, 3])
def test_annotations_without_masks_are_reported(tmp_path, caplog, without):
    """Then only boxes are used; if no annotation has a mask, there is no warning."""
    some = content()
    for each in some["annotations"][:without]:
        del each["segmentation"]
    with caplog.at_level(logging.WARNING, "cvdl"):
        data = CocoDataset(write(tmp_path, some))
    assert (data[0].masks is None) == (without > 0)
    warnings = [record.getMessage() for record in caplog.records]
    assert len(warnings) == (without == 1)
    expected = "annotations without a mask: 1, the first is 1 in b.png; all 3 are used as boxes"
    assert all(text.endswith(expected) for text in warnings)


def test_boxes_are_clipped_and_boxes_outside_are_skipped(tmp_path, caplog):
    some = content()
    boxes = [[-2, 5, 6, 20], [16, 0, 3, 3], [4, 4, 0, 5], [float("nan"), 1, 2, 2], [1, 1, -3, 2]]
    some["annotations"] = [annotation(i, 7, 4, box) for i, box in enumerate(boxes, 1)]
    with caplog.at_level(logging.WARNING, "cvdl"):
        data = CocoDataset(write(tmp_path, some))
    assert data[0].boxes.tolist() == [[0, 5, 4, 12]]
    assert data.skipped == 4
    assert [record.getMessage() for record in caplog.records] == [
        f"{tmp_path / 'annotations.json'}: annotations without a box that has an area in the "
        "image: 4, the first is 2 in b.png; they are skipped"
    ]


def test_missing_images_are_skipped(tmp_path, caplog):
    write(tmp_path, content())
    (tmp_path / "a.png").unlink()
    with caplog.at_level(logging.WARNING, "cvdl"):
        assert CocoDataset(tmp_path).names == ["b"]
    (warning,) = [record.getMessage() for record in caplog.records]
    assert warning.endswith("images that are missing: 1, the first is a.png; they are skipped")
    (tmp_path / "b.png").unlink()
    with pytest.raises(DatasetError, match=r"none of its 2 images exists; b\.png is in none of"):
        CocoDataset(tmp_path)


def changed(**changes: Any) -> dict[str, Any]:
    """The content with another first annotation."""
    some = content()
    some["annotations"][0].update(changes)
    return some


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([], "holds a list"),
        ({"images": []}, "no 'categories'"),
        (content() | {"images": [], "annotations": []}, "lists no usable images"),
        (content() | {"annotations": {}}, "annotations are a dict; expected a list"),
        (content() | {"categories": [{"id": 4}]}, "a category is .*; expected an object with id"),
        (content() | {"info": {"camera": {"width": 3}}}, "bad info.camera"),
        (content() | {"categories": [{"id": 4, "name": n} for n in "ab"]}, "two categories have"),
    ],
)
def test_invalid_content_is_reported(content, words, tmp_path):
    with pytest.raises(DatasetError, match=rf"annotations\.json: .*{words}"):
        CocoDataset(write(tmp_path, content))


MASKED = [[2, 3, 7, 3, 7, 6, 2, 6]]


def load(folder, content, caplog):
    """The data set, and the warnings."""
    caplog.clear()
    with caplog.at_level(logging.WARNING, "cvdl"):
        data = CocoDataset(write(folder, content))
    return data, [record.getMessage() for record in caplog.records]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"image_id": 8}, "of an image that is not listed"),
        ({"image_id": None}, "of an image that is not listed"),
        ({"category_id": 1}, "of a category that is not listed"),
        ({"category_id": "mug"}, "of a category that is not listed"),
        ({"bbox": [1, 2, 3], "segmentation": []}, "without a box that has an area"),
        ({"bbox": None, "segmentation": None}, "without a box that has an area"),
        ({"bbox": [5, 5, -3, -2], "segmentation": []}, "without a box that has an area"),
        ({"bbox": ["a", 1, 2, 3], "segmentation": []}, "without a box that has an area"),
        ({"bbox": [math.nan, 1, 2, 3], "segmentation": []}, "without a box that has an area"),
        ({"bbox": [99, 99, 2, 3], "segmentation": []}, "without a box that has an area"),
    ],
)
def test_an_unusable_annotation_is_skipped(tmp_path, caplog, changes, words):
    data, warnings = load(tmp_path, changed(**changes), caplog)
    assert len(warnings) == 1
    assert warnings[0].startswith(f"{tmp_path / 'annotations.json'}: annotations ")
    assert words in warnings[0]
    assert ": 1, the first is 1" in warnings[0]
    assert data.skipped == 1
    assert data[0].labels.tolist() == [0, 0]
    assert data[0].masks.shape == (2, HEIGHT, WIDTH)


def test_an_entry_that_is_not_an_annotation_is_skipped(tmp_path, caplog):
    some = content()
    some["annotations"] += [None, 3, {}, dict(some["annotations"][0])]
    data, warnings = load(tmp_path, some, caplog)
    assert len(data[0].boxes) == 3
    assert data.skipped == 4
    assert sorted(text.split(": ", 1)[1] for text in warnings) == [
        "annotations of an image that is not listed: 1, the first is number 5; they are skipped",
        "annotations that are listed twice: 1, the first is 1; they are used once",
        "annotations that are not JSON objects: 2, the first is number 3; they are skipped",
    ]


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        ([[10, 10, 20, 20]], "polygons that are not a list of three or more corners"),
        ([[2, 3, 7, 3, 7, 6, 2]], "polygons that are not a list"),
        ([[2, 3, 7, 3, math.nan, 6]], "polygons that are not a list"),
        ([["a", 3, 7, 3, 7, 6]], "polygons that are not a list"),
        ([[92, 93, 97, 93, 97, 96]], "polygons that are not a list"),
        ([[2, 3, 2, 3, 2, 3]], "polygons that are not a list"),
        ([[]], "polygons that are not a list"),
        ("abc", "polygons that are not a list"),
        ({"size": [2, 2], "counts": [4]}, "run lengths that do not fill the image"),
        ({"size": [16, 12], "counts": [192]}, "run lengths that do not fill"),
        ({"size": [12, 16], "counts": [4]}, "run lengths that do not fill"),
        ({"size": [12, 16], "counts": [-5, 197]}, "run lengths that do not fill"),
        ({"size": [12, 16], "counts": "Zo0"}, "run lengths that do not fill"),
        ({"size": [12, 16], "counts": "\n~"}, "run lengths that do not fill"),
        ({"size": [12, 16]}, "run lengths that do not fill"),
    ],
)
def test_the_box_replaces_an_unusable_mask(tmp_path, caplog, mask, words):
    data, (warning,) = load(tmp_path, changed(segmentation=mask), caplog)
    assert words in warning
    assert ": 1, the first is 1 in b.png; " in warning
    sample = data[0]
    assert sample.boxes.tolist() == [[2, 3, 7, 6]] * 3
    expected = np.zeros((HEIGHT, WIDTH), bool)
    expected[3:6, 2:7] = True
    for each in sample.masks:
        np.testing.assert_array_equal(each, expected)


@pytest.mark.parametrize(
    "mask",
    [
        [["2", "3", "7", "3", "7", "6", "2", "6"]],
        MASKED[0],
        [[2, 3], [7, 3], [7, 6], [2, 6]],
        [[[2, 3], [7, 3], [7, 6], [2, 6]]],
        [*MASKED, [9, 9, 9, 9]],  # the other part is not a polygon
    ],
)
def test_polygons_as_written_by_annotation_tools(tmp_path, caplog, mask):
    data, _ = load(tmp_path, changed(segmentation=mask, bbox=[]), caplog)
    assert data[0].boxes[0].tolist() == [2, 3, 7, 6]  # of the mask
    np.testing.assert_array_equal(data[0].masks[0], data[0].masks[1])


def test_masks_are_used_if_few_boxes_have_none(tmp_path, caplog):
    some = content()
    some["annotations"] = [
        annotation(i, 7, 4, [2, 3, 5, 3], [] if i == 4 else MASKED) for i in range(1, 12)
    ]
    data, (warning,) = load(tmp_path, some, caplog)
    assert warning.endswith(
        "annotations without a mask: 1, the first is 4 in b.png; the box is the mask"
    )
    np.testing.assert_array_equal(data[0].masks[3], data[0].masks[0])
    for each in some["annotations"]:
        each["segmentation"] = []
    data, warnings = load(tmp_path, some, caplog)
    assert warnings == []
    assert data[0].masks is None


def test_crowds_are_single_objects_if_most_annotations_are_crowds(tmp_path, caplog):
    some = content()
    for each in some["annotations"]:
        each["iscrowd"] = 1
    data, (warning,) = load(tmp_path, some, caplog)
    assert data[0].crowd.tolist() == [False] * 3
    assert (
        "annotations with iscrowd 1, more than half of all: 3, the first is 1 in b.png; all"
        in warning
    )
    for each, value in zip(some["annotations"], ("0", 0.0, "1"), strict=True):
        each["iscrowd"] = value
    data, warnings = load(tmp_path, some, caplog)
    assert data[0].crowd.tolist() == [False, False, True]
    assert warnings == []


@pytest.mark.parametrize("size", [{"width": -1, "height": -1}, {"width": "x"}, {"width": None}])
def test_missing_sizes_are_read_from_the_images(tmp_path, caplog, size):
    some = content()
    some["images"][0] |= size
    data, (warning,) = load(tmp_path, some, caplog)
    assert (
        "images without a size: 1, the first is b.png; the size is read from their files" in warning
    )
    assert data[0].frame.color.shape == (HEIGHT, WIDTH, 3)
    del some["images"][0]["height"]
    (tmp_path / "b.png").write_bytes(b"nothing")
    with caplog.at_level(logging.WARNING, "cvdl"):
        (tmp_path / "annotations.json").write_text(json.dumps(some))
        assert CocoDataset(tmp_path).names == ["a"]
    assert "without a readable file" in caplog.text


def test_images_with_the_same_id(tmp_path, caplog):
    """Equal entries are one image; different entries are skipped."""
    some = content()
    some["images"].append(some["images"][0])
    assert len(load(tmp_path, some, caplog)[0]) == 2
    some["images"][0] = some["images"][0] | {"file_name": "c.png"}
    data, warnings = load(tmp_path, some, caplog)
    assert data.names == ["a"]
    assert any("ids of several images: 1, the first is 7" in text for text in warnings)


@pytest.mark.parametrize(
    ("listed", "there"),
    [
        ("images\\b.png", "images/b.png"),
        ("C:\\data\\b.png", "images/b.png"),
        ("/home/me/b.png", "b.png"),
        ("default/b.png", "images/default/b.png"),
    ],
)
def test_paths_of_other_machines(tmp_path, listed, there):
    write(tmp_path, content())
    (tmp_path / there).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / "b.png").rename(tmp_path / there)
    some = content()
    some["images"][0]["file_name"] = listed
    (tmp_path / "annotations.json").write_text(json.dumps(some))
    data = CocoDataset(tmp_path)
    assert data.names == ["b", "a"]
    assert data[0].frame.color[0, 0].tolist() == [200, 0, 0]


def test_an_ambiguous_base_name_is_not_used(tmp_path, caplog):
    some = content()
    write(tmp_path, some)
    some["images"][0]["file_name"], some["images"][1]["file_name"] = "x/a.png", "a.png"
    (tmp_path / "annotations.json").write_text(json.dumps(some))
    assert CocoDataset(tmp_path).names == ["a"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_files_with_a_byte_order_mark(tmp_path, encoding):
    write(tmp_path, content())
    (tmp_path / "annotations.json").write_text(json.dumps(content()), encoding)
    assert len(CocoDataset(tmp_path)) == 2


@pytest.mark.parametrize(
    "name", ["_annotations.coco.json", "instances_default.json", "result.json"]
)
def test_annotation_files_of_other_tools(tmp_path, name):
    assert len(CocoDataset(write(tmp_path, content(), name))) == 2


@pytest.mark.parametrize(("orientation", "turns"), [(1, 0), (3, 2), (6, 3), (8, 1)])
def test_photographs_are_rotated_by_their_exif_orientation(tmp_path, orientation, turns):
    stored = np.zeros((32, 48, 3), np.uint8)
    stored[:16, :24] = 255
    data = cv2.imencode(".jpg", stored)[1].tobytes()
    entry = b"\x01\x12\x00\x03\x00\x00\x00\x01" + bytes([0, orientation, 0, 0])
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01" + entry + b"\0\0\0\0"
    segment = b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif
    shown = np.rot90(stored, turns)
    some = content()
    height, width = shown.shape[:2]
    some["images"] = [{"id": 7, "file_name": "b.jpg", "width": width, "height": height}]
    some["annotations"] = [annotation(1, 7, 4, [2, 3, 5, 3])]
    write(tmp_path, some)
    (tmp_path / "b.jpg").write_bytes(data[:2] + segment + data[2:])
    color = CocoDataset(tmp_path)[0].frame.color
    assert np.abs(color.astype(int) - shown).mean() < 5
    # Other tools list the image as it is stored.
    some["images"][0] |= {"width": 48, "height": 32}
    (tmp_path / "annotations.json").write_text(json.dumps(some))
    color = CocoDataset(tmp_path)[0].frame.color
    expected = shown if orientation == 3 else stored
    assert np.abs(color.astype(int) - expected).mean() < 5


def test_ids_may_be_strings(tmp_path):
    some = content()
    for entry in (*some["images"], *some["categories"], *some["annotations"]):
        entry |= {key: str(entry[key]) for key in entry if key.endswith("id") and key != "name"}
    assert len(CocoDataset(write(tmp_path, some))[0].boxes) == 3


def test_a_file_listed_twice_has_two_names(tmp_path):
    some = content()
    some["images"].append({**some["images"][0], "id": 9})
    names = CocoDataset(write(tmp_path, some)).names
    assert names == ["b.png (id 7)", "a.png (id 3)", "b.png (id 9)"]


def test_deeply_nested_json_is_reported(tmp_path):
    write(tmp_path, content())
    (tmp_path / "annotations.json").write_text("[" * 100_000)
    with pytest.raises(DatasetError, match="not JSON"):
        CocoDataset(tmp_path)


def test_invalid_files_are_reported(tmp_path):
    with pytest.raises(DatasetError, match="no such folder"):
        CocoDataset(tmp_path / "nowhere")
    with pytest.raises(DatasetError, match="found none"):
        CocoDataset(tmp_path)
    with pytest.raises(DatasetError, match=r"other\.json: no such folder"):
        CocoDataset(tmp_path / "other.json")
    (tmp_path / "annotations.json").write_text('{"images": [')
    with pytest.raises(DatasetError, match="not JSON"):
        CocoDataset(tmp_path)
    write(tmp_path, content())
    cv2.imwrite(str(tmp_path / "b.png"), np.zeros((3, 3, 3), np.uint8))
    with pytest.raises(DatasetError, match=r"b\.png: 3x3 pixels"):
        CocoDataset(tmp_path)[0]
