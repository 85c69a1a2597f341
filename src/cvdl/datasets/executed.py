"""Grasps executed in simulated scenes: ``cvdl simulate OUT --format grasps`` makes them."""

from __future__ import annotations

from pathlib import Path

from cvdl.core.natural_order import natural_key
from cvdl.datasets.dataset import Dataset
from cvdl.datasets.reading import DatasetError, check_folder
from cvdl.datasets.registry import DATASETS, DatasetInfo
from cvdl.grasping.holding.executed import ExecutedHands, read_executed

__all__ = ["ExecutedScenes"]


class ExecutedScenes(Dataset[list[ExecutedHands]]):
    """Scenes with the executed grasps in each of their pictures.

    Args:
        path: a folder with scenes, or with folders of them.

    Raises:
        DatasetError: if there is no folder, or no scene in it.
    """

    def __init__(self, path: Path) -> None:
        self.path = check_folder(path, "a folder of executed grasps")
        self._files = sorted(self.path.rglob("scene*.npz"), key=lambda file: natural_key(str(file)))
        if not self._files:
            raise DatasetError(f"{self.path}: holds no scene with executed grasps (scene*.npz)")
        self.names = [
            file.relative_to(self.path).with_suffix("").as_posix() for file in self._files
        ]

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, index: int) -> list[ExecutedHands]:
        """Read the executed grasps of a scene, by picture."""
        return read_executed(self._files[index])


DATASETS.register(
    DatasetInfo(
        "executed",
        "grasps that were executed in simulated scenes",
        holds=ExecutedScenes,
    )
)
