"""Features of random views, computed once: the backbone does not learn, and takes most of the time.

Features are kept in 8 bits, as the exported backbone has them, with a scale for each channel.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import avg_pool2d

from cvdl.datasets.detection_sample import DetectionSample
from cvdl.detection.models.yolo.frames import known_scale
from cvdl.networks.backbone import Backbone
from cvdl.networks.device import computes_bfloat16
from cvdl.networks.sampling import WIDE_STRIDE
from cvdl.training.box_views import LabeledImage, random_views, stacked
from cvdl.training.task import padded

__all__ = ["FeatureBatch", "KeptView", "KeptViews"]

_CHUNK = 8  # images whose features are computed together
_ROOM = 1.3  # times the largest value in the first chunk: the largest one that is kept


@dataclass(frozen=True)
class KeptView:
    """Features of a view, and its objects.

    Attributes:
        fine, wide: (h, w, C) uint8, see ``Backbone``.
        scale: (2, h, w) float16, see ``scale_of_cells``; of the size of the wide features.
        boxes: (N, 4) float32, pixels of the view.
        labels: (N,) int64.
    """

    fine: NDArray[np.uint8]
    wide: NDArray[np.uint8]
    scale: NDArray[np.float16]
    boxes: NDArray[np.float32]
    labels: NDArray[np.int64]


class FeatureBatch(NamedTuple):
    """A batch of ``KeptView``: its arrays stacked, boxes (B, N, 4) and labels (B, N) padded."""

    fine: Tensor
    wide: Tensor
    scale: Tensor
    boxes: Tensor
    labels: Tensor

    @classmethod
    def of(cls, views: Sequence[KeptView]) -> FeatureBatch:
        """Stack views."""
        fine, wide, scale = (
            torch.from_numpy(np.stack([getattr(view, name) for view in views]))
            for name in ("fine", "wide", "scale")
        )
        return cls(
            fine,
            wide,
            scale,
            padded([view.boxes for view in views]),
            padded([view.labels for view in views], -1),  # no label: no object
        )


class KeptViews(Sequence[KeptView]):
    """Random views of samples as features, see ``random_views``.

    Args:
        samples: labeled; crowds are skipped.
        count: views of each sample.
        backbone: in evaluation mode, on any device.
        seed: of the views; nothing else determines them.
    """

    def __init__(
        self, samples: Iterable[DetectionSample], count: int, backbone: Backbone, seed: int
    ) -> None:
        self._backbone, self._rng = backbone, np.random.default_rng(seed)
        self._largest: tuple[Tensor, ...] = ()  # value of each channel, of fine and wide features
        self._views: list[KeptView] = []
        chunk: list[LabeledImage] = []
        device = next(backbone.parameters()).device
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            torch.manual_seed(seed)
            for sample in samples:
                chunk.append(LabeledImage.of(sample))
                if len(chunk) == _CHUNK:
                    self._add(chunk, count)
                    chunk = []
            if chunk:
                self._add(chunk, count)

    def __len__(self) -> int:
        return len(self._views)

    def __getitem__(self, index: Any) -> Any:
        return self._views[index]

    def features(self, batch: FeatureBatch) -> tuple[Tensor, Tensor, Tensor]:
        """Fine and wide features (B, C, h, w) float32, and scales, of a batch on any device."""
        fine, wide = (
            (kept.permute(0, 3, 1, 2) * (most.to(kept.device) / 255)[:, None, None])
            for kept, most in zip((batch.fine, batch.wide), self._largest, strict=True)
        )
        return fine, wide, batch.scale.float()

    @torch.no_grad()
    def _add(self, images: Sequence[LabeledImage], count: int) -> None:
        device = next(self._backbone.parameters()).device
        mixed = computes_bfloat16(device)
        for _ in range(count):
            batch = stacked(images, self._rng)
            with torch.autocast(device.type, torch.bfloat16, enabled=mixed):
                view, scale, boxes, labels = random_views(batch)
                view = view.to(device).contiguous(memory_format=torch.channels_last)
                features = [some.float().cpu() for some in self._backbone(view)]
            if not self._largest:
                self._largest = tuple(
                    _ROOM * some.amax((0, 2, 3)).clamp(min=1e-6) for some in features
                )
            fine, wide = (
                (some * (255 / most)[:, None, None]).round().clamp(max=255).byte()
                for some, most in zip(features, self._largest, strict=True)
            )
            meters, share = avg_pool2d(scale, WIDE_STRIDE // 2).numpy().swapaxes(0, 1)
            known = known_scale(meters, share).swapaxes(0, 1).astype(np.float16)
            for row, (own, names) in enumerate(zip(boxes, labels, strict=True)):
                kept = names >= 0
                self._views.append(
                    KeptView(
                        fine[row].permute(1, 2, 0).numpy().copy(),
                        wide[row].permute(1, 2, 0).numpy().copy(),
                        known[row],
                        own[kept].numpy(),
                        names[kept].numpy(),
                    )
                )
