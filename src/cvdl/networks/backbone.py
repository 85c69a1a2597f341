"""The backbone of the default detector and of the instance network.

A small residual network (He et al. 2016) with a top-down path (Lin et al. 2017) that runs on two
CPU cores. Networks with equal backbones share its features, which take most of their time.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from weakref import WeakSet

import torch
from torch import Tensor, nn

from cvdl.core.frame import RgbdFrame
from cvdl.networks.color_features import ColorFeatures
from cvdl.networks.cuda_graphs import captured
from cvdl.networks.detailed_input import INPUTS, with_detail
from cvdl.networks.input import MULTIPLE
from cvdl.networks.input_gpu import input_tensor, uploaded
from cvdl.networks.layers import ResidualBlock, convolution, doubled, padded
from cvdl.networks.weights import check_state, load_weights

__all__ = [
    "OWNERS",
    "Backbone",
    "backbone_features",
    "has_color",
    "load_backbone",
    "shared_backbone",
]

#: Models that have a backbone, as named in their weights.
OWNERS = "InstanceNetwork", "RgbdRcnn"


class Backbone(nn.Module):
    """Features of the image.

    Input (B, 18, H, W), see ``with_detail``; H and W multiples of 16. Outputs: fine (B,
    1.5 width, H / 2, W / 2), and wide (B, 3 width, H / 4, W / 4) with a large receptive field.

    Args:
        width: channels of the first layers.
        has_color: whether it adds features of color that photographs have taught; see
            ``ColorFeatures``.
    """

    def __init__(self, width: int = 32, has_color: bool = False) -> None:
        super().__init__()
        fine = 3 * width // 2
        self.fine = nn.Sequential(convolution(INPUTS, fine, 2), ResidualBlock(fine))
        self.middle = nn.Sequential(
            convolution(fine, 2 * width, 2), ResidualBlock(2 * width), ResidualBlock(2 * width)
        )
        self.deep = nn.Sequential(
            convolution(2 * width, 4 * width, 2),
            ResidualBlock(4 * width),
            ResidualBlock(4 * width),
            ResidualBlock(4 * width),
        )
        self.deepest = nn.Sequential(
            convolution(4 * width, 6 * width, 2),
            ResidualBlock(6 * width),
            ResidualBlock(6 * width, dilation=2),
        )
        self.from_deepest = convolution(6 * width, 4 * width, size=1)
        self.from_deep = convolution(4 * width, 3 * width, size=1)
        self.from_middle = convolution(2 * width, 3 * width, size=1)
        self.wide = convolution(3 * width, 3 * width)
        self.color = ColorFeatures((2 * width, 4 * width, 6 * width)) if has_color else None

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Fine and wide features; see the class."""
        color = self.color(x) if self.color else []
        fine = self.fine(x)
        # A sum of nothing and a tensor is the tensor itself.
        middle = sum(color[:1], start=self.middle(fine))
        deep = sum(color[1:2], start=self.deep(middle))
        deepest = self.deepest[1:](sum(color[2:], start=self.deepest[0](deep)))
        deep = deep + doubled(self.from_deepest(deepest))
        return fine, self.wide(self.from_middle(middle) + doubled(self.from_deep(deep)))

    @captured
    def features(self, image: Tensor, color: Tensor) -> tuple[Tensor, ...]:
        """Fine and wide features of a frame of any size.

        Args:
            image: (1, 9, H // 2, W // 2), see ``network_input``.
            color: (H, W, 3) uint8.
        """
        height, width = image.shape[-2:]
        image = padded(with_detail(image, color[: 2 * height, : 2 * width]), MULTIPLE)
        return self(image.contiguous(memory_format=torch.channels_last))


def load_backbone(path: Path) -> Backbone:
    """Load the backbone in the weights of one of ``OWNERS``.

    Raises:
        WeightsError: if the file is missing, damaged or holds another model's weights.
    """
    state, _ = load_weights(path, OWNERS)
    prefix = "backbone."
    own = {
        name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)
    }
    backbone = Backbone(has_color=has_color(own))
    check_state(path, own, backbone.state_dict())
    backbone.load_state_dict(own)
    return backbone


def has_color(state: Mapping[str, Tensor]) -> bool:
    """Whether a state with a backbone in it is of one with features of color."""
    return any("color.projections" in name for name in state)


_lock = Lock()
_in_use: WeakSet[Backbone] = WeakSet()


def shared_backbone(backbone: Backbone) -> Backbone:
    """Return an equal backbone that is in use already, or else this one.

    Args:
        backbone: on its device, with its final weights.
    """
    state = backbone.state_dict()
    with _lock:
        for other in _in_use:
            theirs = other.state_dict()
            if state.keys() == theirs.keys() and all(
                mine.device == theirs[name].device and torch.equal(mine, theirs[name])
                for name, mine in state.items()
            ):
                return other
        _in_use.add(backbone)
    return backbone


@torch.inference_mode()
def backbone_features(frame: RgbdFrame, backbone: Backbone) -> tuple[Tensor, Tensor]:
    """Return the fine and wide features of a frame; see ``Backbone``.

    Those of a shared backbone are computed once and kept with the frame. The weights of any other
    backbone may still change: it may be in training.

    Args:
        frame: at the working size, see ``to_working_size``.
        backbone: in evaluation mode.
    """
    if backbone in _in_use:
        return frame.derived(_features, backbone)
    return _features(frame, backbone)


def _features(frame: RgbdFrame, backbone: Backbone) -> tuple[Tensor, Tensor]:
    device = next(backbone.parameters()).device
    image = input_tensor(frame, device)
    color, _, _ = frame.derived(uploaded, device)
    if device.type != "cuda":
        fine, wide = backbone.features(image, color)
        return fine, wide
    with _lock:
        fine, wide = backbone.features(image, color)
        return fine.clone(), wide.clone()  # the next replay overwrites them
