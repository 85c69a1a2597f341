"""Places in which the segmentation failed for users, as simulated scenes with known truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from cvdl.core.camera import Camera
from cvdl.core.frame import RgbdFrame
from cvdl.core.scene import FIRST_OBJECT_LABEL, PLANE_LABEL, Plane, Scene
from cvdl.evaluation.scene_scores import plane_error
from cvdl.evaluation.segmentation import evaluate_segmentation
from cvdl.pipeline import Perception, PerceptionConfig
from cvdl.simulation.mesh import box
from cvdl.simulation.placement import Table
from cvdl.simulation.render import Stage
from cvdl.simulation.room import Surface, furnish_table
from cvdl.simulation.shapes import Thing
from cvdl.simulation.solid import inverse
from cvdl.simulation.view import looking
from cvdl.simulation.world.any_shape import any_thing
from cvdl.simulation.world.families import DepthSensor, Edges, Holes, Noise
from cvdl.simulation.world.lights import any_lights
from cvdl.simulation.world.looks import cloth_look, matt
from cvdl.simulation.world.obstacles import covered_share, robot_arm
from cvdl.simulation.world.piling import Form, Heights, drop
from cvdl.simulation.world.sensors import measure_depth
from cvdl.simulation.world.supports import SUPPORTS, Place, surroundings

pytestmark = pytest.mark.slow

Array = NDArray[np.float64]
Rng = np.random.Generator
Placed = list[tuple[Thing, Array]]

CAMERA = Camera(640, 480, 600.0, 600.0, 319.5, 239.5)
#: A D435: 50 mm between its eyes.
D435 = DepthSensor(
    "stereo",
    noise=Noise(constant=2e-4, inverse=1e-3, step=1e-3),
    edges=Edges(0.02, 0.7, 1.0, 0.02, 0.1),
    holes=Holes(dark=0.003, glare=0.8, grazing=0.1, shadow=0.7, baseline=-0.05),
    grain=1.5,
    waves=3e-3,
    fattening=3,
    smoothing=3,
    smoothed_jump=0.02,
    unit=1e-3,
)
#: A D405: 18 mm between its eyes. The waves on a plane at 0.45 m are 5 mm.
D405 = DepthSensor(
    "stereo",
    noise=Noise(constant=2e-4, inverse=5e-3, step=3e-3),
    edges=Edges(0.04, 0.8, 1.5, 0.02, 0.1),
    holes=Holes(dark=0.003, glare=0.8, grazing=0.1, shadow=0.5, baseline=-0.018),
    grain=2.0,
    waves=0.025,
    wave_length=12.0,
    fattening=4,
    smoothing=4,
    smoothed_jump=0.03,
    unit=1e-4,
)
#: Label of a robot's arm.
ARM = 1000
_SEEDS = 6
#: Of fewer pixels, a thing is hidden by others.
_LEAST_VISIBLE = 250


@dataclass(frozen=True)
class View:
    """A frame and the truth about it: labels (H, W) as in ``Scene``, and ``ARM``."""

    frame: RgbdFrame
    labels: NDArray[np.uint16]
    plane: Plane


@dataclass(frozen=True)
class Outcome:
    """What is found in a view.

    Attributes:
        angle, offset: errors of the plane, degrees and millimeters.
        things, found: things in view; those with a mask of intersection over union >= 0.5.
        strays: masks that are mostly not on things.
    """

    view: View
    scene: Scene
    angle: float
    offset: float
    things: int
    found: int
    strays: int

    def masked(self, label: int) -> float:
        """Which share of the pixels of a true label is in masks of objects."""
        at = self.view.labels == label
        return float((self.scene.labels[at] >= FIRST_OBJECT_LABEL).mean())


@pytest.fixture(scope="module")
def look() -> Callable[[Callable[[Rng], View]], list[Outcome]]:
    """Segments a place in variants, once."""
    segment = Perception(PerceptionConfig().segmentation_only())

    def outcome(view: View) -> Outcome:
        scene = segment(view.frame)
        is_thing = (view.labels >= FIRST_OBJECT_LABEL) & (view.labels != ARM)
        score = evaluate_segmentation(np.where(is_thing, view.labels, 0), scene.labels)
        strays = sum(is_thing[scene.labels == item.label].mean() < 0.5 for item in scene.objects)
        pixels = np.bincount(view.labels[is_thing])
        visible = np.flatnonzero(pixels >= _LEAST_VISIBLE)
        # Two thirds are the F of an intersection over union of 0.5.
        found = sum(match.f >= 2 / 3 and match.truth in visible for match in score.matches)
        return Outcome(
            view, scene, *plane_error(view.plane, scene.plane), len(visible), found, strays
        )

    @cache
    def look_at(place: Callable[[Rng], View]) -> list[Outcome]:
        return [outcome(place(np.random.default_rng([17, seed]))) for seed in range(_SEEDS)]

    return look_at


def picture(
    rng: Rng, place: Place, things: Placed, pose: Array, sensor: DepthSensor = D435
) -> View:
    """The view of a place in a room, from a camera's pose (4, 4)."""
    surfaces = place.surfaces + surroundings(rng, place, pose[:3, 3])
    surfaces += [
        Surface(thing.mesh.moved(at), thing.materials, label)
        for label, (thing, at) in enumerate(things, FIRST_OBJECT_LABEL)
    ]
    rendering = Stage(surfaces).render(CAMERA, pose, any_lights(rng, pose[:3, 3]), rng)
    depth = measure_depth(rendering, CAMERA, sensor, rng)
    plane = Plane(inverse(pose)[:3, 2].copy(), float(pose[2, 3]))
    return View(RgbdFrame(rendering.color, depth, CAMERA), rendering.labels, plane)


