"""Grasp labels on simple shapes, and compared with brute force on random scenes."""

from dataclasses import replace

import numpy as np
import open3d as o3d
import pytest

from cvdl.core.camera import Camera
from cvdl.core.frame import RgbdFrame
from cvdl.core.scene import OrientedBox, Plane, Scene, SceneObject
from cvdl.grasping.rectangles import angle_difference, jaccard
from cvdl.simulation import PlacedObject, SimulatedScene
from cvdl.simulation.grasps import GraspLabels, ParallelGripper, label_grasps
from cvdl.simulation.mesh import Mesh, box, creased, revolve
from cvdl.simulation.placement import Table
from cvdl.simulation.render import Stage
from cvdl.simulation.room import Surface
from cvdl.simulation.textures import Material

Labeled = list[tuple[SimulatedScene, GraspLabels]]

CAMERA = Camera(320, 240, 300.0, 300.0, 159.5, 119.5)
GRIPPER = ParallelGripper()
MATT = (Material(np.zeros((2, 2, 3), np.uint8)),)
#: 70 cm above the center of the table; right in the image is x in the world.
ABOVE = np.array([[1, 0, 0, 0], [0, -1, 0, 0], [0, 0, -1, 0.7], [0, 0, 0, 1]], float)


@pytest.fixture(scope="module")
def labeled(scenes: list[SimulatedScene]) -> Labeled:
    """The first scenes of seed 3 with their labels."""
    return [(scene, label_grasps(scene)) for scene in scenes[:8]]


