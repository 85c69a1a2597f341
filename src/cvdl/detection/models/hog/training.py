"""Training of the classical baseline: logistic regression, then a round of hard negatives."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from cvdl.core.errors import InputError
from cvdl.core.settings import Settings, setting
from cvdl.datasets.dataset import Subset, tracked
from cvdl.datasets.detection_sample import DetectionData, DetectionSample, check_classes
from cvdl.detection.models.hog.detector import HogDetector, describe, window_places
from cvdl.evaluation.detection import report_on
from cvdl.networks.boxes import box_iou
from cvdl.training.checkpoint import Run, prepare_run
from cvdl.training.trainer import Trainer

__all__ = ["HogTraining", "train_hog", "trainer"]

_FREE = 0.3  # intersection over union up to which a box is background
_JITTER = 0.08  # largest shift of the edges of a near copy, in sides of the box
_NEVER = -1e4  # logit of a class without examples

_Examples = tuple[NDArray[np.float32], NDArray[np.int64]]  # descriptors (N, FEATURES), classes (N,)


class HogTraining(Settings):
    """Settings of the training of the classical baseline."""

    regularization: float = setting(0.1, "C of the logistic regression: smaller is smoother.", gt=0)
    iterations: int = setting(200, "Largest number of iterations of the solver (L-BFGS).", ge=1)
    negatives: int = setting(15, "Background boxes drawn from a view.", ge=1)
    hard_negatives: int = setting(
        15, "False detections of the first round that are learned per view; 0: one round.", ge=0
    )
    jittered: int = setting(1, "Near copies learned of each labeled box.", ge=0)
    views: int = setting(
        1000, "Largest number of views, chosen evenly; all are kept in memory.", ge=1
    )
    seed: int = setting(0, "The same seed gives the same result.", ge=0)


def train_hog(
    train: DetectionData, validation: DetectionData, settings: HogTraining, run: Run
) -> HogDetector:
    """Train the classical baseline.

    As in the paper (section 4): a first classifier learns labeled boxes and random background; a
    second one also learns the false alarms of the first on all views.

    Args:
        train: labeled views.
        validation: labeled views of the same classes; they select nothing.
        settings: how it is trained.
        run: its folder gets the weights of each round, ``first.safetensors`` and
            ``best.safetensors``, when they are trained; ``score`` in their metadata is the AP50
            on the validation views.

    Raises:
        InputError: if no view has a labeled box, the classes of the data sets differ, or the
            folder cannot be used.
    """
    check_classes(train, validation)
    prepare_run(run.out, settings.model_dump(), run.resume)
    last = run.out / "best.safetensors"
    if last.exists():
        return HogDetector.load(last, torch.device("cpu"))
    picks = np.arange(0, len(train), -(-len(train) // settings.views) or 1)
    some = Subset([(train, picks)])
    examples = [
        _labeled_and_free(view, len(train.classes), settings)
        for view in tracked(some, "describing", run.console)
    ]
    if not any(len(labels) and labels.min() < len(train.classes) for _, labels in examples):
        raise InputError("nothing to train on: no view has a labeled box")
    first = run.out / "first.safetensors"
    if first.exists():
        detector = HogDetector.load(first, torch.device("cpu"))
    else:
        detector = _fitted(train.classes, examples, settings)
        _keep(detector, first, "first round", validation, run.console)
    if settings.hard_negatives:
        examples += [
            _false_alarms(detector, view, settings.hard_negatives)
            for view in tracked(some, "mining", run.console)
        ]
        detector = _fitted(train.classes, examples, settings)
    _keep(detector, last, "last round", validation, run.console)
    return detector


def _labeled_and_free(sample: DetectionSample, background: int, settings: HogTraining) -> _Examples:
    """The labeled boxes of a view, near copies and mirror images of them, and background boxes."""
    rng = np.random.default_rng([settings.seed, *sample.name.encode()])
    color, boxes = sample.frame.color, sample.boxes[~sample.crowd]
    near = np.tile(boxes, (settings.jittered + 1, 1))
    size = near[:, 2:] - near[:, :2]
    moved = near + rng.uniform(-_JITTER, _JITTER, near.shape) * np.tile(size, 2)
    near[len(boxes) :] = moved[len(boxes) :]  # the originals come first
    labels = np.tile(sample.labels[~sample.crowd], settings.jittered + 1)
    height, width, _ = color.shape
    drawn = rng.choice(window_places(height, width), 4 * settings.negatives)
    free = drawn[_free(drawn, sample)][: settings.negatives]
    positives = describe(color, near)
    mirrored = describe(
        color[:, ::-1], near[:, [2, 1, 0, 3]] * [-1, 1, -1, 1] + [width, 0, width, 0]
    )
    return (
        np.concatenate([positives, mirrored, describe(color, free)]),
        np.concatenate([labels, labels, np.full(len(free), background)]),
    )


def _false_alarms(detector: HogDetector, sample: DetectionSample, count: int) -> _Examples:
    """The background boxes that a detector scores least as background."""
    boxes, chances = detector.windows(sample.frame.color)
    order = np.argsort(chances[:, -1], kind="stable")
    order = order[: 20 * count]
    free = boxes[order][_free(boxes[order], sample)][:count]
    return describe(sample.frame.color, free), np.full(len(free), len(detector.classes))


def _free(boxes: NDArray[np.float64], sample: DetectionSample) -> NDArray[np.bool_]:
    """Which boxes (N, 4) show the background, (N,)."""
    return box_iou(boxes, sample.boxes).max(axis=1, initial=0) < _FREE


def _fitted(
    classes: Sequence[str], examples: Iterable[_Examples], settings: HogTraining
) -> HogDetector:
    descriptors, labels = (np.concatenate(parts) for parts in zip(*examples, strict=True))
    if len(np.unique(labels)) < 2:
        raise InputError("nothing to tell apart: no view has room for background beside its boxes")
    model = LogisticRegression(C=settings.regularization, max_iter=settings.iterations, tol=1e-3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the number of iterations is a setting
        model.fit(descriptors, labels)
    weight, bias = model.coef_, model.intercept_
    if len(model.classes_) == 2:  # one row for both classes
        weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    detector = HogDetector(classes)
    detector.bias.fill_(_NEVER)  # classes without examples are never predicted
    detector.weight[model.classes_] = torch.from_numpy(weight).float()
    detector.bias[model.classes_] = torch.from_numpy(bias).float()
    return detector


def _keep(
    detector: HogDetector, file: Path, name: str, validation: DetectionData, console: Console | None
) -> None:
    """Write the weights of a round, with their average precision on the validation views."""
    metadata = {}
    if len(validation):
        ap50 = report_on(detector, tracked(validation, "validating", console)).ap50
        metadata["score"] = f"{ap50:.6g}"
        if console is not None:
            console.print(f"{name}: AP50 {ap50:.3f} in validation", highlight=False)
    detector.save(file, metadata)


def trainer() -> Trainer:
    """How the classical baseline is trained."""
    return Trainer(HogTraining, train_hog)
