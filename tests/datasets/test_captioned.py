"""Photographs with sentences, in folders as they come."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from cvdl.datasets.captioned import CaptionedPhotographs
from cvdl.datasets.reading import DatasetError
from cvdl.language.lexicon import KINDS


def photograph(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8))


def test_a_folder_of_flickr(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("1.jpg", "2.JPG"):
        photograph(tmp_path / "Images" / name)
    (tmp_path / "Flickr8k.token.txt").write_text(
        "1.jpg#0\tA dog runs .\n1.jpg#1\t犬が走る\n2.JPG#0\t!!!\n2.JPG#1\tUn chat\n"
        "3.jpg#0\tNo file\n"
    )
    data = CaptionedPhotographs(tmp_path)
    assert data.names == ["1", "2"]
    assert "photographs that are missing: 1" in caplog.text
    assert [each.sentences for each in data] == [("A dog runs .", "犬が走る"), ("Un chat",)]
    assert len(data[0].truth) == 0
    assert data[0].regions.features.shape[0] == 1
    assert np.isfinite(data[0].regions.features).all()


def test_a_folder_of_coco_has_objects(tmp_path: Path) -> None:
    photograph(tmp_path / "images" / "a.png")
    images = [{"id": 7, "file_name": "a.png", "width": 80, "height": 60}]
    boxes = [[0, 0, 10, 10], [20, 10, 40, 30], [5.5, 5.5, 0.5, 0.5]]
    instances = {
        "images": images,
        "categories": [{"id": 3, "name": "banana"}, {"id": 9, "name": "zebra"}],
        "annotations": [
            {"id": number, "image_id": 7, "category_id": (3, 9, 9)[number], "bbox": box}
            for number, box in enumerate(boxes)
        ],
    }
    captions = {
        "images": images,
        "annotations": [{"id": 1, "image_id": 7, "caption": "A banana."}],
    }
    (tmp_path / "annotations.json").write_text(json.dumps(instances))
    (tmp_path / "captions.json").write_text(json.dumps(captions))
    (sample,) = CaptionedPhotographs(tmp_path)
    assert len(sample.truth) == 3
    kinds = sample.regions.features[:, -(len(KINDS) + 2) :]
    assert kinds[1, KINDS.index("banana")] == 1  # the largest object is the zebra
    assert not kinds[0].any()
    assert CaptionedPhotographs(tmp_path / "captions.json").names == ["a"]


def test_folders_without_sentences_or_photographs_are_errors(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="expected one file of sentences"):
        CaptionedPhotographs(tmp_path)
    (tmp_path / "captions.txt").write_text("x.jpg#0\tA dog\n")
    with pytest.raises(DatasetError, match="none of the 1 photographs"):
        CaptionedPhotographs(tmp_path)
    (tmp_path / "captions2.txt").write_text("x.jpg#0\tA dog\n")
    with pytest.raises(DatasetError, match=r"found captions\.txt, captions2\.txt"):
        CaptionedPhotographs(tmp_path)
