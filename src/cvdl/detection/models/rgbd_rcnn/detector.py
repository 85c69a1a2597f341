"""The default detector: its own proposals and those of the segmentation, classified and refined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torchvision.ops import clip_boxes_to_image

from cvdl.core.frame import RgbdFrame
from cvdl.detection.detections import Detections
from cvdl.detection.models.rgbd_rcnn.network import ProposalHead, RegionHead, decode_cells
from cvdl.detection.trained import TrainedDetector, best_of_each_class
from cvdl.networks.backbone import Backbone, backbone_features, has_color, shared_backbone
from cvdl.networks.box_tensors import decode_boxes, paired_iou
from cvdl.networks.cuda_graphs import captured
from cvdl.networks.detailed_input import input_scale
from cvdl.networks.input_gpu import uploaded
from cvdl.networks.working_size import to_working_size

__all__ = ["RgbdRcnn"]

_PROPOSALS = 32  # of the first network that the second one classifies
_ITERATIONS = 2  # of the second network, on the boxes that it refined (Gidaris & Komodakis 2015)
_CANDIDATES = 400  # best cells, from which proposals are selected
_PROPOSAL_OVERLAP = 0.7  # largest IoU of two proposals (Ren et al. 2015)
_ROUNDS = 12  # of suppression: longer chains of boxes that overlap the next one are rare
_OVERLAP = 0.6  # largest IoU of two boxes of one class
_LOWEST_SCORE = 0.02
_BLOCK = 16  # on a GPU, the number of boxes is padded to a multiple of this


class RgbdRcnn(TrainedDetector):
    """Detects objects in color and depth; either may be missing.

    Args:
        classes: class names, in the order of the class indices.
        width: channels of the first layers.
        has_color: whether the backbone has features of color; see ``Backbone``.
    """

    def __init__(self, classes: Sequence[str], width: int = 32, has_color: bool = False) -> None:
        super().__init__(classes)
        self.backbone = Backbone(width, has_color)
        self.first = ProposalHead(3 * width)
        self.second = RegionHead(3 * width // 2, 3 * width, len(self.classes))

    @classmethod
    def load(cls, path: str | Path, device: torch.device) -> RgbdRcnn:
        """Load a trained detector; see ``TrainedDetector``."""
        detector = super().load(path, device)
        detector.backbone = shared_backbone(detector.backbone)
        return detector

    @classmethod
    def fitting(cls, state: Mapping[str, Tensor], classes: Sequence[str]) -> RgbdRcnn:
        """A detector with the backbone of a state; see ``TrainedDetector``."""
        return cls(classes, has_color=has_color(state))

    @torch.inference_mode()
    def detect(self, frame: RgbdFrame, proposals: NDArray[np.float64] | None) -> Detections:
        """Detect objects in one frame; proposals are classified in addition to its own.

        A box can be returned with several classes, each with its score.
        """
        if min(frame.depth.shape) < 2:  # empty at half resolution
            return Detections.none()
        frame, factors = to_working_size(frame)
        factors = np.tile(factors, 2)  # of both corners of a box
        fine, wide = backbone_features(frame, self.backbone)
        _, depth, intrinsics = frame.derived(uploaded, self.device)
        scale = input_scale(depth, intrinsics)[None]
        (boxes,) = self._propose(wide)
        if proposals is not None:
            given = np.reshape(proposals, (-1, 4)) * factors
            boxes = torch.cat([torch.from_numpy(np.float32(given)).to(boxes.device), boxes])
        count = len(boxes)
        if boxes.is_cuda:  # few graphs for any number of boxes
            boxes = nn.functional.pad(boxes, (0, 0, 0, -count % _BLOCK))
        boxes, scores = (some[:count] for some in self._classify(fine, wide, scale, boxes))
        found = best_of_each_class(boxes, scores, _LOWEST_SCORE, _OVERLAP)
        return replace(found, boxes=found.boxes / factors)

    @captured
    def _propose(self, wide: Tensor) -> tuple[Tensor, ...]:
        """Proposals (N, 4) from the wide features of an image."""
        return (self.propose(*self.first(wide))[0],)

    @captured
    def _classify(
        self, fine: Tensor, wide: Tensor, scale: Tensor, boxes: Tensor
    ) -> tuple[Tensor, ...]:
        """Boxes (N, 4) refined by the second network, and their scores (N, classes)."""
        whole = 2 * scale.shape[-2], 2 * scale.shape[-1]  # height and width of the frame
        boxes = clip_boxes_to_image(boxes, whole)
        total = torch.zeros(len(boxes), len(self.classes), device=boxes.device)
        for _ in range(_ITERATIONS):
            logits, deltas = self.second(fine, wide, scale, boxes[None])
            boxes = clip_boxes_to_image(decode_boxes(boxes, deltas.float()), whole)
            total += logits / _ITERATIONS
        return boxes, total.sigmoid()

    def propose(self, logits: Tensor, deltas: Tensor, count: int = _PROPOSALS) -> Tensor:
        """Return the best boxes of the first network.

        Args:
            logits: (B, S, h, w).
            deltas: (B, S, 4, h, w).
            count: number of boxes per image; fewer if there are fewer cells.

        Returns:
            (B, N, 4), best first; those that overlap a better one come last.
        """
        boxes = decode_cells(deltas).flatten(1, 3)
        scores = logits.float().flatten(1).sigmoid()
        index = scores.topk(min(_CANDIDATES, scores.shape[1])).indices
        boxes = boxes.gather(1, index[..., None].expand(-1, -1, 4))
        iou = paired_iou(boxes[:, :, None], boxes[:, None])
        suppresses = (iou > _PROPOSAL_OVERLAP).triu(diagonal=1).float()
        # Greedy suppression in all images at once: a box is kept unless a better box that is kept
        # overlaps it. Each round settles the boxes whose better ones are settled.
        kept = torch.ones_like(boxes[..., 0])
        for _ in range(_ROUNDS):
            kept = ((kept[:, None] @ suppresses)[:, 0] == 0).float()
        order = (1 - kept).argsort(dim=1, stable=True)[:, :count]
        return boxes.gather(1, order[..., None].expand(-1, -1, 4))
