"""Simulated scenes as a data set, whatever is labelled in them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator

from cvdl.datasets.views import LabelledViews, Sample
from cvdl.simulation.config import SimulationConfig
from cvdl.simulation.generate import SimulatedScene, in_order, simulate_scene

__all__ = ["SimulatedViews"]


class SimulatedViews(LabelledViews[Sample], ABC):
    """Scenes 0 to ``count`` - 1 of a seed.

    A scene is made when it is asked for, the same each time, and not kept unless ``keep`` is told
    to.

    Args:
        seed: not negative.
        count: of scenes, not negative.
        config: what scenes are drawn from; None: the default.

    Raises:
        ValueError: if ``seed`` or ``count`` is negative.
    """

    def __init__(self, seed: int, count: int, config: SimulationConfig | None = None) -> None:
        if seed < 0 or count < 0:
            raise ValueError(f"seed and count must not be negative, got {seed} and {count}")
        self.seed, self._config = seed, config
        self._kept: list[Sample] = []
        self.names = [f"scene{index}" for index in range(count)]

    @abstractmethod
    def _labelled(self, name: str, scene: SimulatedScene) -> Sample: ...

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Sample:
        """One scene; negative indices count from the end.

        Raises:
            IndexError: past the end.
        """
        position = range(len(self))[index]
        if self._kept:
            return self._kept[position]
        return self._labelled(
            self.names[position], simulate_scene(self.seed, position, self._config)
        )

    def on_processes(self, processes: int | None = None) -> Iterator[Sample]:
        """All samples in order, made on several processes; the same as from one.

        Args:
            processes: as of ``cvdl.simulation.generate.in_order``.
        """
        return in_order(self.__getitem__, len(self), processes)

    def keep(self, shown: Callable[[Iterator[Sample]], Iterable[Sample]] = iter) -> None:
        """Makes all samples and keeps them: making one takes longer than reading it.

        Args:
            shown: shows progress: is given the samples as they are made, and gives them on.
        """
        self._kept = list(shown(self.on_processes()))
