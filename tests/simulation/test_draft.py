"""Scenes that are drawn first and pictured later, with their things moved or taken away."""

from __future__ import annotations

import numpy as np
import pytest

from cvdl.core.scene import FIRST_OBJECT_LABEL
from cvdl.simulation import SimulationConfig, simulate_scene
from cvdl.simulation.generate import draw_scene, picture

SMALL = SimulationConfig(width=160, height=120, min_objects=3, max_objects=3)


@pytest.fixture(scope="module")
def draft():
    return draw_scene(3, 1, SMALL)


@pytest.fixture
def poses(draft):
    return {label: at for label, (_, at) in enumerate(draft.things, FIRST_OBJECT_LABEL)}


def test_every_picture_of_a_draft_is_the_simulated_scene(draft, poses):
    simulated = simulate_scene(3, 1, SMALL)
    for scene in (picture(draft, 1), picture(draft, 1, poses)):
        np.testing.assert_array_equal(scene.frame.color, simulated.frame.color)
        np.testing.assert_array_equal(scene.frame.depth, simulated.frame.depth)
        np.testing.assert_array_equal(scene.truth.labels, simulated.truth.labels)


def test_what_is_taken_away_is_in_no_picture_and_the_others_keep_their_labels(draft, poses):
    first, *others = poses
    scene = picture(draft, 1, {label: poses[label] for label in others})
    assert [item.label for item in scene.objects] == others
    assert first not in scene.truth.labels
    assert first in picture(draft, 1).truth.labels
    np.testing.assert_array_equal(scene.camera_pose, draft.pose)


def test_what_is_moved_is_seen_elsewhere(draft, poses):
    before = {item.label: item.box3d.center for item in picture(draft, 1).truth.objects}
    label = next(iter(before))
    moved = poses[label].copy()
    moved[2, 3] += 0.05
    scene = picture(draft, 1, poses | {label: moved})
    after = {item.label: item.box3d.center for item in scene.truth.objects}
    up = scene.camera_pose[2, :3]  # of the world in the camera's frame
    np.testing.assert_allclose(after[label] - before[label], 0.05 * up, atol=1e-9)


def test_the_world_is_drawn_too():
    config = SimulationConfig(domain="world")
    draft = draw_scene(1, 2, config)
    scene = picture(draft, 2)
    np.testing.assert_array_equal(scene.frame.color, simulate_scene(1, 2, config).frame.color)
    assert len(scene.obstacles) == len(draft.front) + len(draft.back)
