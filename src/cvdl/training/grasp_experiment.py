"""A grasp detector trained on a part of the data and scored on another, once or fold by fold."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel

from cvdl.datasets.dataset import Subset
from cvdl.datasets.grasp_sample import GraspData
from cvdl.evaluation.grasping import GraspScores, score_detector
from cvdl.training.splits import Split
from cvdl.training.trainer import Trainer, result_metadata

if TYPE_CHECKING:
    from rich.console import Console

__all__ = [
    "TRAINERS",
    "train_and_score",
]

#: What trains each detector: the module, its function and the model of its settings.
TRAINERS = {
    "cascade": ("cvdl.grasping.models.cascade.training", "train_cascade", "CascadeTraining"),
    "lenz2014": ("cvdl.grasping.models.lenz2014.training", "train_lenz", "LenzTraining"),
}


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
    train = Subset([(data, split.train), *((more, range(len(more))) for more in extra)])
    validation = Subset([(data, split.validation)])
    detector = trainer.train(train, validation, settings, out / "training", resume, console)
    scores = score_detector(detector, Subset([(data, split.test)]), console)
    tested = result_metadata(scores.figures(), len(train), len(split.test))
    detector.save(out / f"{trainer.name}.safetensors", {**metadata, **tested})
    return scores
