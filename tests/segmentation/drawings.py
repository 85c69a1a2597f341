"""Small hand-drawn images: a camera looks straight down on a table of one color, 1.1 m below."""

import numpy as np

from cvdl.core.scene import Plane
from cvdl.segmentation.plane import SupportPlane
from cvdl.segmentation.tabletop import Tabletop

TABLE = Plane(np.array([0.0, 0.0, -1.0]), 1.1)
SHAPE = (60, 80)
OBJECT = np.s_[20:40, 30:50]


def painted(difference, where=OBJECT):
    """Colors (60, 80, 3): the color of the table, and another color with that difference."""
    lab = np.full((*SHAPE, 3), 50, np.float32)
    lab[where] += np.float32(difference / np.sqrt(3))
    return lab


def drawn(label=1):
    """Labels (60, 80) of one object."""
    labels = np.zeros(SHAPE, np.int32)
    labels[OBJECT] = label
    return labels


def tabletop(surface, on_plane, footprint=None, min_height=0.01):
    """The tabletop of a surface in a full image of the same size; the table fills it by default."""
    if footprint is None:
        footprint = np.ones(on_plane.shape, bool)
    return Tabletop(
        surface=surface,
        support=SupportPlane(TABLE, footprint, 1, ~footprint),
        camera=surface.camera,
        min_height=min_height,
        on_plane=on_plane,
        low=on_plane,
        above=~on_plane,
        plane_area=2000,
    )
