"""The default grasp detector: dense scores, then a second look at the survivors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cvdl.frame import RgbdFrame
from cvdl.grasping import packaged_weights
from cvdl.grasping.cascade.geometry import cut_patches, decode_dense, refine
from cvdl.grasping.cascade.inputs import network_input
from cvdl.grasping.cascade.network import STRIDE, DenseNetwork, RefineNetwork
from cvdl.grasping.rectangles import GraspRectangles, jaccard
from cvdl.weights import load_weights

__all__ = ["CascadeDetector"]

#: Weight of the dense network's logit in the final score, beside 1 for the second network's: of 0
#: to 2 the best on held-out views of the pre-training. (A second look was worse there than one.)
_FIRST_SAY = 0.25
_MULTIPLE = 8  # of the dense network's input sides


class CascadeDetector(nn.Module):
    """Two networks in a cascade, after Lenz, Lee & Saxena 2014, with today's means.

    Args:
        survivors: candidates of the dense network that the second one looks at.
    """

    def __init__(self, survivors: int = 48) -> None:
        super().__init__()
        self.survivors = survivors
        self.dense, self.second = DenseNetwork(), RefineNetwork()

    @classmethod
    def load(cls, path: Path | None = None, device: str = "cpu") -> CascadeDetector:
        """A trained detector.

        Args:
            path: safetensors file; None: the weights of the package.
            device: "cpu" or "cuda".

        Raises:
            WeightsError: if the file is missing, damaged or holds another model's weights.
        """
        detector = cls()
        path = path or packaged_weights("cascade")
        state, _ = load_weights(path, cls.__name__, detector.state_dict())
        detector.load_state_dict(state)
        return detector.eval().to(device).to(memory_format=torch.channels_last)

    @property
    def device(self) -> torch.device:
        """Where the networks are."""
        return next(self.parameters()).device

    @torch.inference_mode()
    def __call__(
        self, frame: RgbdFrame, mask: NDArray[np.bool_] | None = None, count: int = 100
    ) -> GraspRectangles:
        """The best rectangles of a frame, best first; see ``GraspDetector``."""
        allowed = None
        if mask is not None:
            allowed = torch.from_numpy(np.ascontiguousarray(mask[::STRIDE, ::STRIDE]))
        rectangles, scores = self.search(self._tensor(frame), allowed)
        order = torch.argsort(scores, descending=True)[:count]
        return _to_rectangles(rectangles[order], scores[order])

    @torch.inference_mode()
    def judge(self, frame: RgbdFrame, rectangles: GraspRectangles) -> NDArray[np.float64]:
        """How good given rectangles are, (N,) in [0, 1].

        The second network says what a rectangle is worth once it is mended: so a rectangle is
        worth that, times its Jaccard index with the mended one.
        """
        given = torch.from_numpy(
            np.column_stack(
                [rectangles.center, rectangles.angle, rectangles.opening, rectangles.plate]
            ).astype(np.float32)
        ).to(self.device)
        mended, logits = self._look(self._tensor(frame), given)
        moved = _to_rectangles(mended, logits.sigmoid())
        return np.diag(jaccard(rectangles, moved)) * moved.score

    def _tensor(self, frame: RgbdFrame) -> Tensor:
        return torch.from_numpy(network_input(frame)[None]).to(self.device)

    def search(self, image: Tensor, allowed: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Rectangles (N, 5) and their scores (N,) in one input (1, 9, H, W)."""
        rectangles, first = self.propose(image, allowed)
        mended, second = self._look(image, rectangles)
        return mended, (second + _FIRST_SAY * first).sigmoid()

    def _look(self, image: Tensor, rectangles: Tensor) -> tuple[Tensor, Tensor]:
        """The second network's rectangles (N, 5) and logits (N,)."""
        logits, deltas = self.second(cut_patches(image, rectangles[None])[0])
        return refine(rectangles, deltas.float()), logits.float()

    def propose(self, image: Tensor, allowed: Tensor | None) -> tuple[Tensor, Tensor]:
        """The dense network's best local maxima: rectangles (N, 5), logits (N,)."""
        height, width = image.shape[-2:]
        padded = nn.functional.pad(image, (0, -width % _MULTIPLE, 0, -height % _MULTIPLE))
        logits, deltas = self.dense(padded)
        rows, cols = height // 2, width // 2
        best = logits[0, ..., :rows, :cols].float().amax(1)  # (A, h, w)
        peak = _neighbourhood_maximum(best)
        keep = best >= peak
        if allowed is not None:
            keep &= allowed[:rows, :cols].to(keep.device)
        flat = torch.where(keep, best, -torch.inf).flatten()
        values, index = flat.topk(min(self.survivors, len(flat)))
        index = index[values > -torch.inf]
        cells = rows * cols
        angle, cell = index // cells, index % cells
        row, col = cell // cols, cell % cols
        chosen = deltas[0][angle, :, row, col]
        return decode_dense(chosen, angle, row, col), values[values > -torch.inf]


def _to_rectangles(rectangles: Tensor, scores: Tensor) -> GraspRectangles:
    values = rectangles.double().cpu().numpy()
    angle, opening, plate = values[:, 2:].T
    return GraspRectangles(values[:, :2], angle, opening, plate, scores.double().cpu().numpy())


def _neighbourhood_maximum(scores: Tensor) -> Tensor:
    """Largest of the 3 x 3 cells and neighbouring orientations, round the circle: (A, h, w)."""
    near = nn.functional.max_pool2d(scores[None], 3, stride=1, padding=1)[0]
    return torch.maximum(near, torch.maximum(near.roll(1, 0), near.roll(-1, 0)))