def camera_at(elevation: float, distance: float) -> Array:
    """The pose (4, 4) of a camera on the side of negative y; x is to the right in the image."""
    angle = np.radians(elevation)
    eye = distance * np.array([0, -np.cos(angle), np.sin(angle)])
    return looking(eye, np.zeros(3), -np.pi / 2, 0.0)


def table_place(rng: Rng, half_size: tuple[float, float], height: float = 0.7) -> Place:
    half = np.array(half_size)
    table = Table(False, half, height, 0.03)
    return Place("table", table, Heights(half, -1.0), furnish_table(rng, table))


def dropped(
    rng: Rng, place: Place, count: int, size: tuple[float, float], low: Array, high: Array
) -> Placed:
    """Drop things of random size onto a rectangle from ``low`` to ``high`` (2,)."""
    things: Placed = []
    for _ in range(count):
        form = Form.of(any_thing(rng, rng.uniform(*size)))
        pose = drop(rng, form, place.heights, rng.uniform(low, high, (12, 2)), steps=45)
        if pose is not None:
            things.append((form.thing, pose))
    return things


# --- A crowded table ----------------------------------------------------------------------------


def crowded_table(rng: Rng) -> View:
    place = table_place(rng, (0.5, 0.35))
    things = dropped(rng, place, 45, (0.09, 0.15), np.array([0.02, -0.3]), np.array([0.4, 0.3]))
    pose = camera_at(55, 0.75)
    return picture(rng, place, things, pose)


# --- A mat, seen by a noisy camera from near -----------------------------------------------------


def mat(rng: Rng) -> View:
    place = table_place(rng, (0.6, 0.5))
    cover = box(0.6, 0.45, 0.002)
    place.heights.add(cover)
    place.surfaces.append(Surface(cover, (cloth_look(rng),), PLANE_LABEL))
    reach = np.array([0.15, 0.1])
    things = dropped(rng, place, 5, (0.05, 0.1), -reach, reach)
    return picture(rng, place, things, camera_at(80, 0.45), D405)


# --- A bin ---------------------------------------------------------------------------------------


def inside_of_a_bin(rng: Rng) -> View:
    while True:  # until it is deep, and its longer side is along that of the image
        place = SUPPORTS["bin"](rng, 0.25)
        x, y = place.table.half_size
        if x > y < place.heights.rim:
            break
    things = dropped(rng, place, 3, (0.06, 0.1), np.array([-x, -y]) / 2, np.array([x, y]) / 2)
    # The rim is just outside of the image.
    above = min(place.heights.half_size / [0.56, 0.42])
    pose = camera_at(89, place.heights.rim + above)
    return picture(rng, place, things, pose)


# --- A small table -------------------------------------------------------------------------------


