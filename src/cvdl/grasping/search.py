"""Searches poses of the gripper on the surfaces of a scene.

As in ten Pas et al. 2017 ("Grasp Pose Detection in Point Clouds", on the sampling of candidates),
the hand is tried in several orientations, at several places, and pushed forward as far as it goes.
Here, all surfaces in the way of the hand are reduced to their profile: the smallest depth along the
approach for each place along the opening. A plate reaches as deep as the profile there, and what is
between two such places is what the hand can hold.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cvdl.core.compiled import compiled
from cvdl.core.scene import SceneObject
from cvdl.grasping.config import GraspConfig
from cvdl.grasping.hands import PALM, Hands, SceneCloud

__all__ = ["REASONS", "search_hands"]

Array = NDArray[np.float64]

#: Why an object has no pose; of several reasons, the most frequent one counts.
REASONS = (
    "no depth",
    "opening out of reach",
    "too flat for the plates",
    "gripper meets a neighbor",
    "gripper meets the object",
    "gripper meets the support",
)
_DEPTH, _OPENING, _FLAT, _NEIGHBOR, _OBJECT, _SUPPORT = range(len(REASONS))

_TURNS = 4  # directions of the opening for each approach
_LEVEL_SHARE = 1.5  # of a slanting approach: level to vertical
_SLOTS = 5  # places along the plates for each orientation, at most
_SLOT_GAP = 0.012  # meters between them, at least
_COLUMN = 0.004  # of a profile, meters
_LEVEL = 0.005  # between depths of the tips that are tried, meters
_WAY = 0.05  # what is in the way of the palm is looked for this far behind it, meters
_LEAST_GRIP = 0.005  # meters of the object between the plates, along the approach; less slips out
_GIVE = 0.002  # meters between the object and the opened plates, at least
#: The usual distance: meters at close range, and its growth with the square of the camera's
#: distance, as that of the noise, 1/meters.
_MARGIN, _MARGIN_GROWTH = 0.006, 0.003
#: Meters that count as much in the order of the poses of an object, of which the first are kept: of
#: the object between the plates along the approach, of its widening towards the tips, from its
#: middle, of its width.
_ENOUGH_GRIP, _MUCH_WIDENING, _FAR_OFF, _WIDE = 0.03, 0.01, 0.05, 0.2
_LEAST_POINTS = 6  # of an object
_NEAR_SEED = 0.01  # what a hand from a rectangle holds is this near to its middle, meters
_KEPT = 24  # poses of an object
_SAME_COSINE = 0.999  # of the angle between approaches that are the same
_ALIKE, _ALIKE_COSINE = 0.008, 0.95  # poses nearer than this are one: meters, of the axes


def search_hands(
    cloud: SceneCloud, objects: Sequence[SceneObject], seeds: Hands, config: GraspConfig
) -> tuple[Hands, list[str]]:
    """Return poses in which the gripper fits around a part of an object.

    Each object is approached against the normal of the support, from the camera, between the two,
    and slanting onto the sides of its box; the gripper closes along the axes of the box and between
    them. The orientations and places of the seeds are tried, too.

    Args:
        cloud: surfaces of the scene.
        objects: to grasp.
        seeds: where to look beyond that, with the opening's middle on the object; their openings
            and depths are not used.
        config: sizes of the gripper, and the approach.

    Returns:
        The poses, and for each object without any the reason, one of `REASONS`.
    """
    parts: list[Hands] = []
    reasons: list[str] = []
    for item in objects:
        own = np.flatnonzero(cloud.label == item.label)
        if len(own) < _LEAST_POINTS:
            reasons.append(REASONS[_DEPTH])
            continue
        mine = seeds[seeds.label == item.label]
        grid = _orientations(item, cloud.plane.normal, config)
        rotation = np.concatenate([grid, mine.rotation])
        middle = cloud.points[own].mean(axis=0, dtype=np.float64)
        place = np.full((len(rotation), 2), np.nan)
        offset = mine.position - middle
        place[len(grid) :] = np.einsum("nij,ni->nj", mine.rotation, offset)[:, :2]
        position, turn, opening, score, refused = _search(
            cloud.points, cloud.label, item.label, middle, rotation, place,
            _sizes(config, item), (*cloud.plane.normal, cloud.plane.offset),
        )  # fmt: skip
        if not len(position):
            reasons.append(REASONS[int(refused.argmax())])
            continue
        order = np.argsort(-score, kind="stable")
        chosen = order[_diverse(position[order], rotation[turn[order]])]
        label = np.full(len(chosen), item.label)
        parts.append(Hands(position[chosen], rotation[turn[chosen]], opening[chosen], label))
    return Hands.joined(parts), reasons


def _orientations(item: SceneObject, up: Array, config: GraspConfig) -> Array:
    """Orientations (Q, 3, 3) of the hand that are tried for an object."""
    axes = item.box3d.rotation[:, :2]
    shorter = axes[:, item.box3d.size[:2].argmin()]
    approaches, closing = [-up], [shorter]
    if config.approach == "surface":
        away = _unit(item.box3d.center)
        approaches += [away, _unit(away - up)]
        closing += [shorter, shorter]
        # Onto the sides that the camera sees, as level as there is room for a gripper.
        for axis in axes.T:
            inward = axis if axis @ away > 0 else -axis
            approaches.append(_unit(_LEVEL_SHARE * inward - up))
            closing.append(np.cross(up, inward))
    turned: Array = _turned(np.array(approaches), np.array(closing))
    return turned


@compiled()
def _turned(approaches, closing):  # type: ignore[no-untyped-def]
    """Orientations (A * `_TURNS`, 3, 3) with unit approaches (A, 3), turned about these.

    The first of each closes along the directions (A, 3), as far as the approach allows.
    """
    rotations = np.empty((len(approaches) * _TURNS, 3, 3))
    for a in range(len(approaches)):
        z = approaches[a]
        x = closing[a] - (closing[a] * z).sum() * z
        x /= max(math.sqrt((x**2).sum()), 1e-9)
        y = np.cross(z, x)
        for k in range(_TURNS):
            angle = k * math.pi / _TURNS
            turned = math.cos(angle) * x + math.sin(angle) * y
            rotations[a * _TURNS + k, :, 0] = turned
            rotations[a * _TURNS + k, :, 1] = np.cross(z, turned)
            rotations[a * _TURNS + k, :, 2] = z
    return rotations


def _unit(vector: Array) -> Array:
    return vector / max(float(np.linalg.norm(vector)), 1e-9)


def _sizes(config: GraspConfig, item: SceneObject) -> tuple[float, ...]:
    """Of the gripper for an object, in the order of `_search`."""
    distance = float(np.linalg.norm(item.box3d.center))
    margin = _MARGIN + _MARGIN_GROWTH * distance**2
    deepest = min(config.insertion, config.plate_length - _GIVE)
    return (
        config.max_opening, config.min_opening, config.plate_width, config.plate_thickness,
        config.plate_length, config.clearance, deepest, margin,
    )  # fmt: skip


@compiled()
def _diverse(position, rotation):  # type: ignore[no-untyped-def]
    """Indices of the first of poses (N, 3), (N, 3, 3), without those that are alike.

    Half a turn of the hand about its approach changes nothing. No more than a part of them have
    the same approach.
    """
    chosen = np.empty(min(_KEPT, len(position)), np.int64)
    count = 0
    for n in range(len(position)):
        if count == len(chosen):
            break
        is_new = True
        same = 0
        for k in range(count):
            m = chosen[k]
            same += (rotation[n, :, 2] * rotation[m, :, 2]).sum() > _SAME_COSINE
            if same == _KEPT // 3:
                is_new = False
                break
            if ((position[n] - position[m]) ** 2).sum() < _ALIKE**2:
                x = abs((rotation[n, :, 0] * rotation[m, :, 0]).sum())
                z = (rotation[n, :, 2] * rotation[m, :, 2]).sum()
                if x > _ALIKE_COSINE and z > _ALIKE_COSINE:
                    is_new = False
                    break
        if is_new:
            chosen[count] = n
            count += 1
    return chosen[:count]


@compiled()
def _search(points, labels, label, middle, rotations, places, sizes, plane):  # type: ignore[no-untyped-def]
    """Poses of hands around an object.

    Args:
        points: (M, 3) of the scene.
        labels: (M,).
        label: of the object.
        middle: (3,) of its points.
        rotations: (Q, 3, 3) that are tried.
        places: (Q, 2) along x and y, from the middle; NaN: everywhere.
        sizes: see `_sizes`.
        plane: normal and offset.

    Returns:
        Positions (N, 3), indices (N,) of rotations, openings (N,), scores (N,), and how often each
        of `REASONS` stood against a pose.
    """
    most_open, least_open, width, thick, length, clearance, deepest, margin = sizes
    refused = np.zeros(len(REASONS), np.int64)
    refused[_FLAT] = 1  # unless there is another reason: where tips reach nothing, none is tried
    reach = math.hypot(most_open / 2 + thick + clearance, length + PALM + _WAY)
    local, own_count, far = _around(points, labels, label, middle, reach)
    turned = np.empty_like(local)
    columns = 2 * int((far + thick + 2 * clearance + most_open / 2) / _COLUMN + 1)
    near = np.empty((3, _SLOTS, columns), np.float32)
    left = np.empty((_SLOTS, columns), np.float32)
    right = np.empty((_SLOTS, columns), np.float32)
    room = 256
    result = np.empty((room, 6))
    found = 0
    for q in range(len(rotations)):
        r = rotations[q].astype(np.float32)
        _turn(local, r, turned)
        slots = _slots(turned[1, :own_count], places[q, 1], width)
        _profile(turned, own_count, slots, width, clearance, near, left, right)
        up = np.empty(3)
        for k in range(3):
            up[k] = plane[0] * r[0, k] + plane[1] * r[1, k] + plane[2] * r[2, k]
        height = plane[0] * middle[0] + plane[1] * middle[1] + plane[2] * middle[2] + plane[3]
        for s in range(len(slots)):
            own, others = near[0, s], near[1, s]
            top, bottom = np.inf, -np.inf
            start, stop = columns, 0
            for c in range(columns):
                if own[c] < np.inf:
                    top, bottom = min(top, own[c]), max(bottom, own[c])
                    start, stop = min(start, c), c + 1
            if not top < np.inf:
                continue
            y = np.float64(slots[s])
            base = height + up[1] * y - abs(up[1]) * width / 2
            last_tip = bottom + deepest
            if up[2] < 0:  # until the plates are at the support
                last_tip = min(last_tip, (clearance - base) / up[2] + _LEVEL)
            level = 1
            while top + level * _LEVEL < last_tip + _LEVEL / 2:
                tip = top + level * _LEVEL
                level += 1
                if up[2] < 0 and base + up[2] * tip < clearance:
                    # The last level is as deep as the support allows.
                    tip = (clearance - base) / up[2]
                c = start
                while c < stop:
                    if not own[c] < tip:
                        c += 1
                        continue
                    first = c
                    last, peak = _run(own, first, stop, tip, thick)
                    c = last + 1
                    begin, end = np.float64(left[s, first]), np.float64(right[s, last])
                    size, center = end - begin, (begin + end) / 2
                    if places[q, 0] < begin - _NEAR_SEED or places[q, 0] > end + _NEAR_SEED:
                        continue
                    wide = max(min(size + 2 * margin, most_open), least_open)
                    if size + 2 * _GIVE > most_open:
                        refused[_OPENING] += 1
                        continue
                    grip = tip - peak
                    if grip < _LEAST_GRIP or grip > deepest + 1e-6:
                        refused[_FLAT] += grip < _LEAST_GRIP
                        continue
                    outer = wide / 2 + thick
                    slant = abs(up[0]) * outer
                    at_tip = base + up[2] * tip + up[0] * center - slant
                    at_palm = at_tip - up[2] * (length + PALM)
                    if at_tip < clearance - 1e-6 or at_palm < clearance:
                        refused[_SUPPORT] += 1
                        continue
                    reason = _meets(
                        own, others, first, last, center, wide, tip, thick, length, clearance
                    )
                    if reason >= 0:
                        refused[reason] += 1
                        continue
                    widening = _widening(own, left[s], right[s], first, last, tip, size)
                    off = math.sqrt(center**2 + y**2)
                    if found == room:
                        room *= 2
                        more = np.empty((room, 6))
                        more[:found] = result
                        result = more
                    for k in range(3):
                        result[found, k] = (
                            middle[k] + r[k, 0] * center + r[k, 1] * y + r[k, 2] * tip
                        )
                    result[found, 3] = q
                    result[found, 4] = wide
                    result[found, 5] = (
                        min(grip, _ENOUGH_GRIP) / _ENOUGH_GRIP
                        - min(widening, _MUCH_WIDENING) / _MUCH_WIDENING
                        - off / _FAR_OFF
                        - size / _WIDE
                    )
                    found += 1
    result = result[:found]
    return (
        result[:, :3].copy(), result[:, 3].astype(np.int64), result[:, 4].copy(),
        result[:, 5].copy(), refused,
    )  # fmt: skip


@compiled()
def _run(own, first, stop, tip, thick):  # type: ignore[no-untyped-def]
    """The end of a run of columns that plates cannot reach, and its smallest depth.

    Gaps in it are too narrow for a plate.
    """
    last, peak = first, np.float64(own[first])
    c = first
    while c < stop and (c - last) * _COLUMN < thick + 2 * _GIVE:
        if own[c] < tip:
            last, peak = c, min(peak, own[c])
        c += 1
    return last, peak


@compiled()
def _widening(own, left, right, first, last, tip, size):  # type: ignore[no-untyped-def]
    """How much narrower the object is one level less deep, meters: 0 past the widest place."""
    begin, end = np.inf, -np.inf
    for k in range(first, last + 1):
        if own[k] < tip - _LEVEL:
            begin, end = min(begin, left[k]), max(end, right[k])
    return size - max(0.0, end - begin)


@compiled()
def _around(points, labels, label, middle, reach):  # type: ignore[no-untyped-def]
    """Points of an object and in its reach, from the middle.

    Returns:
        Points (3, K) float32, the object's own first, the number of these, and their largest
        distance from the middle.
    """
    square = 0.0
    own_count = 0
    for n in range(len(points)):
        if labels[n] == label:
            own_count += 1
            away = 0.0
            for k in range(3):
                away += (points[n, k] - middle[k]) ** 2
            square = max(square, away)
    far = math.sqrt(square)
    limit = (far + reach) ** 2
    local = np.empty((3, len(points)), np.float32)
    own, count = 0, own_count
    for n in range(len(points)):
        x, y, z = points[n, 0] - middle[0], points[n, 1] - middle[1], points[n, 2] - middle[2]
        if labels[n] == label:
            at = own
            own += 1
        elif x * x + y * y + z * z <= limit:
            at = count
            count += 1
        else:
            continue
        local[0, at], local[1, at], local[2, at] = x, y, z
    return local[:, :count].copy(), own_count, far


@compiled(fastmath={"contract", "reassoc"})
def _turn(local, r, turned):  # type: ignore[no-untyped-def]
    """Points (3, K) along the axes of a hand, into ``turned``."""
    for k in range(3):
        a, b, c = r[0, k], r[1, k], r[2, k]
        for n in range(local.shape[1]):
            turned[k, n] = a * local[0, n] + b * local[1, n] + c * local[2, n]


@compiled()
def _slots(y, place, width):  # type: ignore[no-untyped-def]
    """Places along the plates that are tried: one that is given, or up to `_SLOTS`.

    ``y`` are those of the object's points.
    """
    if not np.isnan(place):
        return np.full(1, place, np.float32)
    low, high = y.min(), y.max()
    # The plates at the ends are on the object with all their width.
    room = max(0.0, high - low - width)
    count = min(_SLOTS, 1 + 2 * int(room / (2 * _SLOT_GAP)))
    slots = np.empty(count, np.float32)
    for s in range(count):
        share = s / (count - 1) - 0.5 if count > 1 else 0.0
        slots[s] = (low + high) / 2 + share * room
    return slots


@compiled()
def _profile(turned, own_count, slots, width, clearance, near, left, right):  # type: ignore[no-untyped-def]
    """Smallest depths ``near`` (3, S, C) of the object and of others, and the object's ends.

    For the object, it is the second smallest, as a single point may be wrong; the smallest is last.
    ``left`` and ``right`` (S, C) are the smallest and largest x of the object in each column.
    """
    count = len(slots)
    near[:, :count] = np.inf
    left[:count] = np.inf
    right[:count] = -np.inf
    columns = near.shape[2]
    per, shift = np.float32(1 / _COLUMN), np.float32(columns / 2)
    gap = (slots[-1] - slots[0]) / np.float32(max(count - 1, 1))
    dense = np.float32(1 / gap) if gap > 0 else np.float32(0)
    first_slot = slots[0]
    for n in range(turned.shape[1]):
        is_own = n < own_count
        half = np.float32(width / 2 if is_own else width / 2 + clearance)
        y = turned[1, n] - first_slot
        last = int((y + half) * dense)
        if y < -half or (y - half) * dense > count - 1 or (count == 1 and y > half):
            continue
        column = int(turned[0, n] * per + shift)
        if column < 0 or column >= columns:
            continue
        x, z = turned[0, n], turned[2, n]
        first = int(max(np.float32(0), (y - half) * dense))
        for s in range(first, min(last + 1, count)):
            if abs(turned[1, n] - slots[s]) > half:
                continue
            if is_own:
                if z < near[2, s, column]:
                    near[0, s, column], near[2, s, column] = near[2, s, column], z
                else:
                    near[0, s, column] = min(near[0, s, column], z)
                left[s, column] = min(left[s, column], x)
                right[s, column] = max(right[s, column], x)
            else:
                near[1, s, column] = min(near[1, s, column], z)


@compiled()
def _meets(own, others, first, last, center, wide, tip, thick, length, clearance):  # type: ignore[no-untyped-def]
    """Index of the reason why a hand at a depth meets something on its way, or -1."""
    inner, outer = wide / 2, wide / 2 + thick
    palm = tip - length
    columns = len(own)
    reach = outer + clearance + _COLUMN
    begin = max(0, int((center - reach) / _COLUMN + columns / 2))
    end = min(columns, int((center + reach) / _COLUMN + columns / 2) + 1)
    for k in range(begin, end):
        away = abs((k + 0.5 - columns / 2) * _COLUMN - center)
        if away < outer + clearance and (
            others[k] < palm + clearance
            or (away > inner - clearance and others[k] < tip + clearance)
        ):
            return _NEIGHBOR
        is_beside = (k < first or k > last) and inner < away < outer + _COLUMN / 2
        if own[k] < palm + _GIVE or (is_beside and own[k] < tip):
            return _OBJECT
    return -1
