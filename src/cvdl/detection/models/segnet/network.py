"""SegNet: every pixel's class, by an encoder and a decoder that mirrors it.

Badrinarayanan, Kendall & Cipolla, "SegNet: A Deep Convolutional Encoder-Decoder Architecture for
Image Segmentation", IEEE PAMI 2017, section 3. Each decoder puts the features that it is given
where its encoder's pooling had found the largest, so that outlines stay sharp without the
encoder's own features being kept.

As in their SegNet-Basic an encoder has one convolution; the decoders have ReLUs, as those of the
full SegNet. Its thirteen convolutions, VGG16's, which the paper starts from weights of ImageNet,
learn little in the hour that a CPU takes for these.
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn
from torch.nn.functional import max_pool2d, max_unpool2d

from cvdl.networks.layers import convolution

__all__ = ["SegNet"]

#: Channels of each encoder, in units of the first one's. The paper has four encoders of as many
#: channels each, and kernels of 7: a fifth, and more channels where pixels are few, cost less than
#: such kernels and see as far.
_CHANNELS = (1, 1, 2, 4, 4)
_KERNEL = 5
_POOL = 2


class SegNet(nn.Module):
    """Encoders of a convolution, batch norm, ReLU and pooling each, and their mirror image.

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
        steps[0] = width, width  # the last decoder gives features, not an image
        self.decoders = nn.ModuleList(
            convolution(after, before, size=_KERNEL) for before, after in reversed(steps)
        )
        self.classifier = nn.Conv2d(width, outputs, 1)
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
        for decoder in self.decoders:
            largest, size = pooled.pop()
            features = decoder(max_unpool2d(features, largest, [_POOL] * 2, output_size=size))
        logits: Tensor = self.classifier(features)
        return logits
