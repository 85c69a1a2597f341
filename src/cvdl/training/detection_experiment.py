"""A detector trained on a part of the data and scored on another, once or fold by fold."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel

from cvdl.datasets.dataset import tracked
from cvdl.datasets.detection_sample import DetectionData, DetectionSubset
from cvdl.detection.names import TORCHVISION_DETECTORS
from cvdl.evaluation.detection import DetectionScores
from cvdl.evaluation.detector import score_detector
from cvdl.training.splits import Split
from cvdl.training.trainer import Trainer, result_metadata

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["TRAINERS", "train_and_score", "trainer_of"]

#: What trains each detector: the module, its function and the model of its settings.
TRAINERS = {
    "rgbd_rcnn": ("cvdl.detection.models.rgbd_rcnn.training", "train_rgbd", "RgbdTraining"),
    **dict.fromkeys(
        TORCHVISION_DETECTORS,
        (
            "cvdl.detection.models.torchvision.training",
            "train_torchvision",
            "TorchvisionDetectorTraining",
        ),
    ),
    "overfeat": ("cvdl.detection.models.overfeat.training", "train_overfeat", "OverfeatTraining"),
    "rcnn": ("cvdl.detection.models.rcnn.training", "train_classifier", "ClassifierTraining"),
    "segnet": ("cvdl.detection.models.segnet.training", "train_segnet", "SegNetTraining"),
    "hog": ("cvdl.detection.models.hog.training", "train_hog", "HogTraining"),
}


def trainer_of(name: str) -> Trainer:
    """What trains a detector.

    Raises:
        InputError: if there is no such detector, or it cannot be trained.
    """
    trainer = Trainer.of(name, TRAINERS)
    if name in TORCHVISION_DETECTORS:  # one function for several networks: it is told which
        return replace(trainer, train=partial(trainer.train, name))
    return trainer


def train_and_score(
    trainer: Trainer,
    data: DetectionData,
    split: Split,
    settings: BaseModel,
    out: Path,
    resume: bool,
    metadata: dict[str, str],
    console: Console | None = None,
) -> DetectionScores:
    """Train on one part of the data, keep the weights as ``NAME.safetensors``, score on another.

    Args:
        trainer: of the detector.
        data: is split.
        split: which views train, validate and test.
        settings: of the trainer.
        out: folder for the weights and for what the trainer writes, in ``training``.
        resume: go on with what a killed run has left in ``out``.
        metadata: to write into the weights, besides the figures.
        console: where progress is shown.

    Returns:
        What was found in the views to test on: no views where there are none.
    """
    train, validation, test = (
        DetectionSubset(data, part) for part in (split.train, split.validation, split.test)
    )
    detector = trainer.train(train, validation, settings, out / "training", resume, console)
    samples = tracked(test, "detecting", console)
    scores = score_detector(detector, samples, data.classes).scores
    figures = scores.report().figures() if len(scores) else {}
    tested = result_metadata(figures, len(train), len(test))
    detector.save(out / f"{trainer.name}.safetensors", {**metadata, **tested})
    return scores