def slanted(degrees: float) -> np.ndarray:
    """A camera at -y that looks down at this angle at the center of the table."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    pose = np.eye(4)
    pose[:3, :3] = np.stack([[1, 0, 0], [0, -s, -c], [0, c, -s]], axis=1)
    pose[:3, 3] = -0.7 * pose[:3, 2]
    return pose


def scene_of(*meshes: Mesh, pose: np.ndarray = ABOVE) -> SimulatedScene:
    """A scene of objects (in the world frame) on a large table, seen from ``pose``."""
    table = Table(False, np.array([0.8, 0.8]), 0.7, 0.03)
    top = Surface(box(1.6, 1.6, 0.03).shifted(z=-0.03), MATT, 1)
    things = [Surface(mesh, MATT, 2 + i) for i, mesh in enumerate(meshes)]
    labels = Stage([top, *things]).labels(CAMERA, pose)
    nowhere = OrientedBox(np.zeros(3), np.eye(3), np.ones(3))
    seen = [
        SceneObject(2 + i, np.zeros(4), nowhere, int((labels == 2 + i).sum()))
        for i in range(len(meshes))
        if (labels == 2 + i).any()
    ]
    normal = pose[:3, :3].T @ [0, 0, 1]
    truth = Scene(labels, Plane(normal, float(pose[2, 3])), tuple(seen))
    frame = RgbdFrame(
        np.zeros((240, 320, 3), np.uint8), np.full((240, 320), np.nan, np.float32), CAMERA
    )
    placed = tuple(PlacedObject(2 + i, "thing", mesh, np.eye(4)) for i, mesh in enumerate(meshes))
    return SimulatedScene(0, frame, truth, placed, table, pose, "none")


def ball(radius: float) -> Mesh:
    angle = np.linspace(-np.pi / 2, np.pi / 2, 25)
    profile = np.stack([radius * np.cos(angle), radius + radius * np.sin(angle)], axis=1)
    return revolve([(profile, 0)])


def world_poses(scene: SimulatedScene, labels: GraspLabels) -> tuple[np.ndarray, np.ndarray]:
    to_world = scene.camera_pose
    position = labels.position @ to_world[:3, :3].T + to_world[:3, 3]
    return position, to_world[:3, :3] @ labels.rotation


def test_no_grasp_goes_through_a_wall():
    block = box(0.04, 0.12, 0.05)
    wall = box(0.01, 0.3, 0.15).shifted(x=0.035)
    free = label_grasps(scene_of(block))
    beside = label_grasps(replace(scene_of(block), obstacles=(wall,)))
    assert len(free.good) >= 4
    assert len(beside.good) == 0


def test_a_block_is_held_across_its_narrow_side():
    """4 cm along x, 12 cm along y, too long for the gripper."""
    labels = label_grasps(scene_of(box(0.04, 0.12, 0.05)))
    good = labels.good
    assert 4 <= len(good) <= 12
    assert np.degrees(angle_difference(good.angle, 0)).max() < 1
    np.testing.assert_allclose(labels.contact_distance, 0.04, atol=2e-4)
    depth = labels.position[:, 2]
    assert ((depth > 0.65) & (depth < 0.7)).all()
    np.testing.assert_allclose(good.opening, 300 * (0.04 + 0.016) / depth, rtol=0.01)
    np.testing.assert_allclose(good.plate, 300 * 0.03 / depth, rtol=0.01)
    # Centered across the block, spread along it.
    np.testing.assert_allclose(good.center[:, 0], 159.5, atol=0.5)
    assert np.ptp(good.center[:, 1]) > 25


def test_the_pose_is_that_of_the_object():
    scene = scene_of(box(0.04, 0.12, 0.05), pose=slanted(60))
    labels = label_grasps(scene)
    assert len(labels.good) >= 2
    position, rotation = world_poses(scene, labels)
    np.testing.assert_allclose(position[:, 0], 0, atol=0.002)
    assert ((position[:, 2] > 0) & (position[:, 2] < 0.05)).all()
    across = np.abs(rotation[:, 0, 0])
    assert np.degrees(np.arccos(np.minimum(across, 1))).max() < 1
    assert (rotation[:, 2, 2] < -0.5).all()  # it comes from above
    np.testing.assert_allclose(np.linalg.det(rotation), 1)


def test_a_ball_is_held_at_its_center_from_all_directions():
    scene = scene_of(ball(0.03))
    labels = label_grasps(scene)
    position, _ = world_poses(scene, labels)
    assert np.linalg.norm(position[:, :2], axis=1).max() < 0.006
    assert labels.contact_distance.max() < 0.0605
    assert np.ptp(labels.good.angle) > np.radians(120)


def test_a_wide_object_is_not_held():
    labels = label_grasps(scene_of(box(0.12, 0.12, 0.05)))
    assert len(labels.good) == 0
    assert len(labels.bad) >= 4
    assert labels.position.shape == (0, 3)


def test_a_low_object_is_not_held():
    """The plates would have to reach into the table."""
    assert len(label_grasps(scene_of(box(0.04, 0.12, 0.001))).good) == 0


def test_a_neighbor_blocks_a_grasp():
    block = box(0.04, 0.06, 0.05)
    beside = box(0.04, 0.12, 0.05).shifted(x=0.045)
    alone, crowded = label_grasps(scene_of(block)), label_grasps(scene_of(block, beside))
    turned = [angle_difference(labels.good.angle, 0) for labels in (alone, crowded)]
    assert (turned[0] < 0.2).any()
    assert (turned[0] > 1.3).any()
    own = crowded.good_label == 2
    assert own.any()
    assert (turned[1][own] > 1.3).all()  # only along y
    assert (angle_difference(crowded.bad[crowded.bad_label == 2].angle, 0) < 0.2).any()


def test_a_covered_object_is_not_held():
    """A roof covers a block that is visible from the side."""
    roof = box(0.3, 0.3, 0.01).shifted(z=0.12)
    labels = label_grasps(scene_of(box(0.04, 0.08, 0.05), roof, pose=slanted(25)))
    assert not (labels.good_label == 2).any()


def test_a_ring_is_held_by_its_wall_and_across():
    corners = (0.025, 0), (0.035, 0), (0.035, 0.04), (0.025, 0.04), (0.025, 0)
    ring = revolve(creased(0, *corners))
    distance = label_grasps(scene_of(ring)).contact_distance
    is_wall, is_across = np.abs(distance - 0.01) < 0.002, np.abs(distance - 0.07) < 0.002
    assert is_wall.any()
    assert is_across.any()
    assert (is_wall | is_across).all()


def test_the_gripper_is_used():
    scene = scene_of(box(0.04, 0.07, 0.05))
    wide, narrow = label_grasps(scene), label_grasps(scene, ParallelGripper(max_opening=0.07))
    assert wide.contact_distance.max() == pytest.approx(0.07, abs=1e-3)
    assert narrow.contact_distance.max() == pytest.approx(0.04, abs=1e-3)
    broad = label_grasps(scene, ParallelGripper(plate=0.02)).good
    np.testing.assert_allclose(broad.plate, np.median(wide.good.plate) * 2 / 3, rtol=0.05)


def test_slippery_faces_are_not_held():
    """The long sides of a wedge lean 35 degrees, which is beyond the friction cone."""
    wedge = box(0.06, 0.06, 0.04)
    slope = 1 - wedge.vertices[:, 2:] * np.tan(np.radians(35)) / 0.03
    steep = Mesh(
        wedge.vertices * np.concatenate([slope, np.ones_like(slope), np.ones_like(slope)], 1),
        wedge.normals, wedge.uv, wedge.triangles, wedge.material,
    )  # fmt: skip
    labels = label_grasps(scene_of(steep))
    assert len(labels.good) > 0
    assert (angle_difference(labels.good.angle, 0) > 1).all()


def test_labels_are_repeatable(labeled: Labeled):
    scene, first = labeled[4]
    second = label_grasps(scene)
    np.testing.assert_array_equal(first.good.corners(), second.good.corners())
    np.testing.assert_array_equal(first.bad.corners(), second.bad.corners())
    np.testing.assert_array_equal(first.rotation, second.rotation)


def test_an_empty_table():
    labels = label_grasps(scene_of())
    assert len(labels.good) == len(labels.bad) == 0
    assert labels.rotation.shape == (0, 3, 3)


def test_counts_and_labels(labeled: Labeled):
    good, bad = [], []
    for scene, labels in labeled:
        assert len(labels.good) == len(labels.good_label) == len(labels.position)
        assert len(labels.bad) == len(labels.bad_label)
        seen = {item.label for item in scene.truth.objects}
        assert set(labels.good_label) | set(labels.bad_label) <= seen
        assert np.bincount(labels.good_label, minlength=1).max() <= 12
        good.append(len(labels.good))
        bad.append(len(labels.bad))
    assert np.mean(good) > 5
    assert 0.5 < np.mean(bad) / np.mean(good) < 3


def test_rectangles_are_on_their_objects_inside_the_image(labeled: Labeled):
    for scene, labels in labeled:
        camera = scene.frame.camera
        for rectangles, owner in ((labels.good, labels.good_label), (labels.bad, labels.bad_label)):
            corners = rectangles.corners()
            assert (corners > -3).all()
            assert (corners < np.array([camera.width, camera.height]) + 2).all()
            for center, half, label in zip(
                rectangles.center, rectangles.opening / 2, owner, strict=True
            ):
                v, u = np.nonzero(scene.truth.labels == label)
                assert np.hypot(u - center[0], v - center[1]).min() < half + 1


def test_rectangles_are_the_projected_plates(labeled: Labeled):
    for scene, labels in labeled:
        camera = scene.frame.camera
        np.testing.assert_allclose(
            camera.project(labels.position), labels.good.center.reshape(-1, 2), atol=1e-6
        )
        half = labels.rotation[:, :, 1] * GRIPPER.plate / 2
        plate = camera.project(labels.position + half) - camera.project(labels.position - half)
        corners = labels.good.corners()
        side = corners[:, 2] - corners[:, 1]
        cross = side[:, 0] * plate[:, 1] - side[:, 1] * plate[:, 0]
        np.testing.assert_allclose(cross, 0, atol=1e-6)
        np.testing.assert_allclose(labels.good.plate, np.linalg.norm(plate, axis=1))


def test_contacts_are_antipodal(labeled: Labeled):
    """Both contacts are on the mesh and face each other."""
    limit = np.arctan(GRIPPER.friction) + np.radians(0.1)
    count = 0
    for scene, labels in labeled:
        position, rotation = world_poses(scene, labels)
        for item in scene.objects:
            mesh = item.mesh.moved(item.pose)
            caster = caster_of(mesh)
            own = labels.good_label == item.label
            half = labels.contact_distance[own, None] / 2
            for sign in (-1, 1):
                contact = position[own] + sign * half * rotation[own, :, 0]
                away = caster.compute_distance(contact.astype(np.float32)).numpy()
                assert away.max(initial=0) < 5e-4
                inward = -sign * rotation[own, :, 0]
                rays = np.concatenate([contact - 0.001 * inward, inward], axis=1)
                hit = caster.cast_rays(rays.astype(np.float32))
                cosine = -(hit["primitive_normals"].numpy() * inward).sum(axis=1)
                assert np.arccos(np.minimum(cosine, 1)).max(initial=0) < limit
            count += int(own.sum())
    assert count > 50


def test_opened_plates_do_not_collide(labeled: Labeled):
    """Dense points of the plates are not inside an object or the table, except for slivers."""
    hit, count = 0, 0
    for scene, labels in labeled:
        position, rotation = world_poses(scene, labels)
        casters = [caster_of(item.mesh.moved(item.pose)) for item in scene.objects]
        x = np.linspace(0, GRIPPER.thickness, 4)
        y = np.linspace(-0.5, 0.5, 7) * GRIPPER.plate
        z = np.linspace(-GRIPPER.finger, GRIPPER.tip, 12)
        grid = np.stack(np.meshgrid(x, y, z, indexing="ij"), axis=-1).reshape(-1, 3)
        for center, turn_, distance in zip(
            position, rotation, labels.contact_distance, strict=True
        ):
            start = distance / 2 + GRIPPER.clearance
            sides = [grid * [s, 1, 1] + [s * start, 0, 0] for s in (-1, 1)]
            points = np.concatenate(sides) @ turn_.T + center
            inside = (points[:, 2] < 0) & scene.table.carries(points)
            for caster in casters:
                inside |= caster.compute_occupancy(points.astype(np.float32)).numpy() > 0
            hit += int(inside.any())
            count += 1
    assert count > 50
    assert hit / count < 0.03


def test_bad_rectangles_match_no_good_one(labeled: Labeled):
    for _, labels in labeled:
        for label in np.unique(labels.bad_label):
            good = labels.good[labels.good_label == label]
            bad = labels.bad[labels.bad_label == label]
            turned = angle_difference(bad.angle[:, None], good.angle)
            assert not ((jaccard(bad, good) > 0.25) & (turned < np.radians(30))).any()


def caster_of(mesh: Mesh) -> o3d.t.geometry.RaycastingScene:
    caster = o3d.t.geometry.RaycastingScene(nthreads=1)
    caster.add_triangles(mesh.vertices.astype(np.float32), mesh.triangles.astype(np.uint32))
    return caster
