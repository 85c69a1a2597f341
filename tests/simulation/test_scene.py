"""Scenes are repeatable, plausible and consistent with their geometry."""

import numpy as np
import pytest
from pydantic import ValidationError

from cvdl.core.scene import FIRST_OBJECT_LABEL, PLANE_LABEL, Scene, SceneObject
from cvdl.simulation import (
    CATEGORIES,
    SimulatedScene,
    SimulationConfig,
    simulate_scene,
    simulate_scenes,
)
from cvdl.simulation.view import random_camera


def assert_same(first: SimulatedScene, second: SimulatedScene) -> None:
    np.testing.assert_array_equal(first.frame.color, second.frame.color)
    np.testing.assert_array_equal(first.frame.depth, second.frame.depth)
    np.testing.assert_array_equal(first.truth.labels, second.truth.labels)
    np.testing.assert_array_equal(first.camera_pose, second.camera_pose)
    assert first.frame.stamp_ns == second.frame.stamp_ns
    assert len(first.objects) == len(second.objects)
    for a, b in zip(first.objects, second.objects, strict=True):
        assert (a.label, a.category) == (b.label, b.category)
        np.testing.assert_array_equal(a.pose, b.pose)
        np.testing.assert_array_equal(a.mesh.vertices, b.mesh.vertices)


def every_object(scenes: list[SimulatedScene]) -> list[tuple[SimulatedScene, SceneObject]]:
    return [(scene, item) for scene in scenes for item in scene.truth.objects]


def points_of(scene: SimulatedScene, labels: np.ndarray) -> np.ndarray:
    points = scene.frame.camera.deproject(scene.frame.depth)
    return points[labels & np.isfinite(points[..., 2])].astype(np.float64)


def plane_of(scene: Scene):
    assert scene.plane is not None
    return scene.plane


def test_a_scene_depends_only_on_seed_and_index(
    scenes: list[SimulatedScene], small: SimulationConfig
) -> None:
    assert_same(simulate_scene(3, 7, small), scenes[7])
    assert not np.array_equal(simulate_scene(4, 7, small).frame.color, scenes[7].frame.color)


@pytest.mark.slow
def test_scenes_are_the_same_on_several_processes(
    scenes: list[SimulatedScene], small: SimulationConfig
) -> None:
    made = list(simulate_scenes(3, 4, small, processes=2))
    assert len(made) == 4
    for expected, scene in zip(scenes, made, strict=False):
        assert_same(expected, scene)


def test_all_scenes_of_a_seed_share_a_camera(
    scenes: list[SimulatedScene], small: SimulationConfig
) -> None:
    assert {scene.frame.camera for scene in scenes} == {random_camera(3, small)}
    for seed in range(20):
        camera = random_camera(seed, SimulationConfig())
        assert (camera.width, camera.height) == (640, 480)
        assert 525 <= camera.fx <= 615
        assert abs(camera.cx - 319.5) < 15
    assert random_camera(0, small) != random_camera(1, small)


def test_stamps_are_a_fifteenth_of_a_second_apart(scenes: list[SimulatedScene]) -> None:
    stamps = [scene.frame.stamp_ns for scene in scenes]
    np.testing.assert_allclose(np.diff(stamps), 1e9 / 15, atol=1)
    assert stamps[0] > 0


def test_scenes_vary(scenes: list[SimulatedScene]) -> None:
    elevations = [np.degrees(np.arcsin(-s.camera_pose[2, 2])) for s in scenes]
    assert np.ptp(elevations) > 30
    assert len({scene.sensor for scene in scenes}) == 2
    assert {scene.table.round for scene in scenes} == {True, False}
    assert len({len(scene.objects) for scene in scenes}) > 3
    assert len({item.category for scene in scenes for item in scene.objects}) > 10
    assert np.std([scene.frame.color.mean() for scene in scenes]) > 5
    assert any((scene.truth.labels == 0).mean() > 0.5 for scene in scenes)


def test_settings_are_used() -> None:
    config = SimulationConfig(
        width=160, height=120, min_objects=3, max_objects=3, min_elevation=40, max_elevation=45
    )
    for index in range(3):
        scene = simulate_scene(0, index, config)
        assert scene.frame.color.shape == (120, 160, 3)
        assert len(scene.objects) <= 3
        optical_axis = scene.camera_pose[:3, 2]
        assert 39.9 < np.degrees(np.arcsin(-optical_axis[2])) < 45.1


def test_an_empty_table_is_a_scene() -> None:
    config = SimulationConfig(width=160, height=120, min_objects=0, max_objects=1)
    scene = next(s for s in simulate_scenes(0, 20, config, processes=1) if not s.objects)
    assert scene.truth.objects == ()
    assert set(np.unique(scene.truth.labels)) <= {0, PLANE_LABEL}


