"""SegNet: every pixel's class, by an encoder and a decoder that mirrors it.

Badrinarayanan, Kendall & Cipolla, "SegNet: A Deep Convolutional Encoder-Decoder Architecture for
Image Segmentation", IEEE PAMI 2017, section 3. Each decoder puts the features that it is given
where its encoder's pooling had found the largest, so that outlines stay sharp without the
encoder's own features being kept.
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn
from torch.nn.functional import max_pool2d, max_unpool2d

from cvdl.layers import convolution

__all__ = ["SegNet"]

#: Convolutions of each encoder, and their channels in units of the first one's: those of VGG16
#: (Simonyan & Zisserman 2015) without its linear layers.
_CONVOLUTIONS, _CHANNELS = (2, 2, 3, 3, 3), (1, 2, 4, 8, 8)
_POOL = 2


class SegNet(nn.Module):
    """Thirteen convolutions and their mirror image, each with batch norm and ReLU.

    Args:
        inputs: channels of the images.
        outputs: classes of the pixels.
        width: channels of the first layers; the paper's is 64.
    """

    def __init__(self, inputs: int, outputs: int, width: int) -> None:
        super().__init__()
        widths = [inputs, *(width * channels for channels in _CHANNELS)]
        self.encoders = nn.ModuleList(
            _convolutions([before, *[after] * count])
            for (before, after), count in zip(pairwise(widths), _CONVOLUTIONS, strict=True)
        )
        widths[0] = width  # the first encoder's mirror image ends in features, not in an image
        self.decoders = nn.ModuleList(
            _convolutions([*[after] * count, before])
            for (before, after), count in zip(pairwise(widths), _CONVOLUTIONS, strict=True)
        )
        self.classifier = nn.Conv2d(width, outputs, 3, padding=1)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):  # as the paper, section 3.2, after He et al. 2015
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, outputs, H, W) of images (N, inputs, H, W), 32 pixels a side at least."""
        features, pooled = images, []
        for encoder in self.encoders:
            features = encoder(features)
            size = features.shape[-2:]
            features, largest = max_pool2d(features, _POOL, return_indices=True)
            pooled.append((largest, size))
        for decoder in reversed(self.decoders):
            largest, size = pooled.pop()
            features = decoder(max_unpool2d(features, largest, [_POOL] * 2, output_size=size))
        logits: Tensor = self.classifier(features)
        return logits


def _convolutions(widths: list[int]) -> nn.Sequential:
    return nn.Sequential(*(convolution(before, after) for before, after in pairwise(widths)))
