"""The detector: every pixel's class, and which of a class's pixels are one thing."""

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
from cvdl.networks.boxes import boxes_of
from cvdl.networks.input import CHANNELS, network_input
from cvdl.networks.working_size import to_working_size

__all__ = ["SegNetDetector"]

_LEAST_SIDE = 32  # pixels of the image that the network sees: what five poolings leave one of
_LEAST_AREA = 40  # pixels of it that are a thing; smaller ones are nothing to the segmentation too
_EDGE = 0.2  # probability of an edge from which pixels part two things: edges are few
_MOST = 100  # things in a picture


class SegNetDetector(TrainedDetector):
    """Tells the class of every pixel from colour and depth, and from that things and their masks.

    Either of colour and depth may be missing. Beside the paper's classes of pixels the network
    tells where two things meet: pixels of one class that touch are one thing up to there.

    Args:
        classes: names, in the order of the labels.
        width: channels of the first encoder.
    """

    def __init__(self, classes: Sequence[str], width: int = 32) -> None:
        super().__init__()
        self.classes = tuple(classes)
        self.network = SegNet(CHANNELS, len(self.classes) + 2, width)

    @torch.inference_mode()
    def __call__(
        self,
        frames: Sequence[RgbdFrame],
        proposals: Sequence[NDArray[np.float64]] | None = None,
    ) -> list[Detections]:
        """What is in each frame, with masks; see ``Detector``.

        Of a given box the pixels of any class are one thing, which is what most of them are; then
        comes what lies mostly outside of given boxes. The score is the mean probability of the
        class over the mask.
        """
        return [
            self._things(frame, np.zeros((0, 4)) if proposals is None else proposals[number])
            for number, frame in enumerate(frames)
        ]

    @torch.inference_mode()
    def class_map(self, frame: RgbdFrame) -> NDArray[np.uint8]:
        """The class of every pixel, (H, W): a place in ``classes``, or their number for none."""
        height, width = frame.depth.shape
        told, _ = self._look(frame)
        classes = told.argmax(0).to(torch.uint8).cpu().numpy()
        whole: NDArray[np.uint8] = cv2.resize(
            classes, (width, height), interpolation=cv2.INTER_NEAREST_EXACT
        )
        return whole

    def logits(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """What the network tells of images.

        Args:
            images: (N, 9, H, W) float32, see ``network_input``.

        Returns:
            Logits of the classes (N, C + 1, H, W), the last of none of them; and of an edge where
            two things meet (N, H, W).
        """
        told = self.network(images.contiguous(memory_format=torch.channels_last)).float()
        return told[:, :-1], told[:, -1]

    def _look(self, frame: RgbdFrame) -> tuple[Tensor, Tensor]:
        """Probabilities of the classes (C + 1, h, w) and of an edge (h, w), at half resolution."""
        frame, _ = to_working_size(frame)
        height, width = (max(1, side // 2) for side in frame.depth.shape)
        image = torch.zeros(1, CHANNELS, max(height, _LEAST_SIDE), max(width, _LEAST_SIDE))
        if min(frame.depth.shape) > 1:
            image[0, :, :height, :width] = torch.from_numpy(network_input(frame))
        classes, edge = self.logits(image.to(next(self.parameters()).device))
        return classes[0, :, :height, :width].softmax(0), edge[0, :height, :width].sigmoid()

    def _things(self, frame: RgbdFrame, given: NDArray[np.float64]) -> Detections:
        height, width = frame.depth.shape
        told, edge = self._look(frame)
        label_map = told.argmax(0).to(torch.uint8).cpu().numpy()
        probability = told.cpu().numpy()
        factors = np.array(label_map.shape[::-1]) / (width, height)
        cells = np.rint(np.reshape(given, (-1, 4)) * np.tile(factors, 2)).astype(int).clip(0)
        is_edge = edge.cpu().numpy() > _EDGE
        things = (self._thing_in(box, label_map) for box in cells)
        found = [thing for thing in things if thing is not None]
        free = np.ones(label_map.shape, bool)
        for left, top, right, bottom in cells:
            free[top:bottom, left:right] = False
        for label in np.unique(label_map[label_map < len(self.classes)]):
            parts = _parted(label_map == label, is_edge)
            found += [(int(label), mask) for mask in parts if free[mask].mean() > 0.5]
        scores = np.array([probability[label][mask].mean() for label, mask in found])
        order = np.argsort(-scores, kind="stable")[:_MOST]
        masks = np.zeros((len(order), height, width), bool)
        for row, index in enumerate(order):
            small = found[index][1].astype(np.uint8)
            masks[row] = cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
        labels = np.array([found[index][0] for index in order], np.int64)
        left = masks.any(axis=(1, 2))  # in a small picture less is left of a thing than was seen
        masks = masks[left]
        return Detections(boxes_of(masks), labels[left], scores[order[left]].astype(float), masks)

    def _thing_in(
        self, box: NDArray[np.int_], label_map: NDArray[np.uint8]
    ) -> tuple[int, NDArray[np.bool_]] | None:
        """The class of most pixels of any in a box (4,), and all these; None if they are few."""
        left, top, right, bottom = box
        inside = label_map[top:bottom, left:right]
        pixels = np.bincount(inside.ravel(), minlength=len(self.classes))[: len(self.classes)]
        label = int(pixels.argmax())
        if pixels[label] < _LEAST_AREA:
            return None
        mask = np.zeros(label_map.shape, bool)
        mask[top:bottom, left:right] = inside < len(self.classes)
        return label, mask


def _parted(mask: NDArray[np.bool_], is_edge: NDArray[np.bool_]) -> list[NDArray[np.bool_]]:
    """The things (h, w) that the pixels of one class are.

    Pixels of an edge go to the thing next to them; what is all edge, as a fork on a plate, is one.
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
