"""The two-stage detector of Lenz, Lee & Saxena 2014."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from cvdl.core.frame import RgbdFrame
from cvdl.core.settings import Settings, setting
from cvdl.grasping.foreground import foreground
from cvdl.grasping.models.lenz2014.candidates import candidates
from cvdl.grasping.models.lenz2014.network import GraspNetwork
from cvdl.grasping.models.lenz2014.patches import SIZE, channel_image, extract, mirror
from cvdl.grasping.rectangles import GraspRectangles
from cvdl.networks.weights import load_weights, save_weights

__all__ = ["LARGE", "MODEL", "SMALL", "LenzConfig", "LenzDetector"]

#: Hidden units in each layer of the two stages (Lenz 2014, section VI).
SMALL, LARGE = 50, 200
#: Name of the model in the metadata of weights.
MODEL = "lenz2014"
_STAGES = "small.", "large."
_SMALLEST = 4  # pixels, least side of an image
_CHUNK = 1024  # patches at a time: they fit in the cache of the processor


class LenzConfig(Settings):
    """Settings of the search."""

    candidates: int = setting(
        12_000, "Number of rectangles that the first stage scores.", ge=100, le=10_000_000
    )
    survivors: int = setting(
        100, "Number of rectangles that the second stage scores.", ge=1, le=10_000_000
    )
    stages: int = setting(
        2, "Number of stages; 1: the large network scores every rectangle.", ge=1, le=2
    )
    coarse: Literal[4, 6, 8, 12, 24] = setting(
        8, "Samples along a side of the first stage's patches, a divisor of 24."
    )


class LenzDetector:
    """Ranks rectangles by a small network, and the best of them by a large one.

    Implements ``cvdl.grasping.detector.GraspDetector``. Scores are probabilities of a good grasp,
    predicted by the large network.

    Args:
        small: network of the first stage.
        large: network of the second stage.
        config: settings of the search.
        device: device of both networks.
    """

    def __init__(
        self,
        small: GraspNetwork,
        large: GraspNetwork,
        config: LenzConfig | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        self.small, self.large = small.to(device).eval(), large.to(device).eval()
        self.config = config or LenzConfig()
        self.device = device

    @classmethod
    def load(
        cls, path: Path, device: torch.device | str = "cpu", config: LenzConfig | None = None
    ) -> LenzDetector:
        """Load a detector from a file that ``save`` wrote.

        Raises:
            WeightsError: if the file is missing, damaged or of another model.
        """
        networks = GraspNetwork(SMALL), GraspNetwork(LARGE)
        expected = _state(*networks)
        state, _ = load_weights(path, MODEL, expected)
        for name, network in zip(_STAGES, networks, strict=True):
            network.load_state_dict(
                {
                    key.removeprefix(name): tensor.float()
                    for key, tensor in state.items()
                    if key.startswith(name)
                }
            )
        return cls(*networks, config, device)

    def save(self, path: Path, metadata: Mapping[str, str] | None = None) -> None:
        """Write the weights as safetensors, float16, with metadata."""
        state = {key: value.half() for key, value in _state(self.small, self.large).items()}
        save_weights(path, state, {**(metadata or {}), "model": MODEL})

    @torch.inference_mode()
    def __call__(
        self, frame: RgbdFrame, mask: NDArray[np.bool_] | None = None, count: int = 100
    ) -> GraspRectangles:
        """Return the best rectangles, best first.

        Args:
            frame: color and depth; the depth may be NaN anywhere or everywhere.
            mask: (H, W) bool, where centers may be; None for ``cvdl.grasping.foreground``.
            count: largest number of rectangles; the second stage scores at least that many.
        """
        if min(frame.depth.shape) < _SMALLEST:
            return GraspRectangles.none()
        if mask is None:
            mask = foreground(frame)
        boxes = candidates(mask, self.config.candidates, frame.camera.fx)
        if not len(boxes):
            return boxes
        image = channel_image(frame, self.device)
        if self.config.stages == 2:
            boxes = _best(boxes, self._scores(image, boxes, first=True))[
                : max(self.config.survivors, count)
            ]
        return _best(boxes, self._scores(image, boxes))[:count]

    @torch.inference_mode()
    def judge(self, frame: RgbdFrame, rectangles: GraspRectangles) -> NDArray[np.float64]:
        """Return the probability (N,) that each rectangle is a good grasp, by the large network."""
        return self._scores(channel_image(frame, self.device), rectangles)

    def _scores(
        self, image: torch.Tensor, boxes: GraspRectangles, first: bool = False
    ) -> NDArray[np.float64]:
        """Probabilities (N,) by the large network, or by the small one on coarse samples."""
        network, size = (self.small, self.config.coarse) if first else (self.large, SIZE)
        scores = [torch.empty(0)]
        for start in range(0, len(boxes), _CHUNK):
            patches = extract(image, boxes[start : start + _CHUNK], size)
            logits = network(patches)
            if not first:  # mean with the mirror images
                for axes in ({"columns": True}, {"rows": True}, {"columns": True, "rows": True}):
                    logits = logits + network(mirror(patches, **axes))
                logits = logits / 4
            scores.append(torch.sigmoid(logits).cpu())
        return torch.cat(scores).double().numpy()


def _state(*networks: GraspNetwork) -> dict[str, torch.Tensor]:
    return {
        name + key: value
        for name, network in zip(_STAGES, networks, strict=True)
        for key, value in network.state_dict().items()
    }


def _best(boxes: GraspRectangles, score: NDArray[np.float64]) -> GraspRectangles:
    """Rectangles with these scores, best first."""
    return replace(boxes, score=score)[np.argsort(-score, kind="stable")]