def small_table(rng: Rng, distance: float = 0.85) -> View:
    place = table_place(rng, (0.22, 0.18), 0.45)
    reach = np.array([0.16, 0.12])
    things = dropped(rng, place, 4, (0.07, 0.12), -reach, reach)
    pose = camera_at(50, distance)
    return picture(rng, place, things, pose)


def distant_table(rng: Rng) -> View:
    """The table is less than a tenth of the view."""
    return small_table(rng, 1.3)


# --- A robot -------------------------------------------------------------------------------------


def reaching_robot(rng: Rng) -> View:
    place = table_place(rng, (0.5, 0.4))
    reach = np.array([0.25, 0.18])
    things = dropped(rng, place, 5, (0.06, 0.12), -reach, reach)
    pose = camera_at(50, 0.9)
    while True:
        tip = rng.uniform([-0.15, -0.1, 0.12], [0.15, 0.15, 0.2])
        arm = robot_arm(rng, tip, np.array([rng.choice([-0.7, 0.7]), 0.3, 0.3]))
        if 0.08 < covered_share(arm, CAMERA, pose) < 0.25:
            break
    place.surfaces += [Surface(part.mesh, part.materials, ARM) for part in arm]
    return picture(rng, place, things, pose)


# --- A row of boxes ------------------------------------------------------------------------------


def flush_boxes(rng: Rng) -> View:
    place = table_place(rng, (0.5, 0.4))
    width, deep, height = rng.uniform([0.05, 0.06, 0.06], [0.07, 0.12, 0.14])
    colors = np.array([[170, 50, 40], [40, 80, 160]])
    count = 6
    things: Placed = []
    for index in range(count):
        pose = np.eye(4)
        pose[0, 3] = (index - (count - 1) / 2) * width
        things.append((Thing("", box(width, deep, height), (matt(colors[index % 2]),)), pose))
    pose = camera_at(45, 0.75)
    return picture(rng, place, things, pose)


# --- The tests -----------------------------------------------------------------------------------

DISTANT = pytest.mark.xfail(strict=False, reason="the floor is sometimes taken for the support")
STRIPES = pytest.mark.xfail(
    strict=False, reason="a row of flush boxes is one object to the network"
)
GRAINS = pytest.mark.xfail(strict=False, reason="grains of strong noise become small objects")


@pytest.mark.parametrize(
    ("place", "degrees", "millimeters"),
    [
        (crowded_table, 1, 5),
        (mat, 4, 10),
        (inside_of_a_bin, 1, 5),
        (small_table, 1, 5),
        pytest.param(distant_table, 1, 5, marks=DISTANT),
        (reaching_robot, 1, 5),
        (flush_boxes, 1, 5),
    ],
)
def test_the_support_is_right(look, place, degrees, millimeters):
    for outcome in look(place):
        assert outcome.angle < degrees
        assert outcome.offset < millimeters


@pytest.mark.parametrize(
    ("place", "share"),
    [
        (crowded_table, 0.55),
        (mat, 0.6),
        (inside_of_a_bin, 0.7),
        (small_table, 0.7),
        (reaching_robot, 0.75),
        pytest.param(flush_boxes, 0.5, marks=STRIPES),
    ],
)
def test_things_are_found(look, place, share):
    outcomes = look(place)
    found = sum(outcome.found for outcome in outcomes)
    assert found >= share * sum(outcome.things for outcome in outcomes)


def test_the_crowd_hides_the_right_half_of_the_table(look):
    for outcome in look(crowded_table):
        left, right = np.split(outcome.view.labels == PLANE_LABEL, 2, axis=1)
        assert right.mean() < 0.2 < 0.6 < left.mean()


def test_a_noisy_mat_is_hardly_masked(look):
    assert np.mean([outcome.masked(PLANE_LABEL) for outcome in look(mat)]) < 0.12


@GRAINS
def test_noise_makes_no_objects(look):
    assert sum(outcome.strays for outcome in look(mat)) <= _SEEDS


def test_walls_of_a_bin_are_no_objects(look):
    outcomes = look(inside_of_a_bin)
    assert {outcome.scene.support_kind for outcome in outcomes} == {"bin"}
    assert np.mean([outcome.masked(0) for outcome in outcomes]) < 0.03


def test_an_arm_is_no_object(look):
    assert np.mean([outcome.masked(ARM) for outcome in look(reaching_robot)]) < 0.1
