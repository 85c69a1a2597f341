"""Sparse auto-encoders with structured multimodal regularization, layer by layer.

Lenz, Lee & Saxena 2014, sections III and IV: tied weights, a linear decoder, a penalty for hidden
units that are often active, and one for hidden units that use several modalities.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import nn
from torch.nn.functional import linear

from cvdl.core.settings import Settings, setting
from cvdl.grasping.models.lenz2014.network import MODALITIES, GraspNetwork, scaled
from cvdl.grasping.models.lenz2014.patches import CHANNELS

__all__ = ["PretrainingConfig", "Report", "descend", "group_penalty", "pretrain"]

#: Called after every epoch with the part of the network that is trained and its mean loss.
Report = Callable[[str, float], None]


class PretrainingConfig(Settings):
    """Settings of the auto-encoders; descriptions say which come from the authors' code."""

    group_weight: float = setting(
        0.01, "Weight of the multimodal penalty, as in the authors' code; 0: none.", ge=0
    )
    l1_weight: float = setting(3e-4, "Weight of the L1 penalty, as in the authors' code.", ge=0)
    sparsity: float = setting(
        0.15, "Target mean activity of a hidden unit, as in the authors' code.", gt=0, lt=1
    )
    sparsity_weight: float = setting(0.1, "Weight of the sparsity penalty.", ge=0)
    sharpness: float = setting(
        100.0, "Sharpness of the smooth maximum over the weights of a modality.", gt=0
    )
    epochs: int = setting(
        4,
        "Epochs of Adam per layer (200 L-BFGS iterations in the authors' code); 0: no "
        "pre-training.",
        ge=0,
    )
    rate: float = setting(2e-3, "Learning rate of Adam.", gt=0)
    batch: int = setting(256, "Patches per step.", ge=1)
    patches: int = setting(4000, "Largest number of patches used.", ge=1)


def group_penalty(weight: torch.Tensor, sharpness: float) -> torch.Tensor:
    """A smooth measure of how many modalities the hidden units use (eqs. 5 to 7).

    The sum over hidden units and modalities of log(1 + m^2), which approximates "m is not 0",
    where m is the largest absolute weight, as a smooth maximum by log-sum-exp.

    Args:
        weight: (hidden, 7 S S), of the first layer.
        sharpness: the larger, the closer to the maximum.
    """
    kernels = weight.unflatten(1, (CHANNELS, -1))
    total = weight.new_zeros(())
    for channels in MODALITIES.values():
        size = kernels[:, channels].flatten(1).abs()
        # Minus the logarithm of their number, so that it is 0 if all weights are.
        count = torch.tensor(float(size.shape[1]))
        largest = (torch.logsumexp(sharpness * size, dim=1) - count.log()) / sharpness
        total = total + torch.log1p(largest**2).sum()
    return total


def pretrain(
    network: GraspNetwork,
    visible: torch.Tensor,
    scale: torch.Tensor,
    config: PretrainingConfig,
    generator: torch.Generator,
    report: Report = lambda part, loss: None,
) -> None:
    """Initialize the two layers of a network as auto-encoders of the patches, without labels.

    Args:
        network: changed in place.
        visible: (N, 7 S S), scaled visible units, 0 where masked out; may be bfloat16.
        scale: (N, 7), of each channel.
        config: settings.
        generator: determines the order of the patches.
        report: called after every epoch.
    """
    some = torch.randperm(len(visible), generator=generator)[: config.patches]
    visible, scale = visible[some], scale[some]
    layer = network.first
    decoder = nn.Parameter(torch.zeros(layer.in_features))  # the visible units' bias
    optimizer = torch.optim.Adam([*layer.parameters(), decoder], lr=config.rate)

    def first_loss(index: torch.Tensor) -> torch.Tensor:
        inputs, scale_of = visible[index].float(), scale[index]
        hidden = torch.sigmoid(layer(inputs))
        # Masked units are neither input nor output. With the scale s and the unscaled input x, the
        # error is s (y - x)^2 = (s y - s x)^2 / s.
        output = scaled(linear(hidden, layer.weight.T, decoder), scale_of)
        error = scaled((output - inputs) ** 2 * (inputs != 0), 1 / scale_of)
        loss = error.sum(dim=1).mean() + _sparsity(hidden.float(), config)
        loss = loss + config.l1_weight * layer.weight.abs().sum()
        if config.group_weight:
            loss = loss + config.group_weight * group_penalty(layer.weight, config.sharpness)
        return loss

    run = partial(
        descend, count=len(visible), epochs=config.epochs, batch=config.batch, generator=generator
    )
    run(first_loss, optimizer, report=partial(report, "first layer"))
    with torch.no_grad():
        inputs = torch.cat([torch.sigmoid(layer(part.float())) for part in visible.split(1024)])
    second = network.second
    bias = nn.Parameter(torch.zeros(second.in_features))

    def second_loss(index: torch.Tensor) -> torch.Tensor:
        hidden = torch.sigmoid(second(inputs[index]))
        error = linear(hidden, second.weight.T, bias) - inputs[index]
        loss = (error.float() ** 2).sum(dim=1).mean() + _sparsity(hidden.float(), config)
        return loss + config.l1_weight * second.weight.abs().sum()

    optimizer = torch.optim.Adam([*second.parameters(), bias], lr=config.rate)
    run(second_loss, optimizer, report=partial(report, "second layer"))


def descend(
    loss_of: Callable[[torch.Tensor], torch.Tensor],
    optimizer: torch.optim.Optimizer,
    count: int,
    epochs: int,
    batch: int,
    generator: torch.Generator,
    report: Callable[[float], None],
    schedule: torch.optim.lr_scheduler.LRScheduler | None = None,
) -> None:
    """Minimize a loss over epochs of batches in random order.

    Args:
        loss_of: takes indices of samples and returns their loss.
        optimizer: of the parameters.
        count: number of samples.
        epochs: number of epochs.
        batch: samples per step.
        generator: determines the order of the samples.
        report: called after every epoch with the mean loss.
        schedule: of the learning rate, by steps; None: constant.
    """
    for _ in range(epochs):
        total = 0.0
        for index in torch.randperm(count, generator=generator).split(batch):
            loss = loss_of(index)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if schedule:
                schedule.step()
            total += float(loss.detach()) * len(index)
        report(total / count)


def _sparsity(hidden: torch.Tensor, config: PretrainingConfig) -> torch.Tensor:
    """The divergence of the units' mean activities from the target, summed."""
    mean = hidden.mean(dim=0).clamp(1e-4, 1 - 1e-4)
    target = config.sparsity
    divergence = target * (target / mean).log()
    divergence = divergence + (1 - target) * ((1 - target) / (1 - mean)).log()
    return config.sparsity_weight * divergence.sum()
