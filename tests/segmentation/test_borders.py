"""Borders between regions, and which of them are strong."""

import numpy as np
import pytest

from cvdl.segmentation.borders import (
    Border,
    Votes,
    find_borders,
    join_by_votes,
    join_weak_borders,
)

HALVES = np.zeros((22, 22), np.int32)  # two regions of 20 rows and 10 columns, side by side
HALVES[1:-1, 1:11], HALVES[1:-1, 11:-1] = 1, 2


def stepped(rows, sign):
    """Steps (22, 22, 2) between the halves in some of their 20 rows."""
    steps = np.zeros((22, 22, 2), np.int8)
    steps[1 : 1 + rows, 10, 0] = sign
    return steps


def creased(rows, angle=90.0):
    """Concavity (22, 22) along the border of the halves in some of their 20 rows."""
    concavity = np.zeros((22, 22), np.float32)
    concavity[1 : 1 + rows, 10:12] = angle
    return concavity


def painted(difference):
    """Colors (22, 22, 3) of the halves, mottled so that neither is plain."""
    lab = np.random.default_rng(0).normal(50, 12, (22, 22, 3)).astype(np.float32)
    lab[:, 11:] += difference / np.sqrt(3)
    return lab


def join_weak(labels, surface):
    return join_weak_borders(labels, find_borders(labels, surface), surface.lab)[0]


def joined(surface):
    return len(np.unique(join_weak(HALVES, surface)[HALVES > 0])) == 1


def test_lengths_and_perimeters(sheet):
    labels = np.array([[1, 1, 2], [1, 0, 2], [3, 3, 2]], np.int32)
    borders = find_borders(labels, sheet(3, 3))
    lengths = {
        a: {b: border.length for b, border in of.items()} for a, of in borders.by_region().items()
    }
    assert lengths == {1: {2: 1, 3: 1}, 2: {1: 1, 3: 1}, 3: {1: 1, 2: 1}}
    # Pairs with no region count too, and pairs with the right and lower edge of the image.
    assert borders.perimeter[1:].tolist() == [4, 7, 5]


@pytest.mark.parametrize("sign", [1, -1])
def test_the_side_in_front_of_a_step(sheet, sign):
    borders = find_borders(HALVES, sheet(22, 22, steps=stepped(15, sign))).by_region()
    left, right = Border(20, 15, 0), Border(20, 0, 15)
    assert borders[1][2] == (left if sign > 0 else right)
    assert borders[2][1] == (right if sign > 0 else left) == borders[1][2].reversed()


def test_borders_add_up():
    assert Border(3, 2, 1) + Border(10, 0, 5) == Border(13, 2, 6)


def test_regions_without_a_border_between_them(sheet):
    labels = np.zeros((22, 22), np.int32)
    labels[:, :5], labels[:, 15:] = 1, 2
    assert not find_borders(labels, sheet(22, 22)).by_region()
    assert set(np.unique(join_weak(labels, sheet(22, 22)))) == {0, 1, 2}


def test_a_border_without_steps_and_creases_is_weak(sheet):
    assert joined(sheet(22, 22, lab=painted(0)))


@pytest.mark.parametrize(("rows", "join"), [(0, True), (6, True), (16, False), (20, False)])
def test_a_border_is_strong_where_most_of_it_is_a_crease(sheet, rows, join):
    assert joined(sheet(22, 22, concavity=creased(rows), lab=painted(0))) == join


@pytest.mark.parametrize(("rows", "join"), [(6, True), (16, False)])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_border_is_strong_where_most_of_it_is_a_step(sheet, rows, join, sign):
    assert joined(sheet(22, 22, steps=stepped(rows, sign), lab=painted(0))) == join


@pytest.mark.parametrize(("angle", "join"), [(10, True), (25, True), (45, False)])
def test_a_sharper_crease_is_stronger(sheet, angle, join):
    assert joined(sheet(22, 22, concavity=creased(20, angle), lab=painted(0))) == join


