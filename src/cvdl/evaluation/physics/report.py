"""Figures of executed grasps: which share holds, why the others do not, and what scores say."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import nan
from typing import Any

import numpy as np

from cvdl.evaluation.figures import as_json
from cvdl.evaluation.physics.film import film_sheets
from cvdl.evaluation.physics.pictures import Picture, failure_sheet
from cvdl.evaluation.physics.protocol import ObjectTries, SceneTrials, Trial
from cvdl.evaluation.physics.settings import PARTS
from cvdl.evaluation.physics.trial import CAUSES, HELD
from cvdl.evaluation.reliability import Reliability, wilson

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
        return wilson(self.held, self.count)

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
        parts: of the protocol, that were executed.
    """

    scenes: Sequence[SceneTrials]
    tries: int
    parts: Sequence[str] = PARTS

    def rows(self) -> dict[str, Share]:
        """The main figures by name, of the parts that were executed."""
        scenes, objects = self.scenes, self._objects()
        tried = [each for each in objects if each.tries]
        within = f"within {self.tries} tries"
        rows = {}
        if "control" in self.parts:
            rows["control"] = _share(t for s in scenes for t in s.control)
        if "published" in self.parts:
            rows["first of a frame"] = _share(s.best for s in scenes if s.best)
            rows["first of each object"] = _share(each.tries[0] for each in tried)
            rows[within] = Share.of(map(_result, tried))
            rows[f"{within}, all"] = Share.of(map(_result, objects))
            if "control" in self.parts:
                rows[f"{within}, can be held"] = Share.of(map(_result, self._possible()))
        if "clearing" in self.parts:
            taken = sum(scene.cleared for scene in scenes)
            things = sum(scene.objects for scene in scenes)
            rows["clearing, tries"] = Share.of(
                HELD if t.outcome.taken else t.outcome.result for s in scenes for t in s.clearing
            )
            rows["clearing, objects"] = Share(Counter({HELD: taken, "left": things - taken}))
        if "baseline" in self.parts:
            rows["straight down"] = _share(t for s in scenes for t in s.baseline)
        return rows

    def categories(self) -> dict[str, Share]:
        """First grasps of each object by category."""
        return _by_category((t.category, t.outcome.result) for t in self._firsts())

    def possible_categories(self) -> dict[str, Share]:
        """Within so many tries, of the objects that can be held, by category.

        Empty without the control, which shows what can be held.
        """
        items = self._possible() if "control" in self.parts else []
        return _by_category((each.category, _result(each)) for each in items)

    def angles(self) -> dict[str, Share]:
        """First grasps of each object by the angle between approach and line of sight."""
        firsts = self._firsts()
        return {
            f"{low}° to {high}°": _share(t for t in firsts if low <= t.angle < high)
            for low, high in pairwise(_ANGLES)
        }

    def reliability(self) -> dict[str, Reliability]:
        """What the scores of published grasps say: of the first ones, and of all that were tried.

        Later grasps of an object are tried only after better ones have failed, which depends on
        the object: they hold less often than all grasps with such a score. Segments that show no
        object count, as their grasps are published too. Empty if a score is no probability, which
        scores of other detectors need not be, or if nothing was tried.
        """
        tried = [each.tries for scene in self.scenes for each in scene.published if each.tries]
        groups = {
            "first grasps": [tries[0] for tries in tried],
            "all tries": [trial for tries in tried for trial in tries],
        }
        if not tried or not all(0 <= trial.score <= 1 for trial in groups["all tries"]):
            return {}
        return {
            name: Reliability.of([(trial.score, trial.outcome.held) for trial in trials])
            for name, trials in groups.items()
        }

    def grasps_per_second(self) -> float:
        """Executed grasps in a second of one core; NaN without grasps."""
        seconds = [trial.seconds for trial in self._all()]
        return len(seconds) / sum(seconds) if seconds else nan

    def report(self) -> dict[str, Any]:
        """All figures for JSON: see `Share.report` and `Reliability.report`.

        ``trials`` are the published grasps that were executed; ``try`` counts those of a segment.
        """
        return as_json(
            {
                "scenes": len(self.scenes),
                "parts": list(self.parts),
                "objects": sum(scene.objects for scene in self.scenes),
                "segments": sum(len(scene.published) for scene in self.scenes),
                "grasps_per_second": self.grasps_per_second(),
                **{
                    name: {key: share.report() for key, share in rows.items()}
                    for name, rows in (
                        ("rows", self.rows()),
                        ("categories", self.categories()),
                        ("possible_categories", self.possible_categories()),
                        ("angles", self.angles()),
                    )
                },
                "reliability": {name: each.report() for name, each in self.reliability().items()},
                "trials": [
                    {
                        "scene": scene.name,
                        "object": trial.target,
                        "try": number,
                        "category": trial.category,
                        "angle": trial.angle,
                        "opening": trial.opening,
                        "score": trial.score,
                        "result": trial.outcome.result,
                    }
                    for scene in self.scenes
                    for each in scene.published
                    for number, trial in enumerate(each.tries, 1)
                ],
            }
        )

    def sheet(self, most: int) -> Picture | None:
        """Pictures of the first grasps that fail, at most so many; None if none was taken."""
        failures = self._failures("picture", most)
        return failure_sheet(*zip(*failures, strict=True)) if failures else None

    def video(self, most: int) -> Iterator[Picture] | None:
        """Films of the first grasps that fail, at most so many; None if none was taken."""
        failures = self._failures("film", most)
        return film_sheets(*zip(*failures, strict=True)) if failures else None

    def _failures(self, what: str, most: int) -> list[tuple[Any, str]]:
        """Pictures or films of failures with captions: some of all, evenly from all scenes."""
        failures = [
            (getattr(trial, what), f"{scene.name} {trial.category or 'thing'}: {_in_words(trial)}")
            for scene in self.scenes
            for each in scene.published
            for trial in each.tries[:1]
            if getattr(trial, what) is not None
        ]
        chosen = np.linspace(0, len(failures) - 1, min(most, len(failures))).astype(int)
        return [failures[i] for i in chosen]

    def _objects(self) -> list[ObjectTries]:
        return [each for scene in self.scenes for each in scene.published if each.is_object]

    def _possible(self) -> list[ObjectTries]:
        """The segmented objects that can be held: see `SceneTrials.can_be_held`."""
        return [
            each
            for scene in self.scenes
            for each in scene.published
            if each.target in scene.can_be_held()
        ]

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


def _by_category(results: Iterable[tuple[str, str]]) -> dict[str, Share]:
    """Shares by category, of pairs of a category and a result."""
    groups: dict[str, list[str]] = defaultdict(list)
    for category, result in results:
        groups[category or "of no kind"].append(result)
    return {name: Share.of(groups[name]) for name in sorted(groups)}


def _result(item: ObjectTries) -> str:
    """`HELD` if any try holds, else the result of the last one."""
    if item.held:
        return HELD
    return item.tries[-1].outcome.result if item.tries else NO_GRASP


def _in_words(trial: Trial) -> str:
    wide = f"{1000 * trial.opening:.0f} mm wide, {trial.angle:.0f} deg"
    return f"{trial.outcome.result}, {wide}"
