"""Poses that the search finds on simple solids, and what a gripper cannot do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from cvdl.core.camera import Camera
from cvdl.core.scene import OrientedBox, Plane, SceneObject
from cvdl.grasping.completion import complete_scene
from cvdl.grasping.config import GraspConfig
from cvdl.grasping.hands import PALM, Hands, SceneCloud
from cvdl.grasping.search import search_hands
from helpers.rays import yaw_rotation

UP = np.array([0.0, 0, 1])
BOX = {"center": (0.02, 0.01, 0.05), "size": (0.06, 0.08, 0.1), "yaw": 20}
NOWHERE = Hands.joined([])
NO_DEPTH = np.full((1, 1), np.nan, np.float32), Camera(1, 1, 1.0, 1.0, 0.0, 0.0)


def search(view, seeds=NOWHERE, **settings):
    """Poses of the objects of a view, and why there are none."""
    config = GraspConfig(enable=False, **settings)
    return search_hands(complete_scene(view.frame, view.scene), view.objects, seeds, config)


def downward(view, hands):
    """Cosines (N,) of the angles between the approaches and straight down."""
    return -hands.rotation[:, :, 2] @ view.direction(UP)


def lowest_corners(hands, plane, config):
    """Heights (N,) over the support of the lowest corner of the tips or of the palm."""
    signs = np.stack(np.meshgrid([-1, 1], [-1, 1], [0, -1]), axis=-1).reshape(-1, 3)
    half = hands.opening / 2 + config.plate_thickness
    sizes = np.stack(
        np.broadcast_arrays(half, config.plate_width / 2, config.plate_length + PALM), axis=1
    )
    local = signs * sizes[:, None]
    corners = hands.position[:, None] + np.einsum("nij,nkj->nki", hands.rotation, local)
    return plane.height(corners).min(axis=1)


def in_the_way(hand, points, config):
    """Which points (N, 3) one hand meets on the last 5 cm of its straight way, by definition."""
    x, y, z = ((points - hand.position[0]) @ hand.rotation[0]).T
    x, y = np.abs(x), np.abs(y)
    inner = hand.opening[0] / 2
    is_across = (x < inner + config.plate_thickness) & (y < config.plate_width / 2)
    is_across &= z > -config.plate_length - PALM - 0.05
    return is_across & (((x > inner) & (z < 0)) | (z < -config.plate_length))


# --- What is between the plates -----------------------------------------------------------------


@pytest.mark.parametrize("elevation", [30, 50, 75])
def test_the_gripper_closes_on_opposite_faces_of_a_box(look, solid, elevation):
    box = solid(**BOX)
    view = look(box, elevation=elevation)
    hands, reasons = search(view, approach="plane")
    assert reasons == []
    across = np.abs(hands.rotation[:, :, 0] @ view.direction(box.rotation[:, :2].T).T)
    assert set(across[:2].argmax(axis=1)) == {0}  # the shorter side first
    for i in np.flatnonzero(across.max(axis=1) > np.cos(np.deg2rad(10))):
        side = across[i].argmax()
        off = (view.world(hands.position[i]) - box.center) @ box.rotation
        assert abs(off[side]) < 0.006
        assert box.size[side] < hands.opening[i] < box.size[side] + 0.03


@pytest.mark.parametrize("elevation", [30, 50, 70])
@pytest.mark.parametrize("diameter", [0.05, 0.07])
def test_a_ball_is_grasped_below_its_equator(look, solid, elevation, diameter):
    ball = solid((0, 0, diameter / 2), (diameter,) * 3, shape="ball")
    view = look(ball, elevation=elevation)
    hands, _ = search(view)
    off = np.einsum("ni,nij->nj", hands.position - view.point(ball.center), hands.rotation)
    assert (np.hypot(off[:, 0], off[:, 1]) < 0.02).all()
    assert (off[:2, 2] > -0.008).all()  # profiles are as coarse
    assert (off[:, 2] > 0).mean() > 0.3
    assert (lowest_corners(hands, view.plane, GraspConfig(enable=False)) > 0.0039).all()


@pytest.mark.parametrize("elevation", [30, 50, 70])
def test_a_plate_is_taken_at_its_rim(look, solid, elevation):
    plate = solid((0, 0, 0.0125), (0.22, 0.22, 0.025), shape="cup")
    view = look(plate, elevation=elevation)
    hands, _ = search(view)
    x, y, _ = view.world(hands.position).T
    assert len(hands) > 5
    assert (np.hypot(x, y) > 0.07).all()


@pytest.mark.parametrize("shape", ["cup", "cylinder"])
@pytest.mark.parametrize(("side", "most"), [((1, 0), 0.1), ((0, 1), 0.2)])
def test_a_handle_stops_few_hands(look, solid, shape, side, most):
    """It is seen at the right; behind the mug nothing shows it, but other directions are tried."""
    where = np.array([*side, 0]) * 0.05 + [0, 0, 0.05]
    handle = solid(tuple(where), (0.03, 0.012, 0.06), 90 * side[1])
    view = look(solid((0, 0, 0.05), (0.07, 0.07, 0.1), shape=shape), handle, elevation=45)
    hands, _ = search(view)
    inside = np.stack(np.meshgrid(*(np.linspace(-s / 2, s / 2, 9) for s in handle.size)), axis=-1)
    points = view.point(inside.reshape(-1, 3) @ handle.rotation.T + where)
    config = GraspConfig(enable=False)
    met = [in_the_way(hands[[i]], points, config).any() for i in range(len(hands))]
    assert np.mean(met) <= most


# --- What is not --------------------------------------------------------------------------------


def surface(size, step=0.004):
    """Points (N, 3) on the faces of a box around the origin."""
    x, y, z = (np.linspace(-s / 2, s / 2, int(s / step) + 2) for s in size)
    grid = np.stack(np.meshgrid(x, y, z), axis=-1).reshape(-1, 3)
    return grid[(np.abs(np.abs(grid) - np.array(size) / 2) < 1e-9).any(axis=1)]


def a_crowd(seed):
    """Six boxes on a support 0.8 m below the camera: their points, and the objects."""
    rng = np.random.default_rng(seed)
    turned = np.diag([1.0, -1, -1])  # z of the boxes is up, away from the support
    points, labels, objects = [], [], []
    for label in range(2, 8):
        size, yaw = rng.uniform([0.02, 0.02, 0.01], [0.09, 0.09, 0.12]), rng.uniform(0, 90)
        rotation = turned @ yaw_rotation(yaw)
        center = np.array([*rng.uniform(-0.12, 0.12, 2), 0.8 - size[2] / 2])
        part = surface(size) @ rotation.T + center
        points.append(part)
        labels.append(np.full(len(part), label))
        objects.append(SceneObject(label, np.zeros(4), OrientedBox(center, rotation, size), 99))
    points = np.concatenate(points).astype(np.float32)
    plane = Plane(np.array([0.0, 0, -1]), 0.8)
    seen = np.ones(len(points), bool)
    return SceneCloud(points, np.concatenate(labels), seen, plane, *NO_DEPTH), objects


@given(st.integers(0, 2**32 - 1), st.sampled_from(["surface", "plane"]), st.booleans())
@examples(max_examples=15)
def test_no_hand_meets_anything_on_its_way(seed, approach, is_small):
    sizes = {"plate_width": 0.012, "plate_length": 0.04, "insertion": 0.03, "max_opening": 0.07}
    config = GraspConfig(enable=False, approach=approach, **(sizes if is_small else {}))
    cloud, objects = a_crowd(seed)
    hands, reasons = search_hands(cloud, objects, NOWHERE, config)
    assert len(set(hands.label)) + len(reasons) == len(objects)
    assert (lowest_corners(hands, cloud.plane, config) > config.clearance - 1e-5).all()
    assert (hands.opening <= config.max_opening).all()
    for i in range(len(hands)):
        own = cloud.label == hands.label[i]
        met = in_the_way(hands[[i]], cloud.points, config)
        assert not met[~own].any()
        assert met[own].sum() <= 4  # a single point of a column may be wrong
        local = (cloud.points[own] - hands.position[i]) @ hands.rotation[i]
        x, y, z = local.T
        is_between = (np.abs(y) < config.plate_width / 2) & (np.abs(x) < hands.opening[i] / 2)
        grip = np.sort(-z[is_between])[-2:]
        assert grip[-1] > 0.005 - 1e-6
        assert grip[0] < config.insertion + 0.005


@pytest.mark.parametrize(
    ("parts", "settings", "reason"),
    [
        ([((0, 0, 0.05), (0.2, 0.2, 0.1))], {}, "opening out of reach"),
        ([((0, 0, 0.05), (0.08, 0.08, 0.1))], {"max_opening": 0.04}, "opening out of reach"),
        ([((0, 0, 0.0025), (0.05, 0.05, 0.005))], {}, "too flat for the plates"),
        ([((0, 0, 0.02), (0.05, 0.05, 0.04))], {"clearance": 0.06}, "too flat for the plates"),
    ],
)
def test_an_object_without_a_pose_has_a_reason(look, solid, parts, settings, reason):
    view = look(*(solid(*part, shape="cylinder") for part in parts), elevation=60)
    hands, reasons = search(view, approach="plane", **settings)
    assert (len(hands), reasons) == (0, [reason])


def crowded_in(look, solid, gap, **others):
    """A box of 6 cm with a wall on each side, and how far it is to them."""
    walls = [
        solid((x * (0.04 + gap), y * (0.04 + gap), 0.03), (0.02, 0.2, 0.06), 90 * abs(y), **others)
        for x, y in ((-1, 0), (1, 0), (0, -1), (0, 1))
    ]
    return look(solid((0, 0, 0.03), (0.06, 0.06, 0.06)), *walls, elevation=75)


@pytest.mark.parametrize("label", [0, 3])
@pytest.mark.parametrize(("gap", "fits"), [(0.012, False), (0.04, True)])
def test_the_plates_need_room_beside_the_object(look, solid, label, gap, fits):
    """The plates stand at least 2 mm beside the box, are 10 mm thick and keep 4 mm."""
    view = crowded_in(look, solid, gap, label=label)
    config = GraspConfig(enable=False, approach="plane")
    cloud = complete_scene(view.frame, view.scene)
    hands, reasons = search_hands(cloud, view.objects[:1], NOWHERE, config)
    assert (len(hands) > 0) == fits
    assert reasons == ([] if fits else ["gripper meets a neighbor"])


def test_an_object_without_depth_has_no_pose(view_of_a_box):
    view = view_of_a_box
    cloud = complete_scene(view.frame, view.scene)
    nothing = replace(cloud, points=cloud.points[:5], label=cloud.label[:5], seen=cloud.seen[:5])
    hands, reasons = search_hands(nothing, view.objects, NOWHERE, GraspConfig(enable=False))
    assert (len(hands), reasons) == (0, ["no depth"])


# --- Settings and seeds -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def view_of_a_box(look, solid):
    return look(solid(**BOX))


def test_the_approach_is_along_the_normal_of_the_support_on_demand(view_of_a_box):
    straight, _ = search(view_of_a_box, approach="plane")
    several, _ = search(view_of_a_box)
    np.testing.assert_allclose(downward(view_of_a_box, straight), 1, atol=1e-9)
    assert downward(view_of_a_box, several).min() < 0.9


def test_openings_are_those_of_the_gripper(view_of_a_box):
    hands, _ = search(view_of_a_box, min_opening=0.09, max_opening=0.095)
    assert len(hands) > 0
    assert ((hands.opening >= 0.09) & (hands.opening <= 0.095)).all()


def test_the_tips_are_no_deeper_than_the_insertion(view_of_a_box):
    top = 0.1
    for insertion in (0.01, 0.02, 0.04):
        hands, _ = search(view_of_a_box, approach="plane", insertion=insertion)
        deepest = top - view_of_a_box.world(hands.position)[:, 2].min()
        assert insertion - 0.006 < deepest < insertion + 0.002


def test_rotations_are_right_handed(view_of_a_box):
    hands, _ = search(view_of_a_box)
    product = np.einsum("nji,njk->nik", hands.rotation, hands.rotation)
    np.testing.assert_allclose(product, np.broadcast_to(np.eye(3), product.shape), atol=1e-9)
    np.testing.assert_allclose(np.linalg.det(hands.rotation), 1)


def test_seeds_are_tried_too_where_they_are(look, solid):
    """At another angle and another place along a bar than the usual ones."""
    bar = solid((0, 0, 0.03), (0.04, 0.16, 0.06))
    view = look(bar, elevation=60)
    turn = yaw_rotation(15) @ np.diag([1.0, -1, -1])
    seed = Hands(
        view.point([[0, 0.018, 0.06]]), view.direction(turn.T).T[None], np.ones(1), np.array([2])
    )
    found, _ = search(view, seed, approach="plane")
    alike = np.abs(found.rotation - seed.rotation).max(axis=(1, 2)) < 1e-9
    assert alike.any()
    along = (view.world(found.position[alike]) - [0, 0.018, 0]) @ turn
    np.testing.assert_allclose(along[:, 1], 0, atol=1e-4)
    other = Hands(seed.position, seed.rotation, seed.opening, np.array([3]))
    without, with_other = (search(view, each)[0].position for each in (NOWHERE, other))
    np.testing.assert_array_equal(without, with_other)
