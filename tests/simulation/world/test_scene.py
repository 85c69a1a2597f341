"""Scenes of the world: every support, right labels, repeatable."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from cvdl.core.camera import Camera
from cvdl.core.scene import FIRST_OBJECT_LABEL, PLANE_LABEL
from cvdl.simulation import SimulatedScene, SimulationConfig, simulate_scene
from cvdl.simulation.generate import picture
from cvdl.simulation.solid import inverse
from cvdl.simulation.world import cameras
from cvdl.simulation.world import scene as world
from cvdl.simulation.world.supports import SUPPORTS

WORLD = SimulationConfig(domain="world")


@pytest.fixture(scope="module", autouse=True)
def small_camera() -> Iterator[None]:
    """All cameras have few pixels."""
    draw = cameras.random_view
    with pytest.MonkeyPatch.context() as patch:
        camera = Camera(160, 120, 140.0, 140.0, 79.5, 59.5)
        patch.setattr(cameras, "random_view", lambda rng: replace(draw(rng), camera=camera))
        yield


@pytest.fixture(scope="module")
def scenes() -> list[SimulatedScene]:
    return [simulate_scene(1, index, WORLD) for index in range(12)]


@pytest.mark.parametrize("kind", SUPPORTS)
def test_every_support_is_seen_with_things_on_it(kind: str) -> None:
    drafts = [world.draw_world(np.random.default_rng([2, i]), kind) for i in range(4)]
    scenes = [picture(draft, 0) for draft in drafts]
    for scene in scenes:
        assert scene.frame.color.shape == (120, 160, 3)
        assert scene.frame.depth.shape == (120, 160)
        assert scene.camera_pose[2, 3] > 0
    labels = np.stack([scene.truth.labels for scene in scenes])
    assert (labels == PLANE_LABEL).mean() > 0.02
    assert (labels >= FIRST_OBJECT_LABEL).mean() > 0.01
    assert any(scene.objects for scene in scenes)


def on_the_plane(scene: SimulatedScene) -> np.ndarray:
    """Where (N, 3) the rays of the pixels of the support meet z = 0."""
    rows, columns = np.nonzero(scene.truth.labels == PLANE_LABEL)
    ones = np.ones(len(rows))
    camera = scene.frame.camera.deproject_pixels(np.stack([columns, rows], axis=1), ones)
    rays = camera @ scene.camera_pose[:3, :3].T
    return scene.camera_pose[:3, 3] - rays * (scene.camera_pose[2, 3] / rays[:, 2:])


def test_pixels_of_the_support_are_on_it(scenes: list[SimulatedScene]) -> None:
    for scene in scenes:
        # Mats lie on it, so that the rays meet it a little further away.
        grown = replace(scene.table, half_size=scene.table.half_size + 0.05)
        assert grown.carries(on_the_plane(scene)).all()


def test_the_plane_is_that_of_the_support(scenes: list[SimulatedScene]) -> None:
    for scene in scenes:
        back = inverse(scene.camera_pose)
        assert scene.truth.plane is not None
        np.testing.assert_allclose(scene.truth.plane.height(back[:3, 3]), 0, atol=1e-9)


def test_masks_are_where_the_things_are(scenes: list[SimulatedScene]) -> None:
    for scene in scenes:
        for item in scene.truth.objects:
            placed = scene.objects[item.label - FIRST_OBJECT_LABEL]
            corners = scene.frame.camera.project(item.box3d.corners())
            assert placed.label == item.label
            if np.isfinite(corners).all():
                assert (corners.min(axis=0) <= item.box2d[:2] + 1).all()
                assert (corners.max(axis=0) >= item.box2d[2:] - 1).all()


def test_specks_are_no_objects(scenes: list[SimulatedScene]) -> None:
    for scene in scenes:
        labels, counts = np.unique(scene.truth.labels, return_counts=True)
        seen = {int(v): int(n) for v, n in zip(labels, counts, strict=True) if v > PLANE_LABEL}
        assert seen == {item.label: item.area for item in scene.truth.objects}
        assert all(count >= 12 for count in seen.values())


def test_most_things_are_in_view(scenes: list[SimulatedScene]) -> None:
    seen = sum(len(scene.truth.objects) for scene in scenes)
    assert seen > 0.75 * sum(len(scene.objects) for scene in scenes)


def test_things_have_a_category_or_none(scenes: list[SimulatedScene]) -> None:
    categories = {item.category for scene in scenes for item in scene.objects}
    assert "" in categories
    assert len(categories) > 4


def test_a_scene_depends_only_on_seed_and_index(scenes: list[SimulatedScene]) -> None:
    again = simulate_scene(1, 5, WORLD)
    np.testing.assert_array_equal(again.frame.color, scenes[5].frame.color)
    np.testing.assert_array_equal(again.frame.depth, scenes[5].frame.depth)
    np.testing.assert_array_equal(again.truth.labels, scenes[5].truth.labels)
    np.testing.assert_array_equal(again.camera_pose, scenes[5].camera_pose)
    assert not np.array_equal(scenes[4].camera_pose, scenes[5].camera_pose)


def test_the_tabletop_stays_as_it_is() -> None:
    """Labels of the tabletop; colors and depth are not the same on all processors."""
    digest = hashlib.sha256()
    for seed, index in ((0, 0), (3, 7), (21, 5)):
        scene = simulate_scene(seed, index, SimulationConfig(width=160, height=120))
        digest.update(scene.truth.labels.tobytes())
    assert digest.hexdigest()[:16] == "556a188b1560d200"
