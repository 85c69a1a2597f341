"""A scene with known facts."""

import numpy as np

from cvdl.language.facts import SceneFacts, Thing


def thing(
    label: int,
    kind: str,
    colors: dict[str, float],
    center: tuple[float, float, float],
    size: tuple[float, float, float] = (0.1, 0.1, 0.1),
) -> Thing:
    return Thing(label, kind, colors, np.array(center), np.array(size))


def table() -> SceneFacts:
    """From left to right: a red mug with a spoon in it, a green box behind, a red apple, a box."""
    return SceneFacts(
        (
            thing(2, "mug", {"red": 0.9, "white": 0.1}, (-0.3, 0.5, 0.05)),
            thing(3, "spoon", {"gray": 1.0}, (-0.3, 0.5, 0.1), (0.04, 0.04, 0.15)),
            thing(4, "box", {"green": 1.0}, (-0.28, 0.8, 0.1), (0.2, 0.1, 0.25)),
            thing(5, "apple", {"red": 1.0}, (0.1, 0.5, 0.04), (0.07, 0.07, 0.07)),
            thing(6, "box", {"blue": 1.0}, (0.4, 0.45, 0.04), (0.12, 0.1, 0.08)),
        ),
        {(3, 2): "in", (2, 3): "under"},
        frozenset({2, 3, 5}),
    )
