"""The default detector: its own proposals and those of the segmentation, classified and refined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cvdl.core.frame import RgbdFrame
from cvdl.detection.detections import Detections
from cvdl.detection.models.rgbd_rcnn.frames import ITERATIONS, detected
from cvdl.detection.models.rgbd_rcnn.network import ProposalHead, RegionHead, anchors_of
from cvdl.detection.trained import TrainedDetector
from cvdl.networks.backbone import Backbone, backbone_features, has_color, shared_backbone
from cvdl.networks.box_tensors import clipped_boxes, decode_boxes, paired_iou
from cvdl.networks.cuda_graphs import captured
from cvdl.networks.detailed_input import input_scale
from cvdl.networks.input_gpu import uploaded
from cvdl.networks.operators import best_of

__all__ = ["RgbdRcnn"]

_PROPOSALS = 32  # of the first network that the second one classifies
_CANDIDATES = 400  # best cells, from which proposals are selected
_PROPOSAL_OVERLAP = 0.7  # largest IoU of two proposals (Ren et al. 2015)
_ROUNDS = 12  # of suppression: longer chains of boxes that overlap the next one are rare
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
        return detected(frame, proposals, self._regions_of)

    def _regions_of(
        self, frame: RgbdFrame, given: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Boxes (N, 4) and scores (N, classes) of a frame at the working size."""
        fine, wide = backbone_features(frame, self.backbone)
        _, depth, intrinsics = frame.derived(uploaded, self.device)
        scale = input_scale(depth, intrinsics)[None]
        (boxes,) = self._propose(wide)
        boxes = torch.cat([torch.from_numpy(given).to(boxes.device), boxes])
        count = len(boxes)
        if boxes.is_cuda:  # few graphs for any number of boxes
            boxes = nn.functional.pad(boxes, (0, 0, 0, -count % _BLOCK))
        boxes, scores = self._classify(fine, wide, scale, boxes)
        return boxes[:count].cpu().numpy(), scores[:count].cpu().numpy()

    @captured
    def _propose(self, wide: Tensor) -> tuple[Tensor, ...]:
        """Proposals (N, 4) from the wide features of an image."""
        return (self.propose(*self.first(wide))[0],)

    @captured
    def _classify(
        self, fine: Tensor, wide: Tensor, scale: Tensor, boxes: Tensor
    ) -> tuple[Tensor, ...]:
        """Boxes (N, 4) refined by the second network, and their scores (N, classes)."""
        return self.classify(fine, wide, scale, boxes)

    def classify(
        self, fine: Tensor, wide: Tensor, scale: Tensor, boxes: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return boxes refined by the second network, and their scores.

        Args:
            fine, wide: features of an image, see ``Backbone``.
            scale: (1, 2, H / 2, W / 2), see ``input_scale``.
            boxes: (N, 4).

        Returns:
            Boxes (N, 4), clipped to the image, and scores (N, classes).
        """
        whole = 2 * scale.shape[-2], 2 * scale.shape[-1]  # height and width of the frame
        boxes = clipped_boxes(boxes, *whole)
        each = []
        for _ in range(ITERATIONS):
            logits, deltas = self.second(fine, wide, scale, boxes[None])
            boxes = clipped_boxes(decode_boxes(boxes, deltas.float()), *whole)
            each.append(logits.float())
        return boxes, (torch.stack(each).mean(0)).sigmoid()

    def propose(self, logits: Tensor, deltas: Tensor, count: int = _PROPOSALS) -> Tensor:
        """Return the best boxes of the first network.

        Args:
            logits: (B, S, h, w).
            deltas: (B, S, 4, h, w).
            count: number of boxes per image; fewer if there are fewer cells.

        Returns:
            (B, N, 4), best first; those that overlap a better one come last.
        """
        scores = logits.float().flatten(1).sigmoid()
        _, index = best_of(scores, _CANDIDATES)
        index = index[..., None].expand(-1, -1, 4)
        chosen = deltas.float().movedim(2, -1).flatten(1, 3).gather(1, index)
        anchors = anchors_of(deltas).flatten(0, 2).expand(len(index), -1, -1)
        boxes = decode_boxes(anchors.gather(1, index), chosen)
        iou = paired_iou(boxes[:, :, None], boxes[:, None])
        suppresses = (iou > _PROPOSAL_OVERLAP).float().triu(diagonal=1)
        # Greedy suppression in all images at once: a box is kept unless a better box that is kept
        # overlaps it. Each round settles the boxes whose better ones are settled.
        kept = torch.ones_like(boxes[..., 0])
        for _ in range(_ROUNDS):
            kept = ((kept[:, None] @ suppresses)[:, 0] == 0).float()
        place = torch.arange(kept.shape[1], device=kept.device)
        _, order = best_of(kept * kept.shape[1] - place, count)
        return boxes.gather(1, order[..., None].expand(-1, -1, 4))
