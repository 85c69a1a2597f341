"""Files of sentences, good and bad."""

import json
import logging
from pathlib import Path

import pytest

from cvdl.datasets.captions import Caption, read_captions
from cvdl.datasets.reading import DatasetError

COCO = {
    "images": [{"id": 7, "file_name": "a.jpg"}, {"id": 8, "file_name": "b.jpg"}],
    "annotations": [
        {"id": 1, "image_id": 8, "caption": "A red mug. "},
        {"id": 2, "image_id": 7, "caption": "Ein roter Becher"},
    ],
}
FOUND = [Caption("b.jpg", "A red mug."), Caption("a.jpg", "Ein roter Becher")]


def written(path: Path, content: object) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    return path


def test_cocos_captions(tmp_path: Path) -> None:
    assert read_captions(written(tmp_path / "captions.json", COCO)) == FOUND


def test_karpathys_data_sets(tmp_path: Path) -> None:
    images = [
        {"filename": "b.jpg", "sentences": [{"raw": "A red mug."}]},
        {"filename": "a.jpg", "sentences": [{"raw": "Ein roter Becher"}]},
    ]
    assert read_captions(written(tmp_path / "dataset.json", {"images": images})) == FOUND


def test_flickrs_token_files_and_plain_sentences(tmp_path: Path) -> None:
    text = "b.jpg#0\tA red mug.\n\na.jpg#1\tEin roter Becher\nA sentence about no image\n"
    found = read_captions(written(tmp_path / "tokens.txt", text))
    assert found == [*FOUND, Caption("", "A sentence about no image")]


def test_strange_sentences_are_skipped_with_one_warning_a_cause(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    strange = [
        {"image_id": 8, "caption": ""}, {"image_id": 8, "caption": "?!"},
        {"image_id": 99, "caption": "Of another image"},
    ]  # fmt: skip
    content = {**COCO, "annotations": [*COCO["annotations"], *strange]}
    with caplog.at_level(logging.WARNING):
        assert read_captions(written(tmp_path / "captions.json", content)) == FOUND
    assert [record.getMessage().split(": ", 1)[1] for record in caplog.records] == [
        "sentences of an image that is not listed: 1; they are skipped",
        "sentences without a word: 2; they are skipped",
    ]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "not JSON"),
        ([], "no list of images"),
        ({"images": []}, "no list of annotations"),
        ({"images": [], "annotations": []}, "no sentences"),
        (
            {**COCO, "annotations": [{"image_id": 7, "bbox": [0, 0, 1, 1]}]},
            "annotation 0 has boxes",
        ),
        ({**COCO, "annotations": [{"image_id": 7, "caption": 3}]}, "annotation 0 has no caption"),
        ({**COCO, "annotations": ["text"]}, "annotation 0 has no caption"),
        ({"images": [{"sentences": 3}]}, "image 0 has no list of sentences"),
        ({"images": [{"sentences": ["x"]}]}, "a sentence of image 0 has no raw"),
    ],
)
def test_bad_files_are_clear_errors(tmp_path: Path, content: object, problem: str) -> None:
    path = written(tmp_path / "captions.json", content)
    with pytest.raises(DatasetError, match=problem) as caught:
        read_captions(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_and_binary_files_are_clear_errors(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="cannot be read"):
        read_captions(tmp_path / "captions.json")
    (tmp_path / "image.txt").write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.raises(DatasetError, match="UTF-8"):
        read_captions(tmp_path / "image.txt")


@pytest.mark.real("coco_mini")
def test_captions_of_coco() -> None:
    from helpers.paths import DATA

    captions = read_captions(DATA / "coco_mini" / "captions.json")
    assert len(captions) == 600
    assert len({caption.image for caption in captions}) == 120
    assert len(read_captions(DATA / "coco_mini" / "more_captions.txt")) == 24819
