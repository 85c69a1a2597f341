"""R-CNN: proposals, each classified and refined by a network that sees its crop.

Girshick, Donahue, Darrell & Malik 2014, with the multi-task network of Fast R-CNN (Girshick 2015,
section 2.3) instead of the support vector machines and the separate regression: one last layer
predicts the class, with one more for the background, and the deltas of the box. The deltas are
shared by all classes (as in R-FCN, Dai et al. 2016, section 2), as there are few labeled boxes.

With the boxes of the segmentation, the segmentation localizes and the network classifies.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cvdl.core.frame import RgbdFrame
from cvdl.detection.detections import Detections
from cvdl.detection.detector import FrameByFrame
from cvdl.detection.proposals import Proposer, SegmentsOrSearch
from cvdl.detection.suppression import best_of_each_class
from cvdl.networks.classifiers import MODEL, RANDOM, Classifier, build_classifier
from cvdl.networks.crops import color_tensor, cut_crops, refined_boxes
from cvdl.networks.metadata import WeightsError, classes_of
from cvdl.networks.weights import check_state, load_weights, save_weights

__all__ = ["Rcnn", "load", "rcnn_network"]

_SCORE = 0.05  # lowest score of a detection
_OVERLAP = 0.3  # largest IoU of two detections of a class, as in the paper
_BATCH = 256  # crops: limits the memory
_DELTAS = 4


def rcnn_network(
    backbone: str, classes: int, weights: str = RANDOM, frozen_stages: int = 0
) -> Classifier:
    """Return a network with an output per class, one for the background, and four deltas.

    See `build_classifier` for arguments and errors.
    """
    return build_classifier(backbone, classes + 1 + _DELTAS, weights, frozen_stages)


class Rcnn(FrameByFrame):
    """Classifies and refines boxes: given ones, or those of a proposer.

    Args:
        network: see `rcnn_network`.
        classes: class names, in the order of the class indices.
        crop: side of the network's input, pixels.
        proposer: finds the boxes where none are given.
    """

    def __init__(
        self,
        network: Classifier,
        classes: Sequence[str],
        crop: int,
        proposer: Proposer | None = None,
    ) -> None:
        self.classes = tuple(classes)
        self.network = network.eval()
        self.crop = crop
        self._proposer = proposer or SegmentsOrSearch()

    def detect(self, frame: RgbdFrame, proposals: NDArray[np.float64] | None) -> Detections:
        """Detect objects in one frame.

        Without proposals it uses the objects on the support plane; if the depth shows no plane,
        selective search.
        """
        boxes = self._proposer(frame) if proposals is None else proposals
        refined, probabilities = self._predict(frame, boxes)
        of_classes = probabilities[:, :-1].cpu().numpy()
        return best_of_each_class(refined.cpu().numpy(), of_classes, _SCORE, _OVERLAP)

    def classify(
        self, frame: RgbdFrame, boxes: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Classify and refine boxes.

        Args:
            frame: only the color is used.
            boxes: (N, 4) pixels.

        Returns:
            Probabilities (N, classes + 1), the background last; and the refined boxes (N, 4).
        """
        refined, probabilities = self._predict(frame, boxes)
        return probabilities.double().numpy(), refined.double().numpy()

    @torch.no_grad()
    def _predict(self, frame: RgbdFrame, boxes: NDArray[np.float64]) -> tuple[Tensor, Tensor]:
        """Refined boxes (N, 4) and probabilities (N, classes + 1), on the CPU."""
        device, outside = self.network.mean.device, self.network.mean
        given = torch.from_numpy(np.array(boxes, np.float32).reshape(-1, 4))
        crops = cut_crops(color_tensor(frame, device), given.to(device), self.crop, outside)
        crops = crops.contiguous(memory_format=torch.channels_last)
        outputs = torch.cat([self.network(some) for some in crops.split(_BATCH)]).cpu()
        height, width = frame.depth.shape
        refined = refined_boxes(given, outputs[:, -_DELTAS:], (height, width))
        return refined, outputs[:, :-_DELTAS].softmax(1)

    def save(self, path: Path, metadata: Mapping[str, str]) -> None:
        """Write the weights with the names of the model and of the classes.

        Raises:
            OSError: if the file cannot be written.
        """
        own = {
            "model": MODEL,
            "backbone": self.network.name,
            "crop": str(self.crop),
            "classes": json.dumps(self.classes),
        }
        save_weights(path, self.network.state_dict(), {**metadata, **own})


def load(weights: str, device: torch.device) -> Rcnn:
    """Load a detector from a file that `Rcnn.save` wrote.

    Raises:
        WeightsError: if the file is missing, damaged or of another model or number of classes.
    """
    path = Path(weights)
    state, metadata = load_weights(path, MODEL)
    classes = classes_of(path, metadata)
    try:
        backbone, crop = metadata["backbone"], int(metadata["crop"])
    except (KeyError, ValueError) as error:
        raise WeightsError(
            f"{path}: names no backbone and crop; expected weights of rcnn written by cvdl train"
        ) from error
    network = rcnn_network(backbone, len(classes))
    check_state(path, state, network.state_dict())
    network.load_state_dict(state)
    on_device: nn.Module = network.to(device).to(memory_format=torch.channels_last)
    assert isinstance(on_device, Classifier)
    return Rcnn(on_device, classes, crop)
