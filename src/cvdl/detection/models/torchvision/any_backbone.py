"""Faster R-CNN and SSD on the stages of any classification network.

torchvision builds them on a few networks; its classes take any features.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from torch import Tensor, nn
from torchvision.models._utils import IntermediateLayerGetter
from torchvision.models.detection._utils import retrieve_out_channels
from torchvision.models.detection.anchor_utils import AnchorGenerator, DefaultBoxGenerator
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.detection.faster_rcnn import (
    FasterRCNN,
    FastRCNNPredictor,
    TwoMLPHead,
)
from torchvision.models.detection.ssd import SSD
from torchvision.models.detection.ssdlite import SSDLiteHead
from torchvision.ops import Conv2dNormActivation, MultiScaleRoIAlign

from cvdl.networks.classifiers import Classifier, smallest_input

__all__ = ["faster_rcnn", "ssd"]

#: The stages whose features are used: an eighth, a sixteenth and a 32nd of the image's size.
_USED = (2, 3, 4)
#: Half of those for COCO: there are fewer classes than its 80, and a CPU is to train them.
_PYRAMID, _HIDDEN = 128, 512
#: Sides of the anchors, one a level, for an image whose shorter side has 800 pixels: Lin et al.
#: 2017, "Feature Pyramid Networks", section 4.1, without the level that is not used.
_ANCHORS = (64, 128, 256, 512)
_RATIOS = (0.5, 1.0, 2.0)
_CELLS = 7  # cells of a region, in each direction
#: Channels of the levels after the last stage, each half as large as the one before, of SSDLite.
_EXTRA = (512, 256, 256)
#: Sizes of the boxes of each level, and of the one after the last, as shares of the image: those of
#: SSD (Liu et al. 2016, section 2.2) from the eighth on.
_SCALES = [0.07, 0.15, 0.33, 0.51, 0.69, 0.87, 1.05]
_NORM = partial(nn.BatchNorm2d, eps=1e-3)
_LEAST_SCORE = 0.001  # SSDLite's


def faster_rcnn(backbone: Classifier, outputs: int, **options: Any) -> FasterRCNN:
    """Return a Faster R-CNN (Ren et al. 2015) with a feature pyramid (Lin et al. 2017).

    Args:
        backbone: gives the stages, which are used as they are.
        outputs: number of classes, with the background.
        options: of torchvision's class.
    """
    levels = {str(stage): str(level) for level, stage in enumerate(_USED)}
    channels = _channels(IntermediateLayerGetter(backbone.features, levels), backbone)
    return FasterRCNN(
        BackboneWithFPN(backbone.features, levels, channels, _PYRAMID),
        rpn_anchor_generator=AnchorGenerator(
            tuple((side,) for side in _ANCHORS), (_RATIOS,) * len(_ANCHORS)
        ),
        box_roi_pool=MultiScaleRoIAlign(list(levels.values()), _CELLS, sampling_ratio=2),
        box_head=TwoMLPHead(_PYRAMID * _CELLS**2, _HIDDEN),
        box_predictor=FastRCNNPredictor(_HIDDEN, outputs),
        **options,
    )


def ssd(backbone: Classifier, outputs: int, size: int) -> SSD:
    """Return an SSD (Liu et al. 2016) with the light head of SSDLite (Sandler et al. 2018).

    Args:
        backbone: gives the stages, which are used as they are.
        outputs: number of classes, with the background.
        size: rows and columns that images are resized to.
    """
    features = _SsdFeatures(backbone)
    boxes = DefaultBoxGenerator([[2, 3]] * (len(_SCALES) - 1), scales=_SCALES)
    return SSD(
        features,
        boxes,
        (size, size),
        outputs,
        head=SSDLiteHead(features.channels, boxes.num_anchors_per_location(), outputs, _NORM),
        score_thresh=_LEAST_SCORE,
    )


class _SsdFeatures(nn.Module):
    """The features of some stages and of smaller levels behind them, by the number of the level."""

    def __init__(self, backbone: Classifier) -> None:
        super().__init__()
        self.body = IntermediateLayerGetter(
            backbone.features, {str(stage): str(stage) for stage in _USED}
        )
        own = _channels(self.body, backbone)
        before = (own[-1], *_EXTRA[:-1])
        self.extra = nn.ModuleList(
            _halved(inputs, outputs) for inputs, outputs in zip(before, _EXTRA, strict=True)
        )
        self.channels = [*own, *_EXTRA]

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """See the class."""
        levels = list(self.body(image).values())
        for block in self.extra:
            levels.append(block(levels[-1]))
        return {str(number): level for number, level in enumerate(levels)}


def _channels(body: nn.Module, backbone: Classifier) -> list[int]:
    side = smallest_input(backbone.name)
    channels: list[int] = retrieve_out_channels(body, (side, side))
    return channels


def _halved(inputs: int, outputs: int) -> nn.Sequential:
    """A level of half the size, as in SSDLite."""
    layer = partial(Conv2dNormActivation, norm_layer=_NORM, activation_layer=nn.ReLU6)
    middle = outputs // 2
    return nn.Sequential(
        layer(inputs, middle, kernel_size=1),
        layer(middle, middle, kernel_size=3, stride=2, groups=middle),
        layer(middle, outputs, kernel_size=1),
    )
