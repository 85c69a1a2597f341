"""The backbone as a part of the networks that have one."""

from __future__ import annotations

from torch import Tensor, nn

from cvdl.exporting.parts import Part, widened
from cvdl.networks.backbone import Backbone
from cvdl.networks.detailed_input import with_detail

__all__ = ["FEATURES", "backbone_part"]

#: The outputs of the part, see `Part`.
FEATURES = {
    "fine": {2: "fine_height", 3: "fine_width"},
    "wide": {2: "wide_height", 3: "wide_width"},
}


def backbone_part(backbone: Backbone) -> Part:
    """Return the part whose outputs `features` keeps with a frame."""
    return Part(
        _Features(widened(backbone)),
        {
            "image": {2: "half_height", 3: "half_width"},
            "color": {0: "height", 1: "width"},
        },
        FEATURES,
    )


class _Features(nn.Module):
    """Features of an image of sides that are multiples of ``MULTIPLE``; see ``with_detail``."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone
        self.channels = next(backbone.parameters()).shape[1]

    def forward(self, image: Tensor, color: Tensor) -> tuple[Tensor, ...]:
        return self.backbone(with_detail(image, color, self.channels))
