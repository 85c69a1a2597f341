"""The detector, in both styles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cvdl.core.frame import RgbdFrame
from cvdl.detection.detections import Detections
from cvdl.detection.models.yolo.exported import BACKBONE_OF
from cvdl.detection.models.yolo.frames import (
    MODERN,
    PUBLISHED,
    detected,
    detected_in_square,
    scale_of_cells,
)
from cvdl.detection.models.yolo.modern import ModernHead
from cvdl.detection.models.yolo.published import PublishedNetwork, decode_grid
from cvdl.detection.trained import TrainedDetector
from cvdl.networks.backbone import (
    Backbone,
    backbone_features,
    has_color,
    load_backbone,
    shared_backbone,
)
from cvdl.networks.cuda_graphs import captured
from cvdl.networks.engine import digest
from cvdl.networks.metadata import WeightsError
from cvdl.networks.weights import load_weights
from cvdl.segmentation.instances.loading import WEIGHTS

__all__ = ["Yolo", "packaged_backbone"]


class Yolo(TrainedDetector):
    """Detects objects in one pass.

    The network of the paper sees color; the modern one sees color and depth, either of which may
    be missing. The modern network is a head on the features of a backbone that does not learn with
    it: by default the one of the segmentation in the package, whose features the pipeline computes
    anyway.

    Args:
        classes: class names, in the order of the class indices.
        network: of either style.
        backbone: of the modern network, if it is not the one of the package.
    """

    def __init__(
        self,
        classes: Sequence[str],
        network: PublishedNetwork | ModernHead,
        backbone: Backbone | None = None,
    ) -> None:
        super().__init__(classes)
        self.network, self.backbone = network, backbone

    @property
    def style(self) -> str:
        """``published`` or ``modern``."""
        return PUBLISHED if isinstance(self.network, PublishedNetwork) else MODERN

    @classmethod
    def load(cls, path: str | Path, device: torch.device) -> Yolo:
        """Load a trained detector; see ``TrainedDetector``.

        Raises:
            WeightsError: also if it was trained on the features of another backbone than the one
                of the package, and has none of its own.
        """
        detector = super().load(path, device)
        _, metadata = load_weights(Path(path), cls.__name__)
        if detector.backbone is not None:
            detector.backbone = shared_backbone(detector.backbone)
        elif detector.style == MODERN and metadata.get(BACKBONE_OF) != digest(WEIGHTS):
            raise WeightsError(
                f"{path}: was trained on the features of another version of {WEIGHTS.name} than "
                "the one of the package; train it again"
            )
        return detector

    @classmethod
    def fitting(cls, state: Mapping[str, Tensor], classes: Sequence[str]) -> Yolo:
        """A detector of the style and the sizes of a state; see ``TrainedDetector``."""
        prefix = "network."
        own = {name.removeprefix(prefix): some for name, some in state.items()}
        if any(name.startswith("connected.") for name in own):
            return cls(classes, PublishedNetwork.fitting(own, len(classes)))
        has_own = any(name.startswith("backbone.") for name in state)
        backbone = Backbone(has_color=has_color(state)) if has_own else None
        return cls(classes, ModernHead(len(classes)), backbone)

    def save(self, path: Path, metadata: Mapping[str, str]) -> None:
        """Write the weights; see ``TrainedDetector``."""
        needs = self.style == MODERN and self.backbone is None
        super().save(path, {**metadata, **({BACKBONE_OF: digest(WEIGHTS)} if needs else {})})

    @torch.inference_mode()
    def detect(self, frame: RgbdFrame, proposals: NDArray[np.float64] | None) -> Detections:
        """Detect objects in one frame; proposals are ignored."""
        if isinstance(self.network, PublishedNetwork):
            return detected_in_square(frame, self.network.size, self._in_square)
        return detected(frame, self._in_frame)

    def _in_square(self, color: NDArray[np.uint8]) -> tuple[NDArray[Any], NDArray[Any]]:
        outputs = self.network(torch.from_numpy(color[None]).to(self.device))
        boxes, scores = decode_grid(outputs, len(self.classes))
        return boxes[0].cpu().numpy(), scores[0].cpu().numpy()

    def _in_frame(self, frame: RgbdFrame) -> tuple[NDArray[Any], NDArray[Any]]:
        """Boxes (N, 4) and scores (N, classes) of a frame at the working size."""
        fine, wide = backbone_features(frame, self.backbone or packaged_backbone(self.device))
        scale = torch.from_numpy(frame.derived(scale_of_cells)[None]).to(self.device)
        boxes, scores = self._decoded(fine, wide, scale)
        return boxes.float().cpu().numpy(), scores.float().cpu().numpy()

    @captured
    def _decoded(self, fine: Tensor, wide: Tensor, scale: Tensor) -> tuple[Tensor, ...]:
        assert isinstance(self.network, ModernHead)
        return self.network.decoded(fine, wide, scale)


@lru_cache
def packaged_backbone(device: torch.device) -> Backbone:
    """The backbone of the segmentation in the package, shared with it if that is in use."""
    backbone = load_backbone(WEIGHTS).eval().requires_grad_(False).to(device)
    return shared_backbone(backbone.to(memory_format=torch.channels_last))