@pytest.mark.parametrize(
    "fields",
    [
        {"min_objects": 5, "max_objects": 4},
        {"max_objects": 25},
        {"min_elevation": 50, "max_elevation": 40},
        {"width": 10},
        {"no_such_field": 1},
    ],
)
def test_invalid_settings_are_rejected(fields: dict) -> None:
    with pytest.raises(ValidationError):
        SimulationConfig(**fields)


def test_the_plane_fits_its_pixels(scenes: list[SimulatedScene]) -> None:
    for scene in scenes:
        plane = plane_of(scene.truth)
        assert np.linalg.norm(plane.normal) == pytest.approx(1)
        assert plane.offset > 0
        points = points_of(scene, scene.truth.labels == PLANE_LABEL)
        height = plane.height(points)
        assert abs(np.median(height)) < 0.004
        assert np.mean(np.abs(height) < 0.02) > 0.97


def test_labels_match_objects(scenes: list[SimulatedScene]) -> None:
    for scene in scenes:
        labels = scene.truth.labels
        assert labels.dtype == np.uint16
        assert [item.label for item in scene.objects] == [
            FIRST_OBJECT_LABEL + i for i in range(len(scene.objects))
        ]
        seen = set(np.unique(labels)) - {0, PLANE_LABEL}
        assert seen == {item.label for item in scene.truth.objects}
        assert {item.class_name for item in scene.truth.objects} <= set(CATEGORIES)


def test_nearly_all_objects_are_visible(scenes: list[SimulatedScene]) -> None:
    placed = sum(len(scene.objects) for scene in scenes)
    assert len(every_object(scenes)) > 0.95 * placed


def test_2d_boxes_fit_the_masks(scenes: list[SimulatedScene]) -> None:
    for scene, item in every_object(scenes):
        rows, columns = np.nonzero(scene.truth.mask(item))
        expected = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        np.testing.assert_array_equal(item.box2d, expected)
        assert item.area == len(rows)


def test_3d_boxes_stand_on_the_plane_and_fit_the_mesh(scenes: list[SimulatedScene]) -> None:
    for scene, item in every_object(scenes):
        box, plane = item.box3d, plane_of(scene.truth)
        np.testing.assert_allclose(box.rotation.T @ box.rotation, np.eye(3), atol=1e-9)
        assert np.linalg.det(box.rotation) == pytest.approx(1)
        np.testing.assert_allclose(box.rotation[:, 2], plane.normal, atol=1e-9)
        assert plane.height(box.corners()).min() > -1e-6
        placed = scene.objects[item.label - FIRST_OBJECT_LABEL]
        world = placed.mesh.moved(placed.pose).vertices
        pose = scene.camera_pose
        local = ((world - pose[:3, 3]) @ pose[:3, :3] - box.center) @ box.rotation
        np.testing.assert_allclose(local.min(axis=0), -box.size / 2, atol=1e-6)
        np.testing.assert_allclose(local.max(axis=0), box.size / 2, atol=1e-6)


def test_3d_boxes_contain_the_measured_points(scenes: list[SimulatedScene]) -> None:
    for scene, item in every_object(scenes):
        points = points_of(scene, scene.truth.mask(item))
        if len(points) > 400:  # on smaller things, the wobbling edges are too large a share
            local = (points - item.box3d.center) @ item.box3d.rotation
            inside = (np.abs(local) < item.box3d.size / 2 + 0.02).all(axis=1)
            assert inside.mean() > 0.85, item.class_name


def test_projected_3d_boxes_contain_the_masks(scenes: list[SimulatedScene]) -> None:
    for scene, item in every_object(scenes):
        corners = scene.frame.camera.project(item.box3d.corners())
        x_min, y_min, x_max, y_max = item.box2d
        assert corners[:, 0].min() - 1 <= x_min
        assert corners[:, 1].min() - 1 <= y_min
        assert corners[:, 0].max() + 1 >= x_max - 1
        assert corners[:, 1].max() + 1 >= y_max - 1


def test_depth_has_holes_but_labels_do_not(scenes: list[SimulatedScene]) -> None:
    holes = np.mean([np.isnan(scene.frame.depth).mean() for scene in scenes])
    assert 0.005 < holes < 0.3
    for scene in scenes:
        labeled = scene.truth.labels[np.isnan(scene.frame.depth)]
        assert (labeled > 0).any()


def test_depth_fits_16_bit_millimeters(scenes: list[SimulatedScene]) -> None:
    for scene in scenes:
        depth = scene.frame.depth[np.isfinite(scene.frame.depth)]
        millimeters = np.rint(depth * 1000).astype(np.uint16)
        np.testing.assert_array_equal(depth, millimeters.astype(np.float32) / np.float32(1000))
