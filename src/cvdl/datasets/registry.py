"""The data sets by name: see ``cvdl.core.registry``.

Every reader in this package registers its data set; another package uses the entry point group
``cvdl.datasets``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from cvdl.core.errors import InputError
from cvdl.core.registry import Registry

__all__ = ["DATASETS", "DatasetInfo", "Labels", "datasets_of", "open_dataset"]

#: What is labeled.
Labels = Literal["boxes", "masks", "grasps", "segments", "holds", "words", "captions"]


@dataclass(frozen=True)
class DatasetInfo:
    """A data set, or a layout of folders, that is chosen by its name.

    Attributes:
        name: unique among the data sets.
        description: one line.
        boxes: opens the ``DetectionData`` at a path; None if it has no boxes.
        masks: the same for one whose samples have masks of every object.
        grasps: opens the ``GraspData`` at a path; None if it has no grasps.
        segments: opens the ``SegmentationData`` at a path; None if not every pixel has a label.
        holds: the same for executed grasps, ``ExecutedScenes``; None if none was executed.
        words: the same for frames with sentences and phrases, ``WordsSample``; None if it has none.
        captions: the same for frames with sentences, ``WordsSample``; None if it has none.
        is_simulated: whether the functions above take a seed and a number of scenes instead of a
            path.
    """

    name: str
    description: str
    boxes: Callable[..., Any] | None = None
    masks: Callable[..., Any] | None = None
    grasps: Callable[..., Any] | None = None
    segments: Callable[..., Any] | None = None
    holds: Callable[..., Any] | None = None
    words: Callable[..., Any] | None = None
    captions: Callable[..., Any] | None = None
    is_simulated: bool = False


DATASETS = Registry[DatasetInfo]("data set", "cvdl.datasets", "cvdl.datasets", "coco")


def datasets_of(labels: Labels) -> list[DatasetInfo]:
    """The data sets with such labels."""
    return [dataset for dataset in DATASETS if getattr(dataset, labels) is not None]


def open_dataset(
    name: str, labels: Labels, path: Path | None, scenes: int = 0, seed: int = 0
) -> Any:
    """The labeled views of a folder, or simulated ones.

    Args:
        name: of the data set.
        labels: which of its labels.
        path: the folder; None for simulated ones.
        scenes, seed: of simulated ones.

    Raises:
        InputError: if there is no such data set, or the path is missing, superfluous or holds no
            view.
    """
    dataset = DATASETS.among(datasets_of(labels), name)
    reader = getattr(dataset, labels)
    if dataset.is_simulated:
        if path is not None:
            raise InputError(
                f"--data is {path}, but simulated scenes are generated: give --scenes and "
                "--seed instead"
            )
        return reader(seed, scenes)
    if path is None:
        raise InputError(f"--data is missing; expected the folder of {name}")
    return reader(path)
