"""The default detector: proposals of its own and of the segmentation, named and mended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torchvision.ops import batched_nms, clip_boxes_to_image

from cvdl.core.frame import RgbdFrame
from cvdl.detection.detections import Detections
from cvdl.detection.models.rgbd_rcnn.boxes import decode_cells, mend, overlaps
from cvdl.detection.models.rgbd_rcnn.inputs import gpu_input_of, input_of
from cvdl.detection.models.rgbd_rcnn.network import (
    MULTIPLE,
    SIZES,
    STRIDE,
    Backbone,
    ProposalHead,
    RegionHead,
)
from cvdl.detection.trained import TrainedDetector
from cvdl.networks.cuda_graphs import captured
from cvdl.networks.input_gpu import uploaded
from cvdl.networks.working_size import to_working_size

__all__ = ["RgbdRcnn"]

_PROPOSALS = 32  # of its own that the second network looks at
_LOOKS = 2  # of the second network, the last at boxes it has mended (Gidaris & Komodakis 2015)
_FIRST_LOOK = 400  # best cells that proposals are chosen from
_PROPOSAL_OVERLAP = 0.7  # above it the worse of two proposals goes (Ren et al. 2015)
_ROUNDS = 12  # of suppression: longer chains of boxes that overlap the next one are rare
_OVERLAP = 0.6  # above it the worse of two boxes of one class goes
_LOWEST_SCORE = 0.02
_MOST = 100  # boxes of a picture
_SOME = 16  # boxes that a GPU looks at come in multiples of this


class RgbdRcnn(TrainedDetector):
    """Finds and names things in colour and depth; either may be missing.

    Args:
        classes: names, in the order of the labels.
        width: channels of the first layers.
    """

    def __init__(self, classes: Sequence[str], width: int = 32) -> None:
        super().__init__()
        self.classes = tuple(classes)
        self.backbone = Backbone(width)
        self.first = ProposalHead(3 * width)
        self.second = RegionHead(3 * width // 2, 3 * width, len(self.classes))

    @torch.inference_mode()
    def __call__(
        self,
        frames: Sequence[RgbdFrame],
        proposals: Sequence[NDArray[np.float64]] | None = None,
    ) -> list[Detections]:
        """What is in each frame; given proposals are looked at besides its own.

        See ``Detector``. A box may come back with several classes, each with its score.
        """
        found = []
        for number, frame in enumerate(frames):
            if min(frame.depth.shape) < 2:  # nothing is left of it at half resolution
                found.append(Detections.none())
                continue
            frame, factors = to_working_size(frame)
            factors = np.tile(factors, 2)  # of both corners of a box
            image, scale = self.input_of(frame)
            given = image.new_zeros(0, 4)
            if proposals is not None:
                boxes = np.reshape(proposals[number], (-1, 4)) * factors
                given = torch.from_numpy(np.float32(boxes)).to(image.device)
            seen = self.detect(image, scale, given)
            found.append(replace(seen, boxes=seen.boxes / factors))
        return found

    def input_of(self, frame: RgbdFrame) -> tuple[Tensor, Tensor]:
        """What the networks see of a frame, on their device; see ``inputs.py``."""
        device = next(self.parameters()).device
        if device.type == "cuda":
            image, scale = self._make_input(*uploaded(frame, device))
            return image, scale
        return input_of(frame)

    def detect(self, image: Tensor, scale: Tensor, given: Tensor) -> Detections:
        """What is in one picture.

        Args:
            image: (1, 18, H, W), see ``input_of``.
            scale: (1, 2, H, W).
            given: (N, 4) boxes to look at besides its own proposals.
        """
        fine, wide, proposals = self._see(image)
        boxes = torch.cat([given, proposals])
        count = len(boxes)
        if boxes.is_cuda:  # so that few graphs serve any number of segments
            boxes = nn.functional.pad(boxes, (0, 0, 0, -count % _SOME))
        boxes, scores = (some[:count] for some in self._look(fine, wide, scale, boxes))
        row, label = (scores > _LOWEST_SCORE).nonzero(as_tuple=True)
        scores = scores[row, label]
        keep = batched_nms(boxes[row], scores, label, _OVERLAP)[:_MOST]
        return Detections(
            boxes[row[keep]].double().cpu().numpy(),
            label[keep].cpu().numpy(),
            scores[keep].double().cpu().numpy(),
        )

    @captured
    def _make_input(self, color: Tensor, depth: Tensor, intrinsics: Tensor) -> tuple[Tensor, ...]:
        return gpu_input_of(color, depth, intrinsics)

    @captured
    def _see(self, image: Tensor) -> tuple[Tensor, ...]:
        """Fine and wide features of a picture (1, 18, H, W) of any size, and proposals (N, 4)."""
        height, width = image.shape[-2:]
        padding = (0, -width % MULTIPLE, 0, -height % MULTIPLE)
        padded = nn.functional.pad(image, padding).contiguous(memory_format=torch.channels_last)
        fine, wide = self.backbone(padded)
        return fine, wide, self.propose(*self.first(wide))[0]

    @captured
    def _look(self, fine: Tensor, wide: Tensor, scale: Tensor, boxes: Tensor) -> tuple[Tensor, ...]:
        """The second network's boxes (N, 4), mended, and scores (N, classes)."""
        whole = 2 * scale.shape[-2], 2 * scale.shape[-1]  # the frame's height and width
        boxes = clip_boxes_to_image(boxes, whole)
        logits = torch.zeros(len(boxes), len(self.classes), device=boxes.device)
        for _ in range(_LOOKS):
            told, deltas = self.second(fine, wide, scale, boxes[None])
            boxes = clip_boxes_to_image(mend(boxes, deltas.float()), whole)
            logits += told / _LOOKS
        return boxes, logits.sigmoid()

    def propose(self, logits: Tensor, deltas: Tensor, count: int = _PROPOSALS) -> Tensor:
        """The first network's best boxes.

        Args:
            logits: (B, S, h, w).
            deltas: (B, S, 4, h, w).
            count: of a picture; fewer where it has not so many cells.

        Returns:
            (B, N, 4), best first; those that a better one overlaps come last.
        """
        boxes = decode_cells(deltas, STRIDE, SIZES).flatten(1, 3)
        scores = logits.float().flatten(1).sigmoid()
        index = scores.topk(min(_FIRST_LOOK, scores.shape[1])).indices
        boxes = boxes.gather(1, index[..., None].expand(-1, -1, 4))
        shadows = (overlaps(boxes, boxes) > _PROPOSAL_OVERLAP).triu(diagonal=1).float()
        # Greedy suppression of all pictures at once: a box stays unless a better one that stays
        # overlaps it. Each round settles the boxes whose better ones are settled.
        stays = torch.ones_like(boxes[..., 0])
        for _ in range(_ROUNDS):
            stays = ((stays[:, None] @ shadows)[:, 0] == 0).float()
        order = (1 - stays).argsort(dim=1, stable=True)[:, :count]
        return boxes.gather(1, order[..., None].expand(-1, -1, 4))
