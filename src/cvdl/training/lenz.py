"""Training of ``lenz2014``: labelled views to a two-stage detector, and its cross-validation.

Lenz, Lee & Saxena 2014, sections IV and VI: auto-encoders first, then back-propagation through
the whole network. The labelled rectangles are few; so each view also gives rectangles from the
detector's own search, labelled good where they meet a labelled one closely and bad where they
meet none.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from cvdl.datasets.grasp_sample import GraspSample
from cvdl.evaluation.grasping import GraspScores, evaluate_detector, recognise
from cvdl.grasping.foreground import foreground
from cvdl.grasping.lenz.candidates import REFERENCE_FOCAL
from cvdl.grasping.lenz.detector import LARGE, SMALL, LenzConfig, LenzDetector
from cvdl.grasping.lenz.network import MASK_SCALE_CAP, MODALITIES, GraspNetwork, scaled
from cvdl.grasping.lenz.patches import Patches, channel_image, extract, mirror
from cvdl.grasping.lenz.pretraining import PretrainingConfig, pretrain
from cvdl.grasping.rectangles import GraspRectangles, angle_difference, jaccard
from cvdl.training.splits import Split

__all__ = [
    "LearningSet",
    "LenzTraining",
    "cross_validate",
    "learning_set",
    "train",
    "train_network",
]

_OPENINGS, _PLATES = (14.0, 100.0), (12.0, 40.0)  # pixels of a Kinect: what is searched
_LONGEST_PLATE = 1.3  # times the opening


@dataclass(frozen=True)
class LenzTraining:
    """Settings of a training; the ablations of the paper are among them.

    Attributes:
        modalities: names from ``MODALITIES``; fewer for the ablation of single modalities.
        cap: of the mask scaling (paper: near 1.67); 1 for none.
        pretraining: of the auto-encoders; None to start from random weights.
        epochs: of back-propagation through all layers; found by validation.
        output_epochs: before that, of the output layer only, as in the authors' code.
        rate: Adam's largest step; it falls to 0 as half a cosine. Found by validation.
        decay: of the weights, Adam's; found by validation.
        batch: patches a step.
        drawn: rectangles of the search tried in each view.
        good, bad: at most so many of them are learnt from.
        jittered: copies of each labelled rectangle, shifted and turned a little.
        labelled_share: weight of the labelled rectangles among all; found by validation.
        seed: of everything that is random.
        mixed_precision: matrix products in bfloat16.
    """

    modalities: tuple[str, ...] = tuple(MODALITIES)
    cap: float = MASK_SCALE_CAP
    pretraining: PretrainingConfig | None = field(default_factory=PretrainingConfig)
    epochs: int = 6
    output_epochs: int = 1
    rate: float = 1e-3
    decay: float = 1e-3
    batch: int = 256
    drawn: int = 1200
    good: int = 80
    bad: int = 120
    jittered: int = 4
    labelled_share: float = 0.4
    seed: int = 0
    mixed_precision: bool = True


@dataclass(frozen=True)
class LearningSet:
    """Patches to learn from.

    Attributes:
        patches: N of them; float16.
        good: (N,) bool.
        labelled: (N,) bool: copies of labelled rectangles, not of the search.
    """

    patches: Patches
    good: torch.Tensor
    labelled: torch.Tensor

    @classmethod
    def joined(cls, sets: Sequence[LearningSet]) -> LearningSet:
        """All of them in one."""
        return cls(
            Patches(
                torch.cat([each.patches.values for each in sets]),
                torch.cat([each.patches.mask for each in sets]),
            ),
            torch.cat([each.good for each in sets]),
            torch.cat([each.labelled for each in sets]),
        )


def learning_set(sample: GraspSample, config: LenzTraining) -> LearningSet:
    """What one view teaches; the same for the same seed and name of the view."""
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
    for boxes, good, labelled in parts:
        patches = extract(image, boxes)
        flip = [torch.from_numpy(rng.random(len(boxes)) < 0.5) for _ in range(2)]
        patches = _mirrored(patches, *flip)
        patches = Patches(patches.values.half(), patches.mask)
        sets.append(
            LearningSet(
                patches, torch.full((len(boxes),), good), torch.full((len(boxes),), labelled)
            )
        )
    return LearningSet.joined(sets)


def train_network(hidden: int, data: LearningSet, config: LenzTraining) -> GraspNetwork:
    """A network of one stage: pre-trained, then trained.

    Args:
        hidden: units of each layer.
        data: what to learn.
        config: settings.
    """
    with torch.random.fork_rng([]):
        torch.manual_seed(config.seed)
        network = GraspNetwork(hidden, config.modalities, config.cap)
    generator = torch.Generator().manual_seed(config.seed)
    network.fit_whitening(data.patches)
    visible, scale = _visible(network, data.patches)
    with torch.autocast("cpu", torch.bfloat16, enabled=config.mixed_precision, cache_enabled=False):
        if config.pretraining is not None:
            pretrain(network, visible, scale, config.pretraining, generator)
        for module, epochs in ((network.last, config.output_epochs), (network, config.epochs)):
            _descend(network, module, epochs, visible, data, config, generator)
    return network.eval()


def _visible(network: GraspNetwork, patches: Patches) -> tuple[torch.Tensor, torch.Tensor]:
    """Scaled visible units (N, 7 S S) bfloat16, and the scales (N, 7)."""
    visible, scales = [], []
    for values, mask in zip(patches.values.split(512), patches.mask.split(512), strict=True):
        whitened, scale = network.visible(Patches(values, mask))
        visible.append(scaled(whitened, scale).bfloat16())
        scales.append(scale)
    return torch.cat(visible), torch.cat(scales)


def _descend(
    network: GraspNetwork,
    module: nn.Module,
    epochs: int,
    visible: torch.Tensor,
    data: LearningSet,
    config: LenzTraining,
    generator: torch.Generator,
) -> None:
    """Back-propagation into a part of the network."""
    good, weight = data.good.float(), _weights(data, config.labelled_share)
    steps = max(1, epochs * -(-len(good) // config.batch))
    optimizer = torch.optim.AdamW(module.parameters(), lr=config.rate, weight_decay=config.decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(epochs):
        for index in torch.randperm(len(good), generator=generator).split(config.batch):
            logits = network.logits(visible[index]).float()
            loss = binary_cross_entropy_with_logits(logits, good[index], weight[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()


def train(
    data: LearningSet, config: LenzTraining, search: LenzConfig | None = None
) -> LenzDetector:
    """Both stages, on the same patches."""
    small, large = (train_network(hidden, data, config) for hidden in (SMALL, LARGE))
    return LenzDetector(small, large, search)


def cross_validate(
    samples: Sequence[GraspSample],
    splits: Iterable[Split],
    config: LenzTraining,
    on: str = "test",
    extra: Sequence[GraspSample] = (),
    sets: Sequence[LearningSet] | None = None,
) -> list[GraspScores]:
    """Train and score once a split.

    Args:
        samples: all the views.
        splits: see ``cvdl.training.splits.folds``. What is not scored on is trained on, but
            ``test`` is never.
        config: settings.
        on: ``test``, or ``validation`` to choose settings by.
        extra: more views, of other objects, trained on in every split.
        sets: what each of the samples teaches, where that is known already.

    Returns:
        Detection and recognition of each split.
    """
    sets = sets or [learning_set(sample, config) for sample in samples]
    more = [learning_set(sample, config) for sample in extra]
    scores = []
    for split in splits:
        scored = split.test if on == "test" else split.validation
        taught = np.setdiff1d(np.concatenate([split.train, split.validation]), scored)
        detector = train(LearningSet.joined([*(sets[i] for i in taught), *more]), config)
        views = [samples[i] for i in scored]
        recognition = list(recognise(detector, views))
        scores.append(
            GraspScores(
                tuple(evaluate_detector(detector, views)), sum(recognition[1:], recognition[0])
            )
        )
    return scores


def _jittered(
    rectangles: GraspRectangles, copies: int, rng: np.random.Generator
) -> GraspRectangles:
    """Each rectangle as it is, and copies that are nearly the same."""
    index = np.tile(np.arange(len(rectangles)), copies + 1)
    size = rng.uniform(-1, 1, (len(index), 5))
    size[: len(rectangles)] = 0  # the first are left as they are
    some = rectangles[index]
    return GraspRectangles(
        some.center + size[:, :2] * 0.08 * np.minimum(some.opening, some.plate)[:, None],
        some.angle + size[:, 2] * np.deg2rad(8),
        some.opening * np.exp(size[:, 3] * 0.1),
        some.plate * np.exp(size[:, 4] * 0.15),
    )


def _drawn(sample: GraspSample, count: int, rng: np.random.Generator) -> GraspRectangles:
    """Rectangles as the search could judge them, between the steps of its grid."""
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


def _mirrored(patches: Patches, columns: torch.Tensor, rows: torch.Tensor) -> Patches:
    """Those patches mirrored for which the flags (N,) say so."""
    for flags, axis in ((columns, {"columns": True}), (rows, {"rows": True})):
        other = mirror(patches, **axis)
        flags = flags[:, None, None, None]
        patches = Patches(
            torch.where(flags, other.values, patches.values),
            torch.where(flags, other.mask, patches.mask),
        )
    return patches


def _weights(data: LearningSet, labelled_share: float) -> torch.Tensor:
    """(N,) of mean 1: as much for the good as for the bad, labelled or drawn."""
    weight = torch.zeros(len(data.good))
    for labelled, share in ((True, labelled_share), (False, 1 - labelled_share)):
        for good in (True, False):
            some = (data.labelled == labelled) & (data.good == good)
            weight[some] = share / 2 / max(1, int(some.sum()))
    return weight / weight.mean()
