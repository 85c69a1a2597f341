"""Simulated scenes with sentences and phrases about them."""

from __future__ import annotations

from functools import cache

import numpy as np

from cvdl.datasets.simulated.scenes import SimulatedDataset
from cvdl.language.regions import see_regions
from cvdl.language.samples import WordsSample, matched_labels, words_sample
from cvdl.pipeline import Perception, load_config
from cvdl.recognition.embedder import load_embedder
from cvdl.simulation.facts import scene_facts
from cvdl.simulation.generate import SimulatedScene

__all__ = ["SimulatedWords"]


class SimulatedWords(SimulatedDataset[WordsSample]):
    """Simulated scenes as the perception sees them, and what is true of them.

    The objects are those that the segmentation finds, with the classes of the detector.
    """

    def _labeled(self, name: str, scene: SimulatedScene) -> WordsSample:
        seen = _perception()(scene.frame, grasp=False)
        regions = see_regions(scene.frame, seen, load_embedder())
        rng = np.random.default_rng([self.seed, 3, scene.index])
        truth = matched_labels(seen, scene.truth)
        return words_sample(name, regions, truth, scene_facts(scene), rng)


@cache
def _perception() -> Perception:
    """The stages before words; scenes are no sequence, so nothing is tracked."""
    disabled = ("grasp.enable", "gallery.enable", "detector.track")
    return Perception(load_config(None, [f"{setting}=false" for setting in disabled]))
