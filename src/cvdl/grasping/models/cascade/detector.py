"""The default grasp detector: dense scores, then a second network for the best candidates."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cvdl.core.frame import RgbdFrame
from cvdl.grasping.models.cascade.frames import (
    FEWEST_SURVIVORS,
    MULTIPLE,
    STRIDE,
    FrameCascade,
    window_around,
)
from cvdl.grasping.models.cascade.geometry import cut_patches, decode_dense, refine
from cvdl.grasping.models.cascade.network import DenseNetwork, RefineNetwork
from cvdl.networks.cuda_graphs import captured
from cvdl.networks.input_gpu import input_tensor
from cvdl.networks.layers import padded
from cvdl.networks.operators import best_of
from cvdl.networks.weights import load_weights, save_weights

__all__ = ["CascadeDetector"]

#: Weight of the dense network's logit in the final score, relative to that of the second network:
#: the best of 0 to 2 on held-out views of the pre-training. (A second iteration was worse there.)
_FIRST_WEIGHT = 0.25


class CascadeDetector(FrameCascade, nn.Module):
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
    def find(
        self, frame: RgbdFrame, allowed: NDArray[np.bool_], survivors: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the best rectangles and their scores; see ``FrameCascade``."""
        rectangles, scores = self.search(input_tensor(frame, self.device), allowed, survivors)
        return rectangles.cpu().numpy(), scores.cpu().numpy()

    @torch.inference_mode()
    def refine(
        self, frame: RgbdFrame, rectangles: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return given rectangles, refined, and their scores; see ``FrameCascade``."""
        image = input_tensor(frame, self.device)
        given = torch.from_numpy(rectangles).to(self.device)
        refined, scores = self.second_look(image, given, given.new_zeros(len(given)))
        return refined.cpu().numpy(), scores.cpu().numpy()

    def search(
        self,
        image: Tensor,
        allowed: NDArray[np.bool_] | None = None,
        survivors: int = FEWEST_SURVIVORS,
    ) -> tuple[Tensor, Tensor]:
        """Return rectangles (N, 5) and their scores (N,).

        Args:
            image: (1, 9, H, W), the input of the networks.
            allowed: (H / 2, W / 2), cells that may be centers; None for all.
            survivors: largest number of rectangles.
        """
        whole = image.shape[-2] // 2, image.shape[-1] // 2
        if allowed is None:
            allowed = np.ones(whole, bool)
        # A GPU is faster with the whole image than with windows of changing shapes.
        rows, cols = map(slice, (0, 0), whole) if image.is_cuda else window_around(allowed)
        window = image[..., 2 * rows.start : 2 * rows.stop, 2 * cols.start : 2 * cols.stop]
        inside = torch.from_numpy(allowed[rows, cols]).to(image.device)
        rectangles, first = self.propose(window, inside, survivors=survivors)
        corner = rectangles.new_tensor([STRIDE * cols.start, STRIDE * rows.start, 0, 0, 0])
        rectangles = rectangles + corner
        is_maximum = first > -torch.inf
        if image.is_cuda:  # the number of rectangles in a graph is fixed
            rectangles, scores = self._judge(image, rectangles, first)
            return rectangles[is_maximum], scores[is_maximum]
        rectangles, scores = self._judge(image, rectangles[is_maximum], first[is_maximum])
        return rectangles, scores

    @captured
    def _judge(self, image: Tensor, rectangles: Tensor, first: Tensor) -> tuple[Tensor, ...]:
        return self.second_look(image, rectangles, first)

    def second_look(
        self, image: Tensor, rectangles: Tensor, first: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return refined rectangles, and their scores by both networks.

        Args:
            image: (1, 9, H, W).
            rectangles: (N, 5).
            first: (N,), their logits by the dense network.

        Returns:
            Rectangles (N, 5) and scores (N,).
        """
        return self.judge_patches(cut_patches(image, rectangles[None])[0], rectangles, first)

    def judge_patches(
        self, patches: Tensor, rectangles: Tensor, first: Tensor
    ) -> tuple[Tensor, Tensor]:
        """`second_look` at the patches (N, 9, 32, 32) of the rectangles."""
        logits, deltas = self.second(patches)
        scores = (logits.float() + _FIRST_WEIGHT * first).sigmoid()
        return refine(rectangles, deltas.float()), scores

    @captured
    def propose(self, image: Tensor, allowed: Tensor, *, survivors: int) -> tuple[Tensor, ...]:
        """Return the best local maxima; see ``best_maxima``."""
        return self.best_maxima(padded(image, MULTIPLE), allowed, survivors)

    def best_maxima(
        self, image: Tensor, allowed: Tensor, survivors: int | Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the best local maxima of the dense network.

        Args:
            image: (1, 9, 2 h, 2 w), padded to multiples of ``MULTIPLE``.
            allowed: (h, w) bool, cells that may be centers.
            survivors: number of rectangles; fewer if there are fewer cells and orientations.

        Returns:
            Rectangles (N, 5) and logits (N,), best first; after the last maximum, the logits are
            -inf.
        """
        rows, cols = allowed.shape
        features = self.dense.features(image)
        best = self.dense.logits(features).amax(2).squeeze(0)[:, :rows, :cols].float()  # (A, h, w)
        best = best + allowed.float().log()  # -inf elsewhere
        best = best.masked_fill(best < _neighborhood_maximum(best), -torch.inf)
        values, index = best_of(best.flatten(), survivors)
        angle, cell = index // (rows * cols), index % (rows * cols)
        row, col = cell // cols, cell % cols
        across = cols + -cols % (MULTIPLE // 2)  # cells of the image
        deltas = self.dense.deltas_at(features, angle, row * across + col)
        return decode_dense(deltas, angle, row, col), values


def _neighborhood_maximum(scores: Tensor) -> Tensor:
    """Maximum over 3 x 3 cells and the neighboring orientations, which are cyclic: (A, h, w)."""
    near = nn.functional.max_pool2d(scores[None], 3, stride=1, padding=1)[0]
    return torch.maximum(near, torch.maximum(near.roll(1, 0), near.roll(-1, 0)))
