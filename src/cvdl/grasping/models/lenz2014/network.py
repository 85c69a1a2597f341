"""The scoring network: mask-scaled inputs, two sigmoid layers, a logistic output."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import nn

from cvdl.grasping.models.lenz2014.patches import (
    CHANNELS,
    COLOR,
    DEPTH,
    NORMALS,
    SIZE,
    Patches,
    mirrored,
)

__all__ = ["MASK_SCALE_CAP", "MODALITIES", "GraspNetwork"]

#: Channels of the modalities by name.
MODALITIES = {"color": COLOR, "depth": DEPTH, "normals": NORMALS}
#: Largest scale of the visible units of a masked patch (Lenz 2014, section IV-C).
MASK_SCALE_CAP = 1.67
_CELLS = SIZE * SIZE


class GraspNetwork(nn.Module):
    """Scores patches.

    ``visible`` whitens and scales them, ``forward`` returns the logit of a good grasp.

    Args:
        hidden: sigmoid units in each of the two layers: 50 in the first stage, 200 in the second
            (Lenz 2014, section VI).
        modalities: names from ``MODALITIES`` that it uses; the inputs of the others are zero.
        cap: largest scale of the mask scaling; 1 disables it.
    """

    mean: torch.Tensor
    deviation: torch.Tensor
    used: torch.Tensor
    cap: torch.Tensor

    def __init__(
        self,
        hidden: int,
        modalities: Collection[str] = tuple(MODALITIES),
        cap: float = MASK_SCALE_CAP,
    ) -> None:
        super().__init__()
        self.first = nn.Linear(CHANNELS * _CELLS, hidden)
        self.second = nn.Linear(hidden, hidden)
        self.last = nn.Linear(hidden, 1)
        self.register_buffer("mean", torch.zeros(CHANNELS, SIZE, SIZE))
        self.register_buffer("deviation", torch.ones(CHANNELS))
        used = torch.zeros(CHANNELS)
        for name in modalities:
            used[MODALITIES[name]] = 1
        self.register_buffer("used", used)
        self.register_buffer("cap", torch.tensor(float(cap)))

    def fit_whitening(self, patches: Patches) -> None:
        """Set the mean of each feature and the deviation of each channel to those of patches.

        Only unmasked values count; features without any have the mean 0. The mean is that of the
        patches and their mirror images. The depth is already whitened in each patch.
        """
        known = _by_channel(patches.mask)
        count = known.sum(dim=0, dtype=torch.float32)
        mean = patches.values.sum(dim=0, dtype=torch.float32) / count.clamp_min(1)
        # Mirror images have the same weight, so that whitening and mirroring commute.
        for axes in ((True, False), (False, True)):
            mean = (mean + mirrored(mean, *axes)) / 2
        self.mean = mean
        square = torch.zeros(CHANNELS)
        for values, seen in zip(patches.values.split(1024), known.split(1024), strict=True):
            square += (((values - self.mean) * seen) ** 2).sum(dim=(0, 2, 3))
        self.deviation = (square / count.sum(dim=(1, 2)).clamp_min(1)).sqrt().clamp_min(1e-3)

    def scales(self, mask: torch.Tensor) -> torch.Tensor:
        """Return the scale of the visible units of each modality, for its masked part.

        min(all / unmasked, cap) (Lenz 2014, equations 8 and 9).

        Args:
            mask: (N, 2, S, S) bool, see ``Patches``.

        Returns:
            (N, 2): of the color; of depth and normals, which are known at the same pixels.
        """
        unmasked = mask.float().mean(dim=(2, 3))
        return torch.minimum(1 / unmasked.clamp_min(1e-6), self.cap)

    def visible(self, patches: Patches) -> tuple[torch.Tensor, torch.Tensor]:
        """Return whitened inputs (N, 7 S S), 0 where masked, and scales of the channels (N, 7)."""
        size = patches.values.shape[-1]
        mean = self.mean
        if size != SIZE:
            mean = nn.functional.avg_pool2d(mean, SIZE // size)
        factor = (self.used / self.deviation)[:, None, None]
        whitened = (patches.values - mean) * (_by_channel(patches.mask) * factor)
        return whitened.flatten(1), _by_channel(self.scales(patches.mask))

    def forward(self, patches: Patches) -> torch.Tensor:
        """Return logits (N,).

        Patches may have fewer samples, a divisor of ``SIZE``: as the first layer is linear, the
        weights of the block of inputs that a sample stands for are summed.
        """
        whitened, scale = self.visible(patches)
        return self.logits(scaled(whitened, scale))

    def logits(self, visible: torch.Tensor) -> torch.Tensor:
        """Return the logits (N,) of scaled visible units (N, 7 S S)."""
        weight = self.first.weight
        if visible.shape[1] != weight.shape[1]:
            block = round((weight.shape[1] / visible.shape[1]) ** 0.5)
            kernels = weight.view(-1, CHANNELS, SIZE, SIZE)
            weight = nn.functional.avg_pool2d(kernels, block, divisor_override=1).flatten(1)
        hidden = torch.sigmoid(nn.functional.linear(visible, weight, self.first.bias))
        hidden = torch.sigmoid(self.second(hidden))
        return self.last(hidden)[:, 0]


def scaled(whitened: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """Return visible units (N, 7 S S) with each channel multiplied by its scale (N, 7)."""
    return (whitened.unflatten(1, (CHANNELS, -1)) * scale[:, :, None]).flatten(1)


def _by_channel(of_mask: torch.Tensor) -> torch.Tensor:
    """Expand (N, 2, ...) of color and depth to (N, 7, ...)."""
    parts = of_mask[:, :1], of_mask[:, 1:]
    shape = of_mask.shape[2:]
    return torch.cat([parts[0].expand(-1, 3, *shape), parts[1].expand(-1, 4, *shape)], dim=1)
