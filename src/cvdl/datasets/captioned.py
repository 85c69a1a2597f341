"""Photographs with sentences, in the layouts of COCO and Flickr."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cvdl.datasets.captions import read_captions
from cvdl.datasets.coco import CocoDataset
from cvdl.datasets.dataset import Dataset
from cvdl.datasets.photographs import SUFFIXES, read_photograph
from cvdl.datasets.reading import DatasetError, check_folder
from cvdl.datasets.registry import DATASETS, DatasetInfo

if TYPE_CHECKING:
    from cvdl.language.samples import WordsSample

__all__ = ["CaptionedPhotographs"]

_log = logging.getLogger(__name__)

_PATTERNS = (
    "captions*.json", "annotations/captions_*.json", "dataset*.json", "*token*", "captions*.txt",
)  # fmt: skip
_EXPECTED = f"one file of sentences ({', '.join(_PATTERNS)})"
_INSTANCES = ("annotations.json", "instances*.json", "annotations/instances_*.json")
_MOST = 12  # objects of a photograph, the largest ones


class CaptionedPhotographs(Dataset["WordsSample"]):
    """The photographs of a folder, with sentences about each.

    The sentences are in a file that ``read_captions`` reads; the photographs are anywhere in the
    folder. Those that are missing are skipped, with a warning. Objects are those of a file of
    COCO's instances in the folder; without one there are none.

    Args:
        path: the folder, or the file of sentences in it or in its folder ``annotations``.

    Raises:
        DatasetError: if a file cannot be used, or no photograph has a sentence.
        MissingExtraError: if there are instances, and pycocotools is not installed.
    """

    def __init__(self, path: Path) -> None:
        path = Path(path)
        file = path if path.is_file() else _only_file(check_folder(path, f"one with {_EXPECTED}"))
        folder = file.parent.parent if file.parent.name == "annotations" else file.parent
        sentences: dict[str, list[str]] = {}
        for image, text in read_captions(file):
            sentences.setdefault(Path(image).name, []).append(text)
        photographs = {
            each.name: each for each in folder.rglob("*") if each.suffix.lower() in SUFFIXES
        }
        self._photographs = [
            (photographs[name], tuple(texts))
            for name, texts in sentences.items()
            if name in photographs
        ]
        if not self._photographs:
            raise DatasetError(f"{folder}: has none of the {len(sentences)} photographs of {file}")
        if len(self._photographs) < len(sentences):
            missing = len(sentences) - len(self._photographs)
            _log.warning("%s: photographs that are missing: %d; they are skipped", folder, missing)
        self.names = [each.stem for each, _ in self._photographs]
        instances = any(any(folder.glob(pattern)) for pattern in _INSTANCES)
        self._objects = CocoDataset(folder) if instances else None

    def __len__(self) -> int:
        return len(self._photographs)

    def __getitem__(self, index: int) -> WordsSample:
        # All readers are imported to list them; networks are not.
        from cvdl.language.facts import SceneFacts
        from cvdl.language.regions import see_photograph
        from cvdl.language.samples import WordsSample
        from cvdl.recognition.embedder import load_embedder

        file, sentences = self._photographs[index]
        name = self.names[index]
        boxes, classes = np.zeros((0, 4)), []
        if self._objects is not None and name in self._objects.names:
            sample = self._objects[self._objects.names.index(name)]
            color = sample.frame.color
            size = (sample.boxes[:, 2:] - sample.boxes[:, :2]).prod(axis=1)
            largest = np.argsort(-size, kind="stable")[:_MOST]
            boxes = sample.boxes[largest]
            classes = [self._objects.classes[sample.labels[row]] for row in largest]
        else:
            color = read_photograph(file)
        regions = see_photograph(color, boxes, classes, load_embedder())
        nothing = np.zeros(len(boxes), np.int64)
        return WordsSample(name, regions, nothing, SceneFacts(()), sentences, ())


def _only_file(folder: Path) -> Path:
    found: Iterable[Path] = (file for pattern in _PATTERNS for file in folder.glob(pattern))
    files = sorted({file for file in found if file.is_file()})
    if len(files) != 1:
        names = ", ".join(str(file.relative_to(folder)) for file in files) or "none"
        raise DatasetError(f"{folder}: expected {_EXPECTED}; found {names}")
    return files[0]


DATASETS.register(
    DatasetInfo(
        "photographs",
        "Photographs with sentences, in the layouts of COCO's captions, Flickr8k and Flickr30k.",
        captions=CaptionedPhotographs,
    )
)
