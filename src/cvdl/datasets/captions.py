"""Reads sentences about images: COCO's captions, Flickr's token files, and plain lists."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from cvdl.datasets.reading import DatasetError, read_bytes, read_json
from cvdl.language.vocabulary import tokenize

__all__ = ["Caption", "read_captions"]

_log = logging.getLogger(__name__)

_EXPECTED = (
    "expected COCO's captions (JSON with images and annotations), Karpathy's data sets (JSON with "
    "images and their sentences), or text with a sentence a line, as NAME#N<tab>SENTENCE or alone"
)


class Caption(NamedTuple):
    """A sentence about an image.

    Attributes:
        image: name of its file; empty if the file of sentences names none.
        text: the sentence.
    """

    image: str
    text: str


def read_captions(path: Path) -> list[Caption]:
    """Read the sentences in a file, in its order.

    Sentences without a word and those of images that are not listed are skipped, with one warning
    for each cause.

    Args:
        path: JSON in the format of COCO's ``captions_*.json`` or of Karpathy's
            ``dataset_*.json``; or text: each line a sentence, or after a tab behind the name of
            its image and its number, ``NAME.jpg#0``, as in Flickr8k and Flickr30k.

    Raises:
        DatasetError: if the file cannot be read, is of another format or has no usable sentence.
    """
    path = Path(path)
    found = list(_json(path) if path.suffix.lower() == ".json" else _text(path))
    listed = [each for each in found if each is not None]
    if len(listed) < len(found):
        _warn(path, "sentences of an image that is not listed", len(found) - len(listed))
    captions = [each for each in listed if tokenize(each.text)]
    if len(captions) < len(listed):
        _warn(path, "sentences without a word", len(listed) - len(captions))
    if not captions:
        raise DatasetError(f"{path}: has no sentences about its images; {_EXPECTED}")
    return captions


def _json(path: Path) -> Iterator[Caption | None]:
    content = read_json(path)
    if not isinstance(content, dict) or not isinstance(content.get("images"), list):
        raise DatasetError(f"{path}: has no list of images; {_EXPECTED}")
    images = [each for each in content["images"] if isinstance(each, dict)]
    if any("sentences" in each for each in images):
        yield from _karpathy(path, images)
        return
    entries = content.get("annotations")
    if not isinstance(entries, list):
        raise DatasetError(f"{path}: has no list of annotations; {_EXPECTED}")
    names = {str(each.get("id")): str(each.get("file_name", "")) for each in images}
    for number, entry in enumerate(entries):
        text = entry.get("caption") if isinstance(entry, dict) else None
        if not isinstance(text, str):
            what = "boxes" if isinstance(entry, dict) and "bbox" in entry else "no caption"
            raise DatasetError(f"{path}: annotation {number} has {what}; {_EXPECTED}")
        name = names.get(str(entry.get("image_id")))
        yield None if name is None else Caption(name, text.strip())


def _karpathy(path: Path, images: list[dict[str, Any]]) -> Iterator[Caption]:
    for number, image in enumerate(images):
        sentences = image.get("sentences")
        name = str(image.get("filename", image.get("file_name", "")))
        if not isinstance(sentences, list):
            raise DatasetError(f"{path}: image {number} has no list of sentences; {_EXPECTED}")
        for sentence in sentences:
            text = sentence.get("raw") if isinstance(sentence, dict) else None
            if not isinstance(text, str):
                raise DatasetError(f"{path}: a sentence of image {number} has no raw; {_EXPECTED}")
            yield Caption(name, text.strip())


def _text(path: Path) -> Iterator[Caption]:
    try:
        lines = read_bytes(path).decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path}: not text in UTF-8: {error}") from error
    for line in lines:
        name, tab, text = line.partition("\t")
        if tab and "#" in name:
            yield Caption(name.rpartition("#")[0], text.strip())
        elif line.strip():
            yield Caption("", line.strip())


def _warn(path: Path, what: str, count: int) -> None:
    _log.warning("%s: %s: %d; they are skipped", path, what, count)
