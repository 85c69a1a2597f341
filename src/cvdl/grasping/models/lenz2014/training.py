"""Training of ``lenz2014``, a detector of two stages.

Lenz, Lee & Saxena 2014, sections IV and VI: auto-encoders first, then back-propagation through
the whole network. There are few labeled rectangles. So each view also gives rectangles of the
detector's own search: good ones that match a labeled one closely, bad ones that match none.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from cvdl.core.files import write_atomically
from cvdl.core.settings import Settings, setting
from cvdl.datasets.grasp_sample import GraspSample
from cvdl.grasping.foreground import foreground
from cvdl.grasping.models.lenz2014.candidates import REFERENCE_FOCAL
from cvdl.grasping.models.lenz2014.detector import LARGE, MODEL, SMALL, LenzDetector
from cvdl.grasping.models.lenz2014.network import MASK_SCALE_CAP, GraspNetwork, scaled
from cvdl.grasping.models.lenz2014.patches import (
    CHANNELS,
    SIZE,
    Patches,
    channel_image,
    extract,
    mirrored,
)
from cvdl.grasping.models.lenz2014.pretraining import PretrainingConfig, Report, descend, pretrain
from cvdl.grasping.rectangles import GraspRectangles, angle_difference, jaccard
from cvdl.networks.device import computes_bfloat16
from cvdl.networks.weights import load_weights, save_weights
from cvdl.training.checkpoint import Run, TrainingError
from cvdl.training.history import draw_losses
from cvdl.training.progress import epoch_bar, summary_writer
from cvdl.training.trainer import Trainer

__all__ = ["LearningSet", "LenzTraining", "learning_set", "train_lenz", "train_network", "trainer"]

_OPENINGS, _PLATES = (14.0, 100.0), (12.0, 40.0)  # pixels of a Kinect; the range of the search
_LONGEST_PLATE = 1.3  # times the opening


class LenzTraining(Settings):
    """Settings of the training, which allow the ablations of the paper.

    Descriptions say which come from the paper or the authors' code. The others are our choice;
    few of them were compared on validation views (see docs/grasping.md).
    """

    seed: int = setting(0, "Random seed.", ge=0)
    device: Literal["cpu"] = setting("cpu", "Small networks: they train on the CPU.")
    modalities: tuple[Literal["color", "depth", "normals"], ...] = setting(
        ("color", "depth", "normals"), "Inputs of the networks.", min_length=1
    )
    cap: float = setting(MASK_SCALE_CAP, "Largest mask scaling (paper: near 1.67); 1: none.", ge=1)
    pretraining: PretrainingConfig = setting(
        PretrainingConfig(), "Settings of the pre-training; epochs=0: none."
    )
    output_epochs: int = setting(
        1, "Epochs of the output layer alone, at the start, as in the authors' code.", ge=0
    )
    epochs: int = setting(10, "Epochs of all layers.", ge=0)
    rate: float = setting(1e-3, "Largest learning rate of Adam; it follows half a cosine.", gt=0)
    decay: float = setting(1e-3, "Weight decay of AdamW.", ge=0)
    batch: int = setting(256, "Patches per step.", ge=1)
    drawn: int = setting(1200, "Rectangles tried on the objects of each view.", ge=0)
    good: int = setting(80, "Largest number of them learned per view as good.", ge=0)
    bad: int = setting(120, "Largest number of them learned per view as bad.", ge=0)
    jittered: int = setting(4, "Near copies learned of each labeled rectangle.", ge=0)
    labelled_share: float = setting(
        0.4, "Weight of the labeled rectangles and their copies.", gt=0, lt=1
    )
    mixed_precision: bool = setting(
        True, "Matrix products in bfloat16, on processors that compute it."
    )


@dataclass(frozen=True)
class LearningSet:
    """Patches to learn from.

    Attributes:
        patches: N patches, float16.
        good: (N,) bool.
        labeled: (N,) bool: labeled rectangles and their copies, not those of the search.
    """

    patches: Patches
    good: torch.Tensor
    labeled: torch.Tensor

    @classmethod
    def joined(cls, sets: Sequence[LearningSet]) -> LearningSet:
        """Concatenate several sets."""
        if not sets:
            raise TrainingError("nothing to train on: no view")
        return cls(
            Patches(
                torch.cat([each.patches.values for each in sets]),
                torch.cat([each.patches.mask for each in sets]),
            ),
            torch.cat([each.good for each in sets]),
            torch.cat([each.labeled for each in sets]),
        )


def learning_set(sample: GraspSample, config: LenzTraining) -> LearningSet:
    """The patches of one view; they depend on the seed and the name of the view."""
    rng = np.random.default_rng([config.seed, *sample.name.encode()])
    parts = [
        (_jittered(sample.good, config.jittered, rng), True, True),
        (_jittered(sample.bad, config.jittered, rng), False, True),
    ]
    if config.drawn:
        drawn = _drawn(sample, config.drawn, rng)
        overlap = jaccard(drawn, sample.good)
        turn = angle_difference(drawn.angle[:, None], sample.good.angle)
        close = ((overlap > 0.4) & (turn < np.deg2rad(20))).any(axis=1)
        apart = ~((overlap > 0.2) & (turn < np.deg2rad(35))).any(axis=1)
        for some, count, good in ((close, config.good, True), (apart, config.bad, False)):
            parts.append((drawn[np.flatnonzero(some)[:count]], good, False))
    image = channel_image(sample.frame)
    sets = []
    for boxes, good, labeled in parts:
        patches = extract(image, boxes)
        patches = Patches(patches.values.half(), patches.mask)
        sets.append(
            LearningSet(
                patches, torch.full((len(boxes),), good), torch.full((len(boxes),), labeled)
            )
        )
    return LearningSet.joined(sets)


def train_network(
    hidden: int, data: LearningSet, config: LenzTraining, report: Report = lambda part, loss: None
) -> GraspNetwork:
    """Pre-train and train the network of one stage.

    Args:
        hidden: units of each layer.
        data: the patches.
        config: settings.
        report: called after every epoch.

    Raises:
        TrainingError: if no patch is good, or none is bad.
    """
    if not data.good.any() or data.good.all():
        what = "good" if not data.good.any() else "bad"
        raise TrainingError(f"nothing to train on: no view has a {what} rectangle")
    with torch.random.fork_rng([]):
        torch.manual_seed(config.seed)
        network = GraspNetwork(hidden, config.modalities, config.cap)
    generator = torch.Generator().manual_seed(config.seed)
    network.fit_whitening(data.patches)
    visible, scale = _visible(network, data.patches)
    good, weight = data.good.float(), _weights(data, config.labelled_share)

    def loss_of(index: torch.Tensor) -> torch.Tensor:
        """Weighted cross entropy of some patches, all mirrored in the same random way."""
        flips = torch.randint(2, (2,), generator=generator).bool().tolist()
        inputs = mirrored(visible[index].float().unflatten(1, (CHANNELS, SIZE, SIZE)), *flips)
        logits = network.logits(inputs.flatten(1)).float()
        return binary_cross_entropy_with_logits(logits, good[index], weight[index])

    mixed = config.mixed_precision and computes_bfloat16(torch.device("cpu"))
    with torch.autocast("cpu", torch.bfloat16, enabled=mixed, cache_enabled=False):
        if config.pretraining.epochs:
            pretrain(network, visible, scale, config.pretraining, generator, report)
        for part, module, epochs in (
            ("output layer", network.last, config.output_epochs),
            ("all layers", network, config.epochs),
        ):
            optimizer = torch.optim.AdamW(
                module.parameters(), lr=config.rate, weight_decay=config.decay
            )
            steps = max(1, epochs * -(-len(good) // config.batch))
            schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
            descend(
                loss_of,
                optimizer,
                len(good),
                epochs,
                config.batch,
                generator,
                partial(report, part),
                schedule,
            )
    return network.eval()


def _visible(network: GraspNetwork, patches: Patches) -> tuple[torch.Tensor, torch.Tensor]:
    """Scaled visible units (N, 7 S S) bfloat16, and the scales (N, 7)."""
    visible, scales = [], []
    for values, mask in zip(patches.values.split(512), patches.mask.split(512), strict=True):
        whitened, scale = network.visible(Patches(values, mask))
        visible.append(scaled(whitened, scale).bfloat16())
        scales.append(scale)
    return torch.cat(visible), torch.cat(scales)


def train_lenz(
    train: Iterable[GraspSample],
    validation: Iterable[GraspSample],
    settings: LenzTraining,
    run: Run,
) -> LenzDetector:
    """Train both stages on labeled views.

    The number of epochs is fixed and validation selects nothing, so the validation views are
    used for training too.

    Args:
        train: views.
        validation: more views.
        settings: how it is trained.
        run: its folder gets ``small.safetensors`` and ``large.safetensors``, each when its network
            is trained, and the losses of each as ``NAME.json``, ``NAME.png`` and for
            ``tensorboard``.

    Raises:
        TrainingError: if there is no good rectangle, or no bad one.
        WeightsError: if a network of an earlier run cannot be read.
    """
    stages = {"small": SMALL, "large": LARGE}
    files = {name: run.out / f"{name}.safetensors" for name in stages}
    data = None
    networks = []
    for name, hidden in stages.items():
        if run.resume and files[name].exists():
            network = GraspNetwork(hidden)
            state, _ = load_weights(files[name], f"{MODEL} {name}", network.state_dict())
            network.load_state_dict(state)
        else:
            if data is None:
                if run.console is not None:
                    run.console.print("cutting out rectangles", highlight=False)
                data = LearningSet.joined(
                    [learning_set(view, settings) for view in (*train, *validation)]
                )
            if run.console is not None:
                run.console.print(f"training the {name} network, {len(data.good)} rectangles")
            with _Losses(name, run, settings) as losses:
                network = train_network(hidden, data, settings, losses)
            save_weights(files[name], network.state_dict(), {"model": f"{MODEL} {name}"})
        networks.append(network)
    return LenzDetector(networks[0], networks[1])


class _Losses(ExitStack):
    """Shows the losses of one network during its training, and writes them to files."""

    def __init__(self, name: str, run: Run, settings: LenzTraining) -> None:
        super().__init__()
        self._name, self._out = name, run.out
        epochs = 2 * settings.pretraining.epochs + settings.output_epochs + settings.epochs
        self._show = self.enter_context(epoch_bar(run.console, epochs))
        self._writer = self.enter_context(summary_writer(run.out, 0))
        self._parts: dict[str, list[float]] = {}
        self.callback(self._write)

    def __call__(self, part: str, loss: float) -> None:
        losses = self._parts.setdefault(part, [])
        self._writer.add_scalar(f"{self._name} network/{part}", loss, len(losses))
        losses.append(loss)
        self._show(sum(map(len, self._parts.values())), f"{part}: loss {loss:.4g}")

    def _write(self) -> None:
        text = json.dumps(self._parts, indent=2) + "\n"
        write_atomically(self._out / f"{self._name}.json", text.encode())
        draw_losses(self._out / f"{self._name}.png", self._parts)


def _jittered(
    rectangles: GraspRectangles, copies: int, rng: np.random.Generator
) -> GraspRectangles:
    """The rectangles and slightly changed copies."""
    index = np.tile(np.arange(len(rectangles)), copies + 1)
    size = rng.uniform(-1, 1, (len(index), 5))
    size[: len(rectangles)] = 0  # the originals come first
    some = rectangles[index]
    return GraspRectangles(
        some.center + size[:, :2] * 0.08 * np.minimum(some.opening, some.plate)[:, None],
        some.angle + size[:, 2] * np.deg2rad(8),
        some.opening * np.exp(size[:, 3] * 0.1),
        some.plate * np.exp(size[:, 4] * 0.15),
    )


def _drawn(sample: GraspSample, count: int, rng: np.random.Generator) -> GraspRectangles:
    """Random rectangles on the objects, as the search scores them between the steps of its grid."""
    v, u = np.nonzero(foreground(sample.frame))
    if not len(u):
        return GraspRectangles.none()
    pick = rng.integers(len(u), size=count)
    scale = sample.frame.camera.fx / REFERENCE_FOCAL
    low, high = np.log([_OPENINGS, _PLATES]).T
    opening, plate = scale * np.exp(rng.uniform(low, high, (count, 2))).T
    return GraspRectangles(
        np.stack([u[pick], v[pick]], axis=1) + rng.uniform(-3, 3, (count, 2)),
        rng.uniform(-np.pi / 2, np.pi / 2, count),
        opening,
        np.minimum(plate, _LONGEST_PLATE * opening),
    )


def _weights(data: LearningSet, labelled_share: float) -> torch.Tensor:
    """Weights (N,) of mean 1: equal sums for good and bad, among labeled and among drawn."""
    weight = torch.zeros(len(data.good))
    for labeled, share in ((True, labelled_share), (False, 1 - labelled_share)):
        for good in (True, False):
            some = (data.labeled == labeled) & (data.good == good)
            weight[some] = share / 2 / max(1, int(some.sum()))
    return weight / weight.mean()


def trainer() -> Trainer:
    """How ``lenz2014`` is trained."""
    return Trainer(LenzTraining, train_lenz)
