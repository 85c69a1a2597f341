"""The default detector: proposals of its own and of the segmentation, named and mended."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torchvision.ops import batched_nms, nms

from cvdl.detection.detections import Detections
from cvdl.detection.rgbd.boxes import decode_cells, mend
from cvdl.detection.rgbd.network import (
    MULTIPLE,
    SIZES,
    STRIDE,
    Backbone,
    ProposalHead,
    RegionHead,
)
from cvdl.detection.trained import TrainedDetector
from cvdl.frame import RgbdFrame
from cvdl.network_input import network_input

__all__ = ["RgbdRcnn", "input_of"]

_PROPOSALS = 32  # of its own that the second network looks at
_LOOKS = 2  # of the second network, the last at boxes it has mended (Gidaris & Komodakis 2015)
_FIRST_LOOK = 400  # best cells that proposals are chosen from
_PROPOSAL_OVERLAP = 0.7  # above it the worse of two proposals goes (Ren et al. 2015)
_OVERLAP = 0.6  # above it the worse of two boxes of one class goes
_LOWEST_SCORE = 0.02
_MOST = 100  # boxes of a picture


class RgbdRcnn(TrainedDetector):
    """Finds and names things in colour and depth; either may be missing.

    Args:
        classes: names, in the order of the labels.
    """

    def __init__(self, classes: Sequence[str], width: int = 32) -> None:
        super().__init__()
        self.classes = tuple(classes)
        self.backbone = Backbone(width)
        self.first = ProposalHead(3 * width)
        self.second = RegionHead(width, 3 * width, len(self.classes))

    @torch.inference_mode()
    def __call__(
        self,
        frames: Sequence[RgbdFrame],
        proposals: Sequence[NDArray[np.float64]] | None = None,
    ) -> list[Detections]:
        """What is in each frame; given proposals are looked at besides its own.

        See ``Detector``. A box may come back with several classes, each with its score.
        """
        device = next(self.parameters()).device
        found = []
        for number, frame in enumerate(frames):
            image, scale = (torch.from_numpy(a[None]).to(device) for a in input_of(frame))
            given = torch.zeros((0, 4), device=device)
            if proposals is not None:
                given = torch.from_numpy(np.float32(proposals[number])).reshape(-1, 4).to(device)
            found.append(self.detect(image, scale, given))
        return found

    def detect(self, image: Tensor, scale: Tensor, given: Tensor) -> Detections:
        """What is in one picture.

        Args:
            image: (1, 9, H, W), see ``input_of``.
            scale: (1, 2, H, W).
            given: (N, 4) boxes to look at besides its own proposals.
        """
        height, width = image.shape[-2:]
        fine, wide = self.features(image)
        boxes = torch.cat([given, self.propose(*self.first(wide))[0][0]])
        boxes = _clip(boxes, 2 * width, 2 * height)
        logits = torch.zeros(len(boxes), len(self.classes), device=boxes.device)
        for _ in range(_LOOKS):
            told, deltas = self.second(fine, wide, scale, boxes[None])
            boxes = _clip(mend(boxes, deltas.float()), 2 * width, 2 * height)
            logits += told / _LOOKS
        scores = logits.sigmoid()
        row, label = (scores > _LOWEST_SCORE).nonzero(as_tuple=True)
        scores = scores[row, label]
        keep = batched_nms(boxes[row], scores, label, _OVERLAP)[:_MOST]
        return Detections(
            boxes[row[keep]].double().cpu().numpy(),
            label[keep].cpu().numpy(),
            scores[keep].double().cpu().numpy(),
        )

    def features(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Fine and wide features of a picture (1, 9, H, W) of any size; see ``Backbone``."""
        height, width = image.shape[-2:]
        padding = (0, -width % MULTIPLE, 0, -height % MULTIPLE)
        padded = nn.functional.pad(image, padding).contiguous(memory_format=torch.channels_last)
        fine, wide = self.backbone(padded)
        return fine, wide

    def propose(
        self, logits: Tensor, deltas: Tensor, count: int = _PROPOSALS
    ) -> tuple[list[Tensor], list[Tensor]]:
        """The first network's best boxes.

        Args:
            logits: (B, S, h, w).
            deltas: (B, S, 4, h, w).
            count: at most so many of a picture.

        Returns:
            For each picture boxes (N, 4) and scores (N,), best first.
        """
        boxes = decode_cells(deltas, STRIDE, SIZES).flatten(1, 3)
        scores = logits.float().flatten(1).sigmoid()
        values, index = scores.topk(min(_FIRST_LOOK, scores.shape[1]))
        chosen, kept = [], []
        for row in range(len(boxes)):
            some = boxes[row, index[row]]
            keep = nms(some, values[row], _PROPOSAL_OVERLAP)[:count]
            chosen.append(some[keep])
            kept.append(values[row][keep])
        return chosen, kept


def input_of(frame: RgbdFrame) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What the networks see of a frame.

    Returns:
        ``network_input``'s channels (9, H / 2, W / 2) float32; and (2, H / 2, W / 2) float32:
        metres a pixel of the full picture, 0 where unknown, and 1 where known.
    """
    image = network_input(frame)
    height, width = image.shape[1:]
    depth = frame.depth[: 2 * height : 2, : 2 * width : 2]
    known = np.isfinite(depth)
    scale = np.zeros((2, height, width), np.float32)
    np.divide(depth, np.float32(frame.camera.fx), out=scale[0], where=known)
    scale[1] = known
    return image, scale


def _clip(boxes: Tensor, width: int, height: int) -> Tensor:
    limits = boxes.new_tensor([width, height, width, height])
    return torch.minimum(boxes.clamp(min=0), limits)
