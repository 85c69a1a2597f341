"""The class of every pixel by an encoder and a decoder, and objects from it.

Badrinarayanan, Kendall & Cipolla, "SegNet: A Deep Convolutional Encoder-Decoder Architecture for
Image Segmentation", IEEE PAMI 2017.
"""

from pathlib import Path

from cvdl.core.registry import Model, deferred
from cvdl.detection.registry import DETECTORS

DETECTORS.register(
    Model(
        name="segnet",
        description="Encoder and decoder that classify every pixel (Badrinarayanan et al. 2017).",
        loader=deferred("cvdl.detection.models.segnet.detector:SegNetDetector.load"),
        trainer=deferred("cvdl.detection.models.segnet.training:trainer"),
        weights=Path(__file__).with_name("segnet.safetensors"),
    )
)
