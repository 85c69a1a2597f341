"""The detector: the class of every pixel, and the objects that they form."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cvdl.core.frame import RgbdFrame
from cvdl.detection.detections import Detections
from cvdl.detection.models.segnet.network import SegNet
from cvdl.detection.trained import TrainedDetector
from cvdl.networks.boxes import masks_to_boxes
from cvdl.networks.input import CHANNELS, network_input
from cvdl.networks.working_size import to_working_size

__all__ = ["SegNetDetector"]

_LEAST_SIDE = 32  # pixels of the network's input: five poolings leave one
_LEAST_AREA = 40  # pixels of that; the segmentation drops smaller objects, too
_EDGE = 0.2  # probability from which a pixel is an edge between two objects: edges are few
_MOST = 100  # objects in an image


class SegNetDetector(TrainedDetector):
    """Predicts the class of every pixel from color and depth, and objects and masks from these.

    Color or depth may be missing. Besides the classes of the pixels, as in the paper, the network
    predicts the edges where two objects meet: they separate touching objects of one class.

    Args:
        classes: class names, in the order of the class indices.
        width: channels of the first encoder.
    """

    def __init__(self, classes: Sequence[str], width: int = 32) -> None:
        super().__init__(classes)
        self.network = SegNet(CHANNELS, len(self.classes) + 2, width)

    @torch.inference_mode()
    def detect(self, frame: RgbdFrame, proposals: NDArray[np.float64] | None) -> Detections:
        """Detect objects and their masks in one frame.

        The pixels of any class in a proposal are one object, of their most frequent class. The
        other objects are those that lie mostly outside of the proposals. The score is the mean
        probability of the class over the mask.
        """
        height, width = frame.depth.shape
        classes, edge = self._predict(frame)
        class_map = classes.argmax(0).to(torch.uint8).cpu().numpy()
        probability = classes.cpu().numpy()
        factors = np.array(class_map.shape[::-1]) / (width, height)
        given = np.zeros((0, 4)) if proposals is None else proposals
        cells = np.rint(np.reshape(given, (-1, 4)) * np.tile(factors, 2)).astype(int).clip(0)
        is_edge = edge.cpu().numpy() > _EDGE
        in_boxes = (self._object_in(box, class_map) for box in cells)
        found = [each for each in in_boxes if each is not None]
        free = np.ones(class_map.shape, bool)
        for left, top, right, bottom in cells:
            free[top:bottom, left:right] = False
        for label in np.unique(class_map[class_map < len(self.classes)]):
            parts = _separated(class_map == label, is_edge)
            found += [(int(label), mask) for mask in parts if free[mask].mean() > 0.5]
        scores = np.array([probability[label][mask].mean() for label, mask in found])
        order = np.argsort(-scores, kind="stable")[:_MOST]
        masks = np.zeros((len(order), height, width), bool)
        for row, index in enumerate(order):
            small = found[index][1].astype(np.uint8)
            masks[row] = cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
        labels = np.array([found[index][0] for index in order], np.int64)
        kept = masks.any(axis=(1, 2))  # a mask can vanish in a frame smaller than the input
        masks = masks[kept]
        scores = scores[order[kept]].astype(float)
        return Detections(masks_to_boxes(masks), labels[kept], scores, masks)

    @torch.inference_mode()
    def class_map(self, frame: RgbdFrame) -> NDArray[np.uint8]:
        """Return the class index of every pixel, (H, W); ``len(classes)`` for no class."""
        height, width = frame.depth.shape
        probabilities, _ = self._predict(frame)
        classes = probabilities.argmax(0).to(torch.uint8).cpu().numpy()
        whole: NDArray[np.uint8] = cv2.resize(
            classes, (width, height), interpolation=cv2.INTER_NEAREST_EXACT
        )
        return whole

    def logits(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return the outputs of the network.

        Args:
            images: (N, 9, H, W) float32, see ``network_input``.

        Returns:
            Logits of the classes (N, C + 1, H, W), the last for no class; and of an edge between
            two objects (N, H, W).
        """
        outputs = self.network(images.contiguous(memory_format=torch.channels_last)).float()
        return outputs[:, :-1], outputs[:, -1]

    def _predict(self, frame: RgbdFrame) -> tuple[Tensor, Tensor]:
        """Probabilities of the classes (C + 1, h, w) and of an edge (h, w), at half resolution."""
        frame, _ = to_working_size(frame)
        height, width = (max(1, side // 2) for side in frame.depth.shape)
        image = torch.zeros(1, CHANNELS, max(height, _LEAST_SIDE), max(width, _LEAST_SIDE))
        if min(frame.depth.shape) > 1:
            image[0, :, :height, :width] = torch.from_numpy(frame.derived(network_input))
        classes, edge = self.logits(image.to(self.device))
        return classes[0, :, :height, :width].softmax(0), edge[0, :height, :width].sigmoid()

    def _object_in(
        self, box: NDArray[np.int_], class_map: NDArray[np.uint8]
    ) -> tuple[int, NDArray[np.bool_]] | None:
        """Most frequent class in a box (4,) and the mask of all classes; None if it is small."""
        left, top, right, bottom = box
        inside = class_map[top:bottom, left:right]
        pixels = np.bincount(inside.ravel(), minlength=len(self.classes))[: len(self.classes)]
        label = int(pixels.argmax())
        if pixels[label] < _LEAST_AREA:
            return None
        mask = np.zeros(class_map.shape, bool)
        mask[top:bottom, left:right] = inside < len(self.classes)
        return label, mask


def _separated(mask: NDArray[np.bool_], is_edge: NDArray[np.bool_]) -> list[NDArray[np.bool_]]:
    """Masks (h, w) of the objects in the mask of one class.

    Edge pixels belong to the nearest object. A component of edge pixels only, such as a fork on a
    plate, is one object.
    """
    _, touching = cv2.connectedComponents(mask.astype(np.uint8))
    seeds = mask & ~is_edge
    seeds |= ~np.isin(touching, touching[seeds]) & mask
    _, nearest = cv2.distanceTransformWithLabels(
        (~seeds).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_CCOMP
    )
    numbers = np.where(mask, nearest, 0)
    areas = np.bincount(numbers.ravel())
    return [numbers == number for number in np.flatnonzero(areas >= _LEAST_AREA) if number]
