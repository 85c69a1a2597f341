"""Small pictures: a camera looks straight down on a table of one colour, 1.1 m below it."""

import numpy as np

from cvdl.core.scene import Plane

TABLE = Plane(np.array([0.0, 0.0, -1.0]), 1.1)
SHAPE = (60, 80)
THING = np.s_[20:40, 30:50]


def painted(difference, where=THING):
    """Colours (60, 80, 3): the table's, and one that differs by so much."""
    lab = np.full((*SHAPE, 3), 50, np.float32)
    lab[where] += np.float32(difference / np.sqrt(3))
    return lab


def thing(label=1):
    labels = np.zeros(SHAPE, np.int32)
    labels[THING] = label
    return labels
