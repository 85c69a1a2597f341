"""Sparse auto-encoders with structured multimodal regularization, layer by layer.

Lenz, Lee & Saxena 2014, sections III and IV: tied weights, a linear decoder, a penalty that keeps
the activity of hidden units low, and one that lets a hidden unit use few modalities.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from pydantic import Field
from torch import nn
from torch.nn.functional import linear

from cvdl.core.settings import Settings
from cvdl.grasping.models.lenz2014.network import MODALITIES, GraspNetwork, scaled
from cvdl.grasping.models.lenz2014.patches import CHANNELS

__all__ = ["PretrainingConfig", "Tell", "group_penalty", "pretrain"]

#: Called after every epoch with the trained part of a network and the mean loss of the epoch.
Tell = Callable[[str, float], None]


class PretrainingConfig(Settings):
    """Settings of the auto-encoders; those of the authors' code say so."""

    group_weight: float = Field(
        0.01,
        ge=0,
        description="Weight of the multimodal penalty, as in the authors' code; 0: none.",
    )
    l1_weight: float = Field(
        3e-4, ge=0, description="Weight of the L1 penalty, as in the authors' code."
    )
    sparsity: float = Field(
        0.15,
        gt=0,
        lt=1,
        description="Target mean activity of a hidden unit, as in the authors' code.",
    )
    sparsity_weight: float = Field(0.1, ge=0, description="Weight of the sparsity penalty.")
    sharpness: float = Field(
        100.0, gt=0, description="Sharpness of the smooth maximum over the weights of a modality."
    )
    epochs: int = Field(
        4,
        ge=0,
        description="Epochs of Adam per layer (200 L-BFGS iterations in the authors' code); 0: no "
        "pre-training.",
    )
    rate: float = Field(2e-3, gt=0, description="Learning rate of Adam.")
    batch: int = Field(256, ge=1, description="Patches per step.")
    patches: int = Field(4000, ge=1, description="Largest number of patches used.")


def group_penalty(weight: torch.Tensor, sharpness: float) -> torch.Tensor:
    """Return a smooth number of modalities that hidden units use (Lenz 2014, equations 5 to 7).

    The sum over hidden units and modalities of log(1 + m^2), which approximates "m is not 0". m is
    the smooth maximum (log-sum-exp) of the absolute weights.

    Args:
        weight: (hidden, 7 S S), of the first layer.
        sharpness: larger values are closer to the maximum.
    """
    kernels = weight.unflatten(1, (CHANNELS, -1))
    total = weight.new_zeros(())
    for channels in MODALITIES.values():
        size = kernels[:, channels].flatten(1).abs()
        # Minus the logarithm of their number: 0 if all weights are 0.
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
    tell: Tell = lambda part, loss: None,
) -> None:
    """Train the two layers of a network as auto-encoders of the patches, without labels.

    Args:
        network: changed in place.
        visible: (N, 7 S S), scaled visible units, 0 where masked out; may be bfloat16.
        scale: (N, 7), scale of each channel.
        config: settings.
        generator: random generator of the order of the patches.
        tell: called after every epoch.
    """
    some = torch.randperm(len(visible), generator=generator)[: config.patches]
    visible, scale = visible[some], scale[some]
    layer = network.first
    decoder = nn.Parameter(torch.zeros(layer.in_features))  # bias of the visible units
    optimizer = torch.optim.Adam([*layer.parameters(), decoder], lr=config.rate)

    def first_loss(index: torch.Tensor) -> torch.Tensor:
        inputs, scale_of = visible[index], scale[index]
        hidden = torch.sigmoid(layer(inputs))
        # Masked units are neither input nor output. With scale s and unscaled input x, the error is
        # s (y - x)^2 = (s y - s x)^2 / s.
        output = scaled(linear(hidden, layer.weight.T, decoder), scale_of)
        error = scaled((output - inputs) ** 2 * (inputs != 0), 1 / scale_of)
        loss = error.sum(dim=1).mean() + _sparsity(hidden.float(), config)
        loss = loss + config.l1_weight * layer.weight.abs().sum()
        if config.group_weight:
            loss = loss + config.group_weight * group_penalty(layer.weight, config.sharpness)
        return loss

    _descend(first_loss, optimizer, len(visible), config, generator, partial(tell, "first layer"))
    with torch.no_grad():
        hidden = torch.cat([torch.sigmoid(layer(part)) for part in visible.split(1024)])
    _pretrain_second(network.second, hidden, config, generator, partial(tell, "second layer"))


def _pretrain_second(
    layer: nn.Linear,
    inputs: torch.Tensor,
    config: PretrainingConfig,
    generator: torch.Generator,
    tell: Callable[[float], None],
) -> None:
    decoder = nn.Parameter(torch.zeros(layer.in_features))
    optimizer = torch.optim.Adam([*layer.parameters(), decoder], lr=config.rate)

    def second_loss(index: torch.Tensor) -> torch.Tensor:
        hidden = torch.sigmoid(layer(inputs[index]))
        error = linear(hidden, layer.weight.T, decoder) - inputs[index]
        loss = (error.float() ** 2).sum(dim=1).mean() + _sparsity(hidden.float(), config)
        return loss + config.l1_weight * layer.weight.abs().sum()

    _descend(second_loss, optimizer, len(inputs), config, generator, tell)


def _descend(
    loss_of: Callable[[torch.Tensor], torch.Tensor],
    optimizer: torch.optim.Optimizer,
    count: int,
    config: PretrainingConfig,
    generator: torch.Generator,
    tell: Callable[[float], None],
) -> None:
    for _ in range(config.epochs):
        total = 0.0
        for index in torch.randperm(count, generator=generator).split(config.batch):
            loss = loss_of(index)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += float(loss.detach()) * len(index)
        tell(total / count)


def _sparsity(hidden: torch.Tensor, config: PretrainingConfig) -> torch.Tensor:
    """Sum of the divergences of the units' mean activities from the target."""
    mean = hidden.mean(dim=0).clamp(1e-4, 1 - 1e-4)
    target = config.sparsity
    divergence = target * (target / mean).log() + (1 - target) * ((1 - target) / (1 - mean)).log()
    return config.sparsity_weight * divergence.sum()
