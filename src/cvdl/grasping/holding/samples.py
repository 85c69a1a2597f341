"""Executed poses as the network sees them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from cvdl.evaluation.holding import likeliest
from cvdl.grasping.holding.executed import ExecutedHands
from cvdl.grasping.holding.network import HoldingNetwork
from cvdl.grasping.holding.views import CHANNELS, SIDE, VALUES, draw_views

__all__ = ["HandSample", "HandSamples"]

_BATCH = 1024  # hands that the network sees at once


class HandSample(NamedTuple):
    """One executed pose: maps and values, see ``Views``, and whether it held."""

    maps: NDArray[np.float16]
    values: NDArray[np.float32]
    held: np.bool_


@dataclass(frozen=True)
class HandSamples(Sequence[HandSample]):
    """N executed poses.

    Attributes:
        maps: (N, `CHANNELS`, `SIDE`, `SIDE`) float16.
        values: (N, `VALUES`) float32.
        held: (N,) bool.
        group: (N,) int64, the same for poses at one object in one picture.
        moved: (N,) bool, see ``ExecutedHands``.
    """

    maps: NDArray[np.float16]
    values: NDArray[np.float32]
    held: NDArray[np.bool_]
    group: NDArray[np.int64]
    moved: NDArray[np.bool_]

    @classmethod
    def of(cls, scenes: Iterable[Sequence[ExecutedHands]]) -> HandSamples:
        """Draw what the hands in some scenes see."""
        maps = [np.zeros((0, CHANNELS, SIDE, SIDE), np.float16)]
        values, held = [np.zeros((0, VALUES), np.float32)], [np.zeros(0, np.bool_)]
        group, moved = [np.zeros(0, np.int64)], [np.zeros(0, np.bool_)]
        objects = 0
        for pictures in scenes:
            for each in pictures:
                views = draw_views(each.cloud, each.hands, each.sizes)
                maps.append(views.maps.astype(np.float16))
                values.append(views.values)
                held.append(each.held)
                labels, own = np.unique(each.hands.label, return_inverse=True)
                group.append(own + objects)
                moved.append(each.moved)
                objects += len(labels)
        return cls(
            np.concatenate(maps), np.concatenate(values), np.concatenate(held),
            np.concatenate(group), np.concatenate(moved),
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self.held)

    def __getitem__(self, index: int) -> HandSample:  # type: ignore[override]
        """Return one pose."""
        return HandSample(self.maps[index], self.values[index], self.held[index])

    def likeliest(self, logits: NDArray[np.float64], most: int) -> NDArray[np.intp]:
        """Indices of the poses of each object with the largest of logits (N,), at most so many.

        Poses that were moved are left out, if there are others.
        """
        found = np.flatnonzero(~self.moved if not self.moved.all() else self.moved)
        return found[likeliest(logits[found], self.group[found], most)]

    @torch.inference_mode()
    def logits(self, network: HoldingNetwork) -> NDArray[np.float64]:
        """The logits (N,) of a network in evaluation mode."""
        device = network.last.weight.device
        found = [
            network(
                torch.from_numpy(self.maps[start : start + _BATCH]).to(device).float(),
                torch.from_numpy(self.values[start : start + _BATCH]).to(device),
            ).cpu()
            for start in range(0, len(self), _BATCH)
        ]
        return torch.cat([torch.zeros(0), *found]).double().numpy()
