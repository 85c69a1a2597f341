"""The class of every pixel by an encoder and a decoder, and objects from it.

Badrinarayanan, Kendall & Cipolla, "SegNet: A Deep Convolutional Encoder-Decoder Architecture for
Image Segmentation", IEEE PAMI 2017.
"""

from cvdl.detection.registry import DETECTORS

DETECTORS.declare(
    __name__,
    "Encoder and decoder that classify every pixel (Badrinarayanan et al. 2017).",
    "detector:SegNetDetector.load",
    "training:trainer",
)
