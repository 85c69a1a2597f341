"""SegNet: an encoder and a mirrored decoder that classify every pixel.

Badrinarayanan, Kendall & Cipolla, "SegNet: A Deep Convolutional Encoder-Decoder Architecture for
Image Segmentation", IEEE PAMI 2017, section 3. Each decoder unpools its input with the indices of
the maxima of its encoder's pooling. This keeps outlines sharp without the encoder's features.

An encoder has one convolution, as in SegNet-Basic; the decoders have ReLUs, as in the full SegNet.
The full SegNet has the thirteen convolutions of VGG16, initialized from ImageNet. From scratch they
learn little in the hour that this network trains on a CPU.
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn
from torch.nn.functional import max_pool2d, max_unpool2d

from cvdl.networks.layers import convolution

__all__ = ["SegNet"]

#: Channels of each encoder, relative to the first one. The paper has four encoders with the same
#: number of channels and kernels of 7. A fifth encoder, and more channels at low resolution, have
#: the same receptive field at lower cost.
_CHANNELS = (1, 1, 2, 4, 4)
_KERNEL = 5
_POOL = 2


class SegNet(nn.Module):
    """Encoders of convolution, batch norm, ReLU and pooling, and the mirrored decoders.

    Args:
        inputs: channels of the images.
        outputs: classes of the pixels.
        width: channels of the first encoder.
    """

    def __init__(self, inputs: int, outputs: int, width: int) -> None:
        super().__init__()
        widths = [width * channels for channels in _CHANNELS]
        steps = list(pairwise([inputs, *widths]))
        self.encoders = nn.ModuleList(convolution(*step, size=_KERNEL) for step in steps)
        steps[0] = width, width  # the last decoder returns features, not an image
        self.decoders = nn.ModuleList(
            convolution(after, before, size=_KERNEL) for before, after in reversed(steps)
        )
        self.classifier = nn.Conv2d(width, outputs, 1)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):  # as the paper, section 3.2, after He et al. 2015
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (N, outputs, H, W) of images (N, inputs, H, W) of at least 32 x 32."""
        features, pooled = images, []
        for encoder in self.encoders:
            features = encoder(features)
            size = features.shape[-2:]
            features, largest = max_pool2d(features, _POOL, return_indices=True)
            pooled.append((largest, size))
        for decoder in self.decoders:
            largest, size = pooled.pop()
            features = decoder(max_unpool2d(features, largest, [_POOL] * 2, output_size=size))
        logits: Tensor = self.classifier(features)
        return logits
