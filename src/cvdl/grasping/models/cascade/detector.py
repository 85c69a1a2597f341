"""The default grasp detector: dense scores, then a second network for the best candidates."""

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
from cvdl.networks.input_gpu import input_tensor
from cvdl.networks.weights import load_weights, save_weights
from cvdl.networks.working_size import to_working_size

__all__ = ["FEWEST_SURVIVORS", "CascadeDetector"]

FEWEST_SURVIVORS = 48  # least number of candidates that the second network scores

#: Weight of the dense network's logit in the final score, relative to that of the second network:
#: the best of 0 to 2 on held-out views of the pre-training. (A second iteration was worse there.)
_FIRST_WEIGHT = 0.25
_MARGIN = 16  # cells around the allowed ones in the input of the dense network
_MULTIPLE = 8  # of the sides of that input


class CascadeDetector(nn.Module):
    """A cascade of two networks, as in Lenz, Lee & Saxena 2014, with a modern architecture."""

    def __init__(self) -> None:
        super().__init__()
        self.dense, self.second = DenseNetwork(), RefineNetwork()

    @classmethod
    def load(cls, path: Path, device: torch.device | str = "cpu") -> CascadeDetector:
        """Load a trained detector.

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
        """Write the weights with the name of the model."""
        save_weights(path, self.state_dict(), {"model": type(self).__name__, **metadata})

    @property
    def device(self) -> torch.device:
        """The device that the networks are on."""
        return next(self.parameters()).device

    @torch.inference_mode()
    def __call__(
        self, frame: RgbdFrame, mask: NDArray[np.bool_] | None = None, count: int = 100
    ) -> GraspRectangles:
        """Return the best rectangles of a frame, best first; see ``GraspDetector``.

        The second network scores ``count`` candidates, and at least ``FEWEST_SURVIVORS``.
        """
        if min(frame.depth.shape) < STRIDE:
            return GraspRectangles.none()
        frame, factors = to_working_size(frame)
        allowed = None
        if mask is not None:
            size = frame.depth.shape
            mask = cv2.resize(mask.astype(np.uint8), size[::-1], interpolation=cv2.INTER_NEAREST)
            # Without incomplete cells on the right and below.
            rows, cols = (side // STRIDE for side in size)
            cells = mask[: STRIDE * rows : STRIDE, : STRIDE * cols : STRIDE]
            allowed = torch.from_numpy(cells > 0)
        image = input_tensor(frame, self.device)
        survivors = max(count, FEWEST_SURVIVORS)
        rectangles, scores = self.search(image, allowed, survivors)
        order = torch.argsort(scores, descending=True)[:count]
        return to_rectangles(rectangles[order], scores[order]).resized(1 / factors)

    @torch.inference_mode()
    def judge(self, frame: RgbdFrame, rectangles: GraspRectangles) -> NDArray[np.float64]:
        """Return the scores of given rectangles, (N,) in [0, 1].

        The second network predicts the Jaccard index of the refined rectangle. That of the given
        one is about the product with the Jaccard index of the two. A score of 0.5 stands for an
        index of 0.25, from which a rectangle is correct (Jiang 2011).
        """
        frame, factors = to_working_size(frame)
        rectangles = rectangles.resized(factors)
        image = input_tensor(frame, self.device)
        values = np.column_stack(
            [rectangles.center, rectangles.angle, rectangles.opening, rectangles.plate]
        )
        given = torch.from_numpy(values.astype(np.float32)).to(self.device)
        logits, deltas = self.second(cut_patches(image, given[None])[0])
        refined = to_rectangles(refine(given, deltas.float()), logits.float().sigmoid())
        index = refined.score * np.diag(jaccard(rectangles, refined))
        return index / (index + RIGHT_OVERLAP)

    def search(
        self, image: Tensor, allowed: Tensor | None = None, survivors: int = FEWEST_SURVIVORS
    ) -> tuple[Tensor, Tensor]:
        """Return rectangles (N, 5) and their scores (N,).

        Args:
            image: (1, 9, H, W), the input of the networks.
            allowed: (H / 2, W / 2) bool on the CPU, cells that may be centers; None for all.
            survivors: largest number of rectangles.
        """
        rows, cols = image.shape[-2] // 2, image.shape[-1] // 2
        if allowed is None:
            allowed = torch.ones(rows, cols, dtype=torch.bool)
        # A GPU is faster with the whole image than with windows of changing shapes.
        top, left, bottom, right = (0, 0, rows, cols) if image.is_cuda else _window(allowed)
        window = image[..., 2 * top : 2 * bottom, 2 * left : 2 * right]
        inside = allowed[top:bottom, left:right].to(image.device)
        rectangles, first = self.propose(window, inside, survivors=survivors)
        rectangles = rectangles + rectangles.new_tensor([STRIDE * left, STRIDE * top, 0, 0, 0])
        is_maximum = first > -torch.inf
        if image.is_cuda:  # the number of rectangles in a graph is fixed
            rectangles, scores = self._judge(image, rectangles, first)
            return rectangles[is_maximum], scores[is_maximum]
        rectangles, scores = self._judge(image, rectangles[is_maximum], first[is_maximum])
        return rectangles, scores

    @captured
    def _judge(self, image: Tensor, rectangles: Tensor, first: Tensor) -> tuple[Tensor, ...]:
        """Refined rectangles (N, 5), and their scores (N,) by both networks."""
        logits, deltas = self.second(cut_patches(image, rectangles[None])[0])
        scores = (logits.float() + _FIRST_WEIGHT * first).sigmoid()
        return refine(rectangles, deltas.float()), scores

    @captured
    def propose(self, image: Tensor, allowed: Tensor, *, survivors: int) -> tuple[Tensor, ...]:
        """Return the best local maxima of the dense network.

        Args:
            image: (1, 9, H, W).
            allowed: (H / 2, W / 2) bool, cells that may be centers.
            survivors: number of rectangles; fewer if there are fewer cells and orientations.

        Returns:
            Rectangles (N, 5) and logits (N,), best first; after the last maximum, the logits are
            -inf.
        """
        height, width = image.shape[-2:]
        rows, cols = allowed.shape
        padding = (0, -width % _MULTIPLE, 0, -height % _MULTIPLE)
        logits, deltas = self.dense(nn.functional.pad(image, padding))
        best = logits[0, ..., :rows, :cols].float().amax(1)  # (A, h, w)
        best = torch.where(allowed, best, -torch.inf)
        flat = torch.where(best >= _neighborhood_maximum(best), best, -torch.inf).flatten()
        values, index = flat.topk(min(survivors, len(flat)))
        angle, cell = index // allowed.numel(), index % allowed.numel()
        row, col = cell // cols, cell % cols
        return decode_dense(deltas[0][angle, :, row, col], angle, row, col), values


def _window(allowed: Tensor) -> tuple[int, int, int, int]:
    """Window around the allowed cells (h, w): first row, first column, and both ends, exclusive."""
    edges = []
    for across in (1, 0):
        some = allowed.any(across).nonzero()[:, 0]
        first, last = (int(some[0]), int(some[-1])) if len(some) else (0, 0)
        edges.append((max(0, first - _MARGIN), min(allowed.shape[1 - across], last + 1 + _MARGIN)))
    (top, bottom), (left, right) = edges
    return top, left, bottom, right


def _neighborhood_maximum(scores: Tensor) -> Tensor:
    """Maximum over 3 x 3 cells and the neighboring orientations, which are cyclic: (A, h, w)."""
    near = nn.functional.max_pool2d(scores[None], 3, stride=1, padding=1)[0]
    return torch.maximum(near, torch.maximum(near.roll(1, 0), near.roll(-1, 0)))
