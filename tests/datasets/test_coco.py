"""COCO's format: boxes, masks, depth, and what is wrong with such folders."""

from __future__ import annotations

import json
import logging
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


def test_no_masks_unless_every_box_has_one(tmp_path):
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


def test_reads_what_is_exported(tmp_path):
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


def test_layout_of_coco_itself(tmp_path):
    name = "annotations/instances_val2017.json"
    write(tmp_path, content(), name, images="val2017")
    (tmp_path / "annotations" / "captions_val2017.json").write_text("{}")
    assert len(CocoDataset(tmp_path)) == 2
    other = "annotations/instances_train2017.json"
    write(tmp_path, content(), other, images="train2017")
    with pytest.raises(DatasetError, match=r"found .*train2017\.json, .*val2017\.json"):
        CocoDataset(tmp_path)
    assert len(CocoDataset(tmp_path, Path(other))) == 2


@pytest.mark.parametrize("without", [0, 1, 3])
def test_some_annotations_without_masks_are_told(tmp_path, caplog, without):
    """Then all are taken for boxes; with none there is nothing to tell."""
    some = content()
    for each in some["annotations"][:without]:
        del each["segmentation"]
    with caplog.at_level(logging.WARNING, "cvdl"):
        data = CocoDataset(write(tmp_path, some))
    assert (data[0].masks is None) == (without > 0)
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == (without == 1)
    assert all("1 of 3 annotations have no mask, the first in b.png" in text for text in told)


def test_boxes_are_cut_at_the_edges_and_those_outside_left_out(tmp_path, caplog):
    some = content()
    boxes = [[-2, 5, 6, 20], [16, 0, 3, 3], [4, 4, 0, 5], [float("nan"), 1, 2, 2], [1, 1, -3, 2]]
    some["annotations"] = [annotation(i, 7, 4, box) for i, box in enumerate(boxes, 1)]
    with caplog.at_level(logging.WARNING, "cvdl"):
        data = CocoDataset(write(tmp_path, some))
    assert data[0].boxes.tolist() == [[0, 5, 4, 12]]
    assert data.left_out == 4
    assert [record.getMessage() for record in caplog.records] == [
        f"{tmp_path / 'annotations.json'}: 4 boxes are of no size or outside of their image; "
        "they are left out"
    ]


def test_missing_images_are_counted(tmp_path):
    write(tmp_path, content())
    (tmp_path / "a.png").unlink()
    with pytest.raises(DatasetError, match=r"1 of 2 images are missing, the first is .*a\.png"):
        CocoDataset(tmp_path)
    (tmp_path / "b.png").unlink()
    with pytest.raises(DatasetError, match=r"its image b\.png is in none of"):
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
        (content() | {"images": [], "annotations": []}, "lists no images"),
        (content() | {"images": [content()["images"][0]] * 2}, "two images have the id 7"),
        (content() | {"info": {"camera": {"width": 3}}}, "bad info.camera"),
        (content() | {"categories": [{"id": 4, "name": n} for n in "ab"]}, "two categories have"),
        (changed(segmentation={"size": [12, 16], "counts": [-5, 197]}), "do not fill the image"),
        (changed(image_id=8), "annotation 1 is of image 8, which is not listed"),
        (changed(category_id=1), "of category 1; listed: 4, 90"),
        (changed(bbox=[1, 2, 3]), r"bbox \[1, 2, 3\]"),
        (changed(segmentation={"size": [2, 2], "counts": [4]}), r"size \[2, 2\]; the image"),
        (changed(segmentation={"size": [12, 16], "counts": [4]}), "do not fill the image"),
    ],
)
def test_bad_content_is_named(content, words, tmp_path):
    with pytest.raises(DatasetError, match=rf"annotations\.json: .*{words}"):
        CocoDataset(write(tmp_path, content))


def test_ids_may_be_texts(tmp_path):
    some = content()
    for entry in (*some["images"], *some["categories"], *some["annotations"]):
        entry |= {key: str(entry[key]) for key in entry if key.endswith("id") and key != "name"}
    assert len(CocoDataset(write(tmp_path, some))[0].boxes) == 3


def test_a_file_that_is_listed_twice_has_two_names(tmp_path):
    some = content()
    some["images"].append({**some["images"][0], "id": 9})
    names = CocoDataset(write(tmp_path, some)).names
    assert names == ["b.png (id 7)", "a.png (id 3)", "b.png (id 9)"]


def test_json_that_is_too_deep(tmp_path):
    write(tmp_path, content())
    (tmp_path / "annotations.json").write_text("[" * 100_000)
    with pytest.raises(DatasetError, match="not JSON"):
        CocoDataset(tmp_path)


def test_bad_files_are_named(tmp_path):
    with pytest.raises(DatasetError, match="no such folder"):
        CocoDataset(tmp_path / "nowhere")
    with pytest.raises(DatasetError, match="found none"):
        CocoDataset(tmp_path)
    with pytest.raises(DatasetError, match=r"other\.json: cannot be read"):
        CocoDataset(tmp_path, Path("other.json"))
    (tmp_path / "annotations.json").write_text('{"images": [')
    with pytest.raises(DatasetError, match="not JSON"):
        CocoDataset(tmp_path)
    write(tmp_path, changed(segmentation=[[1, 2]]))
    with pytest.raises(DatasetError, match=r"a mask of b\.png cannot be read"):
        CocoDataset(tmp_path)[0]
    cv2.imwrite(str(tmp_path / "b.png"), np.zeros((3, 3, 3), np.uint8))
    with pytest.raises(DatasetError, match=r"b\.png: 3x3 pixels"):
        CocoDataset(tmp_path)[0]