@pytest.mark.parametrize(("difference", "join"), [(0, True), (60, False)])
def test_two_colors_decide_where_geometry_is_unclear(sheet, difference, join):
    assert joined(sheet(22, 22, concavity=creased(9), lab=painted(difference))) == join


@pytest.mark.parametrize(("rows", "join"), [(20, True), (4, False)])
def test_a_short_border_is_stronger(sheet, rows, join):
    """Objects that touch share little of their outlines, parts of one object share much."""
    labels = HALVES.copy()
    labels[1 + rows : -1, 11] = 0
    found = join_weak(labels, sheet(22, 22, concavity=creased(20, 37), lab=painted(0)))
    assert (found[1, 1] == found[1, -2]) == join


@pytest.mark.parametrize(("scale", "join"), [(1, True), (3, False)])
def test_large_regions_of_one_plain_color_stay_separate(sheet, scale, join):
    """A box on a box of its color; a small region is a part."""
    labels, concavity = (
        np.kron(a, np.ones((scale, scale), a.dtype)) for a in (HALVES, creased(20))
    )
    found = join_weak(labels, sheet(*labels.shape, concavity=concavity))
    assert (len(np.unique(found[labels > 0])) == 1) == join


def test_chains_of_weak_borders_join_and_strong_borders_stay(sheet):
    labels = np.zeros((22, 22), np.int32)
    labels[1:-1, 1:-1] = np.repeat(np.arange(1, 5), 5)
    surface = sheet(22, 22, concavity=creased(20), lab=painted(0))  # between regions 2 and 3
    found = join_weak(labels, surface)[1:-1, 1:-1]
    assert len(np.unique(found[:, :10])) == 1
    assert len(np.unique(found[:, 10:])) == 1
    assert found[0, 0] != found[0, 19]


def test_borders_of_joined_regions_are_those_of_their_labels(sheet):
    labels = np.random.default_rng(0).integers(0, 7, (22, 22)).astype(np.int32)
    surface = sheet(22, 22, concavity=creased(20), steps=stepped(9, 1), lab=painted(20))
    found, borders = join_weak_borders(labels, find_borders(labels, surface), surface.lab)
    again = find_borders(found, surface)
    assert len(np.unique(found)) < 7
    assert borders.by_region() == again.by_region()
    present = np.unique(found[found > 0])
    np.testing.assert_array_equal(borders.perimeter[present], again.perimeter[present])


# With what a network sees ---------------------------------------------------------------------


def seen_joined(surface, distance, apart=0.0):
    """Whether the halves are joined if their votes for a center are this far from each other.

    ``apart`` is the share of the right half that is in another group.
    """
    votes = np.random.default_rng(0).normal(0, 3, (22, 22, 2)).astype(np.float32)
    votes[:, 11:, 0] += distance
    shares = np.array([[0, 0], [200, 0], [200 * (1 - apart), 200 * apart]])
    borders = find_borders(HALVES, surface)
    joined = join_by_votes(HALVES, borders, surface.lab, Votes(votes, shares))
    return joined[5, 5] == joined[5, 15]


@pytest.mark.parametrize(("distance", "apart", "expected"), [(0, 0, True), (60, 1, False)])
def test_regions_that_vote_for_one_center_are_joined(sheet, distance, apart, expected):
    assert seen_joined(sheet(22, 22, lab=painted(5)), distance, apart) == expected


def test_a_step_separates_what_the_network_is_not_sure_of(sheet):
    assert seen_joined(sheet(22, 22), 22)
    assert not seen_joined(sheet(22, 22, steps=stepped(20, 1)), 22)


def test_another_color_separates_what_the_network_is_not_sure_of(sheet):
    assert seen_joined(sheet(22, 22), 22)
    assert not seen_joined(sheet(22, 22, lab=painted(60)), 22)
