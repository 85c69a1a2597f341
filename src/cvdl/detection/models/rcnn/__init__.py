"""Proposals, each cropped, classified and refined by a network.

Girshick, Donahue, Darrell & Malik, "Rich feature hierarchies for accurate object detection and
semantic segmentation", CVPR 2014.

``detector`` runs a network of ``cvdl.networks.classifiers`` on the crops. ``training`` learns from
the crops that ``samples`` cuts: ``cvdl train detector --detector rcnn``, or ``cvdl train
classifier``, which scores the network alone. The package has no weights for it.
"""

from cvdl.detection.registry import DETECTORS

DETECTORS.declare(
    __name__,
    "A classifier of proposals with one of eleven backbones (Girshick et al. 2014).",
    "detector:load",
    "training:trainer",
)
