"""The default grasp detector: dense scores, then a second look at the survivors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cvdl.core.frame import RgbdFrame
from cvdl.grasping.models.cascade.geometry import cut_patches, decode_dense, refine, to_rectangles
from cvdl.grasping.models.cascade.network import STRIDE, DenseNetwork, RefineNetwork
from cvdl.grasping.rectangles import RIGHT_OVERLAP, GraspRectangles, jaccard
from cvdl.networks.cuda_graphs import captured
from cvdl.networks.input import network_input
from cvdl.networks.input_gpu import gpu_input, uploaded
from cvdl.networks.weights import load_weights, save_weights
from cvdl.networks.working_size import to_working_size

__all__ = ["FEWEST_SURVIVORS", "CascadeDetector"]

FEWEST_SURVIVORS = 48  # candidates of the dense network that the second one looks at

#: Weight of the dense network's logit in the final score, beside 1 for the second network's: of 0
#: to 2 the best on held-out views of the pre-training. (A second look was worse there than one.)
_FIRST_SAY = 0.25
_MARGIN = 16  # cells round the allowed ones that the dense network sees too
_MULTIPLE = 8  # of the dense network's input sides


class CascadeDetector(nn.Module):
    """Two networks in a cascade, after Lenz, Lee & Saxena 2014, with today's means."""

    def __init__(self) -> None:
        super().__init__()
        self.dense, self.second = DenseNetwork(), RefineNetwork()

    @classmethod
    def load(cls, path: Path, device: torch.device | str = "cpu") -> CascadeDetector:
        """A trained detector.

        Args:
            path: safetensors file.
            device: "cpu" or "cuda".

        Raises:
            WeightsError: if the file is missing, damaged or holds another model's weights.
        """
        detector = cls()
        state, _ = load_weights(path, cls.__name__, detector.state_dict())
        detector.load_state_dict(state)
        return detector.eval().to(device).to(memory_format=torch.channels_last)

    def save(self, path: Path, metadata: Mapping[str, str]) -> None:
        """Writes the weights, with what they are of."""
        save_weights(path, self.state_dict(), {"model": type(self).__name__, **metadata})

    @property
    def device(self) -> torch.device:
        """Where the networks are."""
        return next(self.parameters()).device

    @torch.inference_mode()
    def __call__(
        self, frame: RgbdFrame, mask: NDArray[np.bool_] | None = None, count: int = 100
    ) -> GraspRectangles:
        """The best rectangles of a frame, best first; see ``GraspDetector``.

        The second network looks at ``count`` of them, and at ``FEWEST_SURVIVORS`` at least.
        """
        if min(frame.depth.shape) < STRIDE:
            return GraspRectangles.none()
        frame, factors = to_working_size(frame)
        allowed = None
        if mask is not None:
            size = frame.depth.shape
            mask = cv2.resize(mask.astype(np.uint8), size[::-1], interpolation=cv2.INTER_NEAREST)
            # Cells are whole: what is over at the right and below has none.
            rows, cols = (side // STRIDE for side in size)
            cells = mask[: STRIDE * rows : STRIDE, : STRIDE * cols : STRIDE]
            allowed = torch.from_numpy(cells > 0)
        image = self._input(frame)
        survivors = max(count, FEWEST_SURVIVORS)
        rectangles, scores = self.search(image, allowed, survivors)
        order = torch.argsort(scores, descending=True)[:count]
        return to_rectangles(rectangles[order], scores[order]).resized(1 / factors)

    @torch.inference_mode()
    def judge(self, frame: RgbdFrame, rectangles: GraspRectangles) -> NDArray[np.float64]:
        """How good given rectangles are, (N,) in [0, 1].

        The second network says what Jaccard index a rectangle will have once it is mended; what
        the given one has is about that, times its own index with the mended one. 0.5 stands for
        an index of 0.25, from which a rectangle counts as right (Jiang 2011).
        """
        frame, factors = to_working_size(frame)
        rectangles = rectangles.resized(factors)
        image = self._input(frame)
        values = np.column_stack(
            [rectangles.center, rectangles.angle, rectangles.opening, rectangles.plate]
        )
        given = torch.from_numpy(values.astype(np.float32)).to(self.device)
        logits, deltas = self.second(cut_patches(image, given[None])[0])
        mended = to_rectangles(refine(given, deltas.float()), logits.float().sigmoid())
        index = mended.score * np.diag(jaccard(rectangles, mended))
        return index / (index + RIGHT_OVERLAP)

    def _input(self, frame: RgbdFrame) -> Tensor:
        """``network_input`` (1, 9, H / 2, W / 2), on the networks' device."""
        if self.device.type == "cuda":
            return self._make_input(*uploaded(frame, self.device))[0]
        return torch.from_numpy(network_input(frame)[None])

    @captured
    def _make_input(self, color: Tensor, depth: Tensor, intrinsics: Tensor) -> tuple[Tensor, ...]:
        return (gpu_input(color, depth, intrinsics),)

    def search(
        self, image: Tensor, allowed: Tensor | None = None, survivors: int = FEWEST_SURVIVORS
    ) -> tuple[Tensor, Tensor]:
        """Rectangles (N, 5) and their scores (N,) in one input (1, 9, H, W).

        Args:
            image: (1, 9, H, W).
            allowed: (H / 2, W / 2) bool on the CPU, cells that may be a centre; None: all.
            survivors: at most so many.
        """
        rows, cols = image.shape[-2] // 2, image.shape[-1] // 2
        if allowed is None:
            allowed = torch.ones(rows, cols, dtype=torch.bool)
        # A GPU is faster with one shape and everything than with less of ever another shape.
        top, left, bottom, right = (0, 0, rows, cols) if image.is_cuda else _window(allowed)
        window = image[..., 2 * top : 2 * bottom, 2 * left : 2 * right]
        inside = allowed[top:bottom, left:right].to(image.device)
        rectangles, first = self.propose(window, inside, survivors=survivors)
        rectangles = rectangles + rectangles.new_tensor([STRIDE * left, STRIDE * top, 0, 0, 0])
        is_maximum = first > -torch.inf
        if image.is_cuda:  # a graph has one number of them: the others are judged in vain
            rectangles, scores = self._judge(image, rectangles, first)
            return rectangles[is_maximum], scores[is_maximum]
        rectangles, scores = self._judge(image, rectangles[is_maximum], first[is_maximum])
        return rectangles, scores

    @captured
    def _judge(self, image: Tensor, rectangles: Tensor, first: Tensor) -> tuple[Tensor, ...]:
        """Rectangles (N, 5), mended, and their scores (N,) by both networks."""
        logits, deltas = self.second(cut_patches(image, rectangles[None])[0])
        scores = (logits.float() + _FIRST_SAY * first).sigmoid()
        return refine(rectangles, deltas.float()), scores

    @captured
    def propose(self, image: Tensor, allowed: Tensor, *, survivors: int) -> tuple[Tensor, ...]:
        """The dense network's best local maxima.

        Args:
            image: (1, 9, H, W).
            allowed: (H / 2, W / 2) bool, cells that may be a centre.
            survivors: so many; fewer where there are not so many cells and orientations.

        Returns:
            Rectangles (N, 5) and logits (N,), best first; the logits are -inf past the last
            maximum.
        """
        height, width = image.shape[-2:]
        rows, cols = allowed.shape
        padding = (0, -width % _MULTIPLE, 0, -height % _MULTIPLE)
        logits, deltas = self.dense(nn.functional.pad(image, padding))
        best = logits[0, ..., :rows, :cols].float().amax(1)  # (A, h, w)
        best = torch.where(allowed, best, -torch.inf)
        flat = torch.where(best >= _neighbourhood_maximum(best), best, -torch.inf).flatten()
        values, index = flat.topk(min(survivors, len(flat)))
        angle, cell = index // allowed.numel(), index % allowed.numel()
        row, col = cell // cols, cell % cols
        return decode_dense(deltas[0][angle, :, row, col], angle, row, col), values


def _window(allowed: Tensor) -> tuple[int, int, int, int]:
    """First row and column, and the ones past the last, round the allowed cells (h, w)."""
    edges = []
    for across in (1, 0):
        some = allowed.any(across).nonzero()[:, 0]
        first, last = (int(some[0]), int(some[-1])) if len(some) else (0, 0)
        edges.append((max(0, first - _MARGIN), min(allowed.shape[1 - across], last + 1 + _MARGIN)))
    (top, bottom), (left, right) = edges
    return top, left, bottom, right


def _neighbourhood_maximum(scores: Tensor) -> Tensor:
    """Largest of the 3 x 3 cells and neighbouring orientations, round the circle: (A, h, w)."""
    near = nn.functional.max_pool2d(scores[None], 3, stride=1, padding=1)[0]
    return torch.maximum(near, torch.maximum(near.roll(1, 0), near.roll(-1, 0)))
