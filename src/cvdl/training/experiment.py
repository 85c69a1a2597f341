"""A grasp detector trained on a part of the data and scored on another, once or fold by fold."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from cvdl.datasets.grasp_sample import GraspSample
from cvdl.errors import InputError
from cvdl.evaluation.grasping import GraspScores, evaluate_detector, recognise
from cvdl.frame import RgbdFrame
from cvdl.grasping.rectangles import GraspRectangles
from cvdl.training.splits import Split

if TYPE_CHECKING:
    from rich.console import Console

__all__ = [
    "GraspData",
    "InMemory",
    "TrainedDetector",
    "Trainer",
    "Views",
    "score",
    "train_and_score",
]

#: What trains each detector: the module, its function and the model of its settings.
_TRAINERS = {
    "cascade": ("cvdl.training.cascade", "train_cascade", "CascadeTraining"),
    "lenz2014": ("cvdl.training.lenz", "train_lenz", "LenzTraining"),
}


class GraspData(Protocol):
    """A folder of labelled views, read one by one as they are asked for."""

    names: list[str]
    object_ids: list[str]

    def __len__(self) -> int:
        """How many views."""
        ...

    def __getitem__(self, index: int) -> GraspSample:
        """One view."""
        ...


class TrainedDetector(Protocol):
    """A detector that can be kept."""

    def __call__(
        self, frame: RgbdFrame, mask: NDArray[np.bool_] | None = None, count: int = 100
    ) -> GraspRectangles:
        """See ``GraspDetector``."""
        ...

    def save(self, path: Path, metadata: dict[str, str]) -> None:
        """Write the weights, with what they are of."""
        ...


class Views:
    """Some views of some data sets, read one by one as they are asked for.

    Args:
        parts: each a data set and which of its views.
    """

    def __init__(self, parts: Iterable[tuple[GraspData, Iterable[int]]]) -> None:
        self._views = [(data, int(index)) for data, indices in parts for index in indices]
        self.names = [data.names[index] for data, index in self._views]
        self.object_ids = [data.object_ids[index] for data, index in self._views]

    @classmethod
    def of(cls, *data: GraspData) -> Views:
        """All views of data sets, one after the other."""
        return cls((some, range(len(some))) for some in data)

    def __len__(self) -> int:
        return len(self._views)

    def __iter__(self) -> Iterator[GraspSample]:
        return (data[index] for data, index in self._views)

    def __getitem__(self, index: int) -> GraspSample:
        data, inner = self._views[index]
        return data[inner]


class InMemory:
    """Views that are kept: for those that take longer to make than to keep.

    Args:
        samples: the views.
    """

    def __init__(self, samples: Iterable[GraspSample]) -> None:
        self._samples = list(samples)
        self.names = [sample.name for sample in self._samples]
        self.object_ids = [sample.object_id for sample in self._samples]

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, index: int) -> GraspSample:
        return self._samples[index]


@dataclass(frozen=True)
class Trainer:
    """What trains a detector.

    Attributes:
        name: of the detector.
        settings: the model of its settings.
        train: from views to train on, views to validate on, settings, a folder, whether to
            resume and a console to a detector.
    """

    name: str
    settings: type[BaseModel]
    train: Callable[..., Any]

    @classmethod
    def of(cls, name: str, trainers: Mapping[str, tuple[str, str, str]] = _TRAINERS) -> Trainer:
        """That of a detector.

        Args:
            name: of the detector.
            trainers: for each name the module, its function and the model of its settings.

        Raises:
            InputError: if there is no such detector.
        """
        if name not in trainers:
            raise InputError(f"detector is {name!r}; accepted: {', '.join(trainers)}")
        module, function, settings = trainers[name]
        found = import_module(module)
        return cls(name, getattr(found, settings), getattr(found, function))


def train_and_score(
    trainer: Trainer,
    data: GraspData,
    split: Split,
    extra: Sequence[GraspData],
    settings: BaseModel,
    out: Path,
    resume: bool,
    metadata: dict[str, str],
    console: Console | None = None,
) -> GraspScores:
    """Train on one part of the data, keep the weights as ``NAME.safetensors``, score on another.

    Args:
        trainer: of the detector.
        data: is split.
        split: which views train, validate and test.
        extra: more views to train on, all of them.
        settings: of the trainer.
        out: folder for the weights and for what the trainer writes, in ``training``.
        resume: go on with what a killed run has left in ``out``.
        metadata: to write into the weights, besides the figures.
        console: where progress is shown.

    Returns:
        The scores of the views to test on: none where there are none.
    """
    train = Views([(data, split.train), *((more, range(len(more))) for more in extra)])
    validation = Views([(data, split.validation)])
    detector = trainer.train(train, validation, settings, out / "training", resume, console)
    scores = score(detector, Views([(data, split.test)]), console)
    figures = {f"test/{name}": f"{value:.4f}" for name, value in scores.figures().items()}
    figures = figures if len(split.test) else {}
    counts = {"train_views": str(len(train)), "test_views": str(len(split.test))}
    detector.save(out / f"{trainer.name}.safetensors", {**metadata, **counts, **figures})
    return scores


def score(detector: Any, views: Views, console: Console | None = None) -> GraspScores:
    """A detector's scores on some views; of recognition too if it has ``judge``."""
    from rich.progress import track

    def shown(what: str) -> Iterable[GraspSample]:
        if console is None:
            return views
        return track(views, what, len(views), console=console, transient=True)

    results = tuple(evaluate_detector(detector, shown("detecting")))
    recognition = None
    if hasattr(detector, "judge") and len(views):
        first, *others = recognise(detector, shown("recognising"))
        recognition = sum(others, first)
    return GraspScores(results, recognition)
