"""Executed poses that are disturbed a little, so that they are never seen the same way twice."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cvdl.grasping.holding.executed import ExecutedHands

__all__ = ["disturbed"]

#: Largest share of the points that are left out.
_LEFT_OUT = 0.3
#: Standard deviations: of points along each axis, meters; of poses along each axis, meters, and
#: about each, radians. They are so small that hardly any outcome would be another one.
_NOISE, _MOVE, _TURN = 0.0007, 0.001, 0.015


def disturbed(picture: ExecutedHands, rng: np.random.Generator) -> ExecutedHands:
    """Leave out points of a picture, and move the others and the poses a little."""
    cloud, hands, count = picture.cloud, picture.hands, len(picture.hands)
    kept = rng.random(len(cloud.points)) >= rng.uniform(0, _LEFT_OUT)
    points = cloud.points[kept]
    points = points + rng.normal(0, _NOISE, points.shape).astype(np.float32)
    # A small rotation adds the product with its vector to each axis, to the first order.
    turn = np.cross(rng.normal(0, _TURN, (count, 1, 3)), hands.rotation.swapaxes(1, 2))
    return replace(
        picture,
        cloud=replace(cloud, points=points, label=cloud.label[kept], seen=cloud.seen[kept]),
        hands=replace(
            hands,
            position=hands.position + rng.normal(0, _MOVE, (count, 3)),
            rotation=hands.rotation + turn.swapaxes(1, 2),
        ),
    )
