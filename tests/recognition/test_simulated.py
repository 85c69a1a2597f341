"""Simulated things with textures of their own, taught by one view of each."""

from __future__ import annotations

import numpy as np
import pytest

from cvdl.recognition.embedder import load_embedder
from cvdl.recognition.naming import Namer
from cvdl.simulation import SimulationConfig
from cvdl.simulation.generate import draw_scene, picture


@pytest.mark.slow
def test_things_taught_by_one_view_are_recognized_in_twenty_others():
    """From up to 60 degrees aside, some hidden behind others."""
    embedder = load_embedder()
    config = SimulationConfig(width=320, height=240, min_objects=5, max_objects=6)
    draft = draw_scene(200, 13, config)
    first = picture(draft, 0)
    views = embedder(first.frame, first.truth)
    names = [str(item.label) for item in first.truth.objects]
    namer = Namer({name: views[row : row + 1] for row, name in enumerate(names)})
    right, wrong = 0, 0
    angles = np.delete(np.linspace(-60, 60, 21), 10)
    for angle in np.radians(angles):
        scene = picture(draft.seen_from(angle), 0)
        decided = namer(embedder(scene.frame, scene.truth), unique=True)
        for item, (name, _) in zip(scene.truth.objects, decided, strict=True):
            right += name is not None and name.class_name == str(item.label)
            wrong += name is not None and name.class_name != str(item.label)
    assert right > 0.8 * len(angles) * len(names)
    assert wrong < 0.1 * len(angles) * len(names)
