"""Training of the instance network on views with a label for every pixel."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from torch import Tensor

from cvdl.core.errors import InputError
from cvdl.core.scene import FIRST_OBJECT_LABEL
from cvdl.core.settings import Settings, setting
from cvdl.datasets.dataset import tracked
from cvdl.datasets.labeled_pixels import IGNORED
from cvdl.datasets.segmentation_sample import SegmentationData
from cvdl.evaluation.instances import score_instances
from cvdl.networks.backbone import OWNERS, load_backbone
from cvdl.networks.weights import check_state, load_weights
from cvdl.segmentation.instances.loading import WEIGHTS
from cvdl.segmentation.instances.network import InstanceNetwork
from cvdl.segmentation.instances.targets import instance_loss
from cvdl.segmentation.instances.views import Batch, LabeledView, random_views, stacked
from cvdl.training.loop import TrainingSettings, loop_settings
from cvdl.training.task import Task
from cvdl.training.trainer import Trainer, train_task

__all__ = ["InstanceTask", "InstanceTraining", "trainer"]


class InstanceTraining(Settings):
    """Settings of the training of the instance network."""

    training: TrainingSettings = loop_settings(
        epochs=40, batch_size=12, learning_rate=1.5e-3, weight_decay=0.02, warmup=1
    )
    steps: int = setting(100, "Steps per epoch.", ge=1)
    start: str = setting(
        "package",
        "What to start from: weights of this network; weights of a trained rgbd_rcnn, for its "
        "backbone; package: those of the package; none: from scratch.",
    )


class InstanceTask(Task):
    """Trains the network on random views and validates on whole images."""

    model: InstanceNetwork
    settings: InstanceTraining

    def build(self, train: SegmentationData, console: Console | None) -> InstanceNetwork:
        """A new network, or the one to start from."""
        self.steps = self.settings.steps
        model = _start(self.settings.start)
        self.samples = [LabeledView.of(view) for view in tracked(train, "reading", console)]
        if not any(_has_object(view) for view in self.samples):
            raise InputError("nothing to train on: no view has a labeled object")
        return model

    def batch(self, samples: Sequence[LabeledView], rng: np.random.Generator) -> Batch:
        """Images and the positions of the views in them."""
        return stacked(samples, rng)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Losses of classes, offsets and centers, and their sum; see ``instance_loss``."""
        view, labels = random_views(batch)
        maps = self.model(view.contiguous(memory_format=torch.channels_last))
        return instance_loss(maps, labels)

    def score(self) -> dict[str, float]:
        """Metrics on whole images; the score is the share of the objects that are found."""
        figures = score_instances(self.model, self.validation, ()).figures()
        return {"score": figures["found"], **figures}


def _has_object(view: LabeledView) -> bool:
    return bool(((view.labels >= FIRST_OBJECT_LABEL) & (view.labels != IGNORED)).any())


def _start(start: str) -> InstanceNetwork:
    """The network before the training; see ``InstanceTraining.start``."""
    network = InstanceNetwork()
    if start == "none":
        _load_encoder(network)
        return network
    path = WEIGHTS if start == "package" else Path(start)
    state, metadata = load_weights(path, OWNERS)
    if metadata["model"] == InstanceNetwork.__name__:
        check_state(path, state, network.state_dict())
        network.load_state_dict(state)
    else:  # the backbone of a detector may have no features of color
        _load_encoder(network)
        network.backbone.load_state_dict(load_backbone(path).state_dict(), strict=False)
    return network


def _load_encoder(network: InstanceNetwork) -> None:
    """Load the color encoder of the package, which is not trained."""
    packaged, _ = load_weights(WEIGHTS, InstanceNetwork.__name__, network.state_dict())
    prefix = "backbone.color.encoder."
    fixed = {name: value for name, value in packaged.items() if name.startswith(prefix)}
    network.load_state_dict(fixed, strict=False)


def trainer() -> Trainer:
    """How the instance network is trained."""
    return Trainer(InstanceTraining, partial(train_task, InstanceTask))
