"""Figures of executed grasps: which share holds, and why the others do not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import nan
from typing import Any

import numpy as np
from scipy.stats import binomtest

from cvdl.evaluation.figures import as_json
from cvdl.evaluation.physics.pictures import Picture, failure_sheet
from cvdl.evaluation.physics.protocol import ObjectTries, SceneTrials, Trial
from cvdl.evaluation.physics.trial import CAUSES, HELD

__all__ = ["NO_GRASP", "PhysicsReport", "Share"]

#: Result of an object without a grasp.
NO_GRASP = "no grasp"
#: Bounds of the groups of angles between approach and line of sight, degrees.
_ANGLES = (0, 30, 45, 60, 75, 180)


@dataclass(frozen=True)
class Share:
    """How many of some results are `HELD`, and the others by cause."""

    results: Counter[str]

    @classmethod
    def of(cls, results: Iterable[str]) -> Share:
        """Count results."""
        return cls(Counter(results))

    @property
    def held(self) -> int:
        """Number that hold."""
        return self.results[HELD]

    @property
    def count(self) -> int:
        """Number of all."""
        return self.results.total()

    @property
    def value(self) -> float:
        """Share that holds; NaN without results."""
        return self.held / self.count if self.count else nan

    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the share, after Wilson; NaN without results."""
        if not self.count:
            return nan, nan
        low, high = binomtest(self.held, self.count).proportion_ci(0.95, "wilson")
        return float(low), float(high)

    def report(self) -> dict[str, Any]:
        """For JSON: ``held`` of ``count``, ``share``, ``interval``, ``causes``."""
        causes = {cause: self.results[cause] for cause in (*CAUSES, NO_GRASP)}
        return as_json(
            {
                "held": self.held,
                "count": self.count,
                "share": self.value,
                "interval": self.interval(),
                "causes": causes,
            }
        )


@dataclass(frozen=True)
class PhysicsReport:
    """What was executed on all scenes.

    Attributes:
        scenes: in order.
        tries: largest number of tries of an object.
    """

    scenes: Sequence[SceneTrials]
    tries: int

    def rows(self) -> dict[str, Share]:
        """The main figures by name."""
        objects = self._objects()
        tried = [each for each in objects if each.tries]
        taken = sum(scene.cleared for scene in self.scenes)
        things = sum(scene.objects for scene in self.scenes)
        return {
            "control": _share(t for s in self.scenes for t in s.control),
            "first of a frame": _share(s.best for s in self.scenes if s.best),
            "first of each object": _share(each.tries[0] for each in tried),
            f"within {self.tries} tries": Share.of(map(_result, tried)),
            f"within {self.tries} tries, all": Share.of(map(_result, objects)),
            "clearing, tries": Share.of(
                HELD if t.outcome.taken else t.outcome.result
                for s in self.scenes
                for t in s.clearing
            ),
            "clearing, objects": Share(Counter({HELD: taken, "left": things - taken})),
            "straight down": _share(t for s in self.scenes for t in s.baseline),
        }

    def categories(self) -> dict[str, Share]:
        """First grasps of each object by category."""
        firsts = self._firsts()
        names = sorted({each.category for each in firsts})
        return {
            name or "of no kind": _share(t for t in firsts if t.category == name) for name in names
        }

    def angles(self) -> dict[str, Share]:
        """First grasps of each object by the angle between approach and line of sight."""
        firsts = self._firsts()
        return {
            f"{low}° to {high}°": _share(t for t in firsts if low <= t.angle < high)
            for low, high in pairwise(_ANGLES)
        }

    def grasps_per_second(self) -> float:
        """Executed grasps in a second of one core; NaN without grasps."""
        seconds = [trial.seconds for trial in self._all()]
        return len(seconds) / sum(seconds) if seconds else nan

    def report(self) -> dict[str, Any]:
        """All figures for JSON: see `Share.report`; ``trials`` are the first grasps."""
        return as_json(
            {
                "scenes": len(self.scenes),
                "objects": sum(scene.objects for scene in self.scenes),
                "segments": sum(len(scene.published) for scene in self.scenes),
                "grasps_per_second": self.grasps_per_second(),
                **{
                    name: {key: share.report() for key, share in rows.items()}
                    for name, rows in (
                        ("rows", self.rows()),
                        ("categories", self.categories()),
                        ("angles", self.angles()),
                    )
                },
                "trials": [
                    {
                        "scene": scene.name,
                        "category": trial.category,
                        "angle": trial.angle,
                        "opening": trial.opening,
                        "score": trial.score,
                        "result": trial.outcome.result,
                    }
                    for scene in self.scenes
                    for each in scene.published
                    for trial in each.tries[:1]
                ],
            }
        )

    def sheet(self, most: int) -> Picture | None:
        """Pictures of the first grasps that fail, at most so many; None if none was taken."""
        failures = [
            (trial.picture, f"{scene.name} {trial.category or 'thing'}: {_in_words(trial)}")
            for scene in self.scenes
            for each in scene.published
            for trial in each.tries[:1]
            if trial.picture is not None
        ]
        if not failures:
            return None
        # Evenly from all scenes.
        chosen = np.unique(np.linspace(0, len(failures) - 1, most).astype(int))
        pictures, captions = zip(*(failures[i] for i in chosen), strict=True)
        return failure_sheet(pictures, captions)

    def _objects(self) -> list[ObjectTries]:
        return [each for scene in self.scenes for each in scene.published if each.is_object]

    def _firsts(self) -> list[Trial]:
        return [each.tries[0] for each in self._objects() if each.tries]

    def _all(self) -> list[Trial]:
        return [
            trial
            for scene in self.scenes
            for trials in (
                scene.control, scene.baseline, scene.clearing,
                *(each.tries for each in scene.published),
            )
            for trial in trials
        ]  # fmt: skip


def _share(trials: Iterable[Trial]) -> Share:
    return Share.of(trial.outcome.result for trial in trials)


def _result(item: ObjectTries) -> str:
    """`HELD` if any try holds, else the result of the last one."""
    if item.held:
        return HELD
    return item.tries[-1].outcome.result if item.tries else NO_GRASP


def _in_words(trial: Trial) -> str:
    wide = f"{1000 * trial.opening:.0f} mm wide, {trial.angle:.0f} deg"
    return f"{trial.outcome.result}, {wide}"
