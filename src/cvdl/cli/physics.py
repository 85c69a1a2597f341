"""The part of ``cvdl evaluate grasp`` that executes grasps in a physics simulation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import isnan
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.table import Table

from cvdl.cli.console import status_console
from cvdl.cli.problems import Draw
from cvdl.cli.tables import empty_table
from cvdl.core.errors import InputError
from cvdl.datasets.dataset import tracked
from cvdl.evaluation.charts import reliability_chart
from cvdl.evaluation.physics.film import RATE
from cvdl.evaluation.physics.protocol import PhysicsRun, execute_scenes
from cvdl.evaluation.physics.report import NO_GRASP, PhysicsReport, Share
from cvdl.evaluation.physics.settings import PARTS, PhysicsSettings
from cvdl.evaluation.physics.trial import CAUSES
from cvdl.evaluation.reliability import Reliability
from cvdl.pipeline import PerceptionConfig
from cvdl.simulation.config import SimulationConfig
from cvdl.viz.pictures import write_png
from cvdl.viz.video import check_video, write_video

__all__ = ["PhysicsOutputs", "domain_of", "execute", "parts_of"]

Domain = Literal["tabletop", "world"]

_DOMAINS: dict[str, Domain] = {"simulated": "tabletop", "simulated_world": "world"}


@dataclass(frozen=True)
class PhysicsOutputs:
    """Files to write; None: not.

    Attributes:
        sheet: pictures of failures.
        video: films of failures.
        reliability: chart of the scores.
        worst: number of failures in sheet and video.
    """

    sheet: Path | None
    video: Path | None
    reliability: Path | None
    worst: int


def parts_of(words: str) -> tuple[str, ...]:
    """The parts of the protocol that are named, with commas between them.

    Raises:
        InputError: if there is no such part.
    """
    names = [word.strip() for word in words.split(",")]
    for name in names:
        if name not in PARTS:
            raise InputError(f"--parts has {name!r}; accepted: {', '.join(PARTS)}")
    return tuple(part for part in PARTS if part in names)


def domain_of(dataset: str | None) -> Domain:
    """The domain of a simulated data set; None: the default.

    Raises:
        InputError: if it is another data set.
    """
    name = dataset or "simulated"
    if name not in _DOMAINS:
        raise InputError(f"dataset is {name!r}; accepted with --physics: {', '.join(_DOMAINS)}")
    return _DOMAINS[name]


def execute(
    domain: Domain,
    perception: PerceptionConfig,
    physics: PhysicsSettings,
    scenes: int,
    seed: int,
    parts: tuple[str, ...],
    outputs: PhysicsOutputs,
) -> tuple[dict[str, Any], dict[str, tuple[Path | None, Draw]]]:
    """Execute grasps and print the tables.

    Returns:
        The figures for JSON, and the pictures to write: see ``cvdl.cli.evaluate``.

    Raises:
        InputError: if an output needs published grasps and these are not executed, or if this
            build of OpenCV writes no videos.
    """
    shown = {
        "--sheet": outputs.sheet, "--video": outputs.video, "--reliability": outputs.reliability,
    }  # fmt: skip
    for option, path in shown.items():
        if path is not None and "published" not in parts:
            raise InputError(f"{option} shows published grasps; add published to --parts")
    if outputs.video is not None:
        check_video()
    run = PhysicsRun(
        seed, SimulationConfig(domain=domain), perception, physics,
        pictures=outputs.sheet is not None, films=outputs.video is not None, parts=parts,
    )  # fmt: skip
    done = tracked(execute_scenes(run, scenes), "executing", status_console(), scenes)
    report = PhysicsReport(list(done), physics.tries, parts)
    console, reliability = Console(), report.reliability()
    within = f"within {physics.tries} tries"
    groups = {
        f"{scenes} scenes, {domain}, seed {seed}": report.rows(),
        "first grasps of each object, by category": report.categories(),
        f"{within}, of objects that can be held, by category": report.possible_categories(),
        "first grasps by angle between approach and line of sight": report.angles(),
    }
    for title, rows in groups.items():
        if any(share.count for share in rows.values()):
            console.print(_table(title, rows))
    if reliability:
        console.print(_reliability_table(reliability))
    elif "published" in parts:
        console.print("no reliability: scores are not between 0 and 1, or nothing was tried")
    speed = report.grasps_per_second()
    if not isnan(speed):
        console.print(f"{speed:.1f} grasps per second on one core", highlight=False)
    content = {
        "domain": domain,
        "seed": seed,
        "physics": asdict(physics),
        "settings": perception.model_dump(),
        **report.report(),
    }
    drawn, filmed = report.sheet(outputs.worst), report.video(outputs.worst)
    pictures: dict[str, tuple[Path | None, Draw]] = {}
    if drawn is not None:
        pictures["failures"] = outputs.sheet, lambda path: write_png(path, drawn)
    if filmed is not None:
        pictures["films of failures"] = (
            outputs.video, lambda path: write_video(path, filmed, RATE),
        )  # fmt: skip
    if reliability:
        title = f"published scores, {scenes} scenes, {domain}, seed {seed}"
        pictures["reliability"] = (
            outputs.reliability,
            lambda path: reliability_chart(path, reliability, title, "share that holds"),
        )
    for option, path in shown.items():
        if path is not None and path not in [written for written, _ in pictures.values()]:
            console.print(f"nothing to show: {option} {path} is not written", highlight=False)
    return content, pictures


def _table(title: str, rows: dict[str, Share]) -> Table:
    table = empty_table(title, "grasps", "held, %", "95 %", "of", "causes of failure")
    table.columns[-1].justify = "left"
    for name, share in rows.items():
        if not share.count:
            continue
        causes = {cause: share.results[cause] for cause in (*CAUSES, NO_GRASP)}
        table.add_row(
            name,
            f"{100 * share.value:.1f}",
            _interval(share.interval()),
            str(share.count),
            ", ".join(f"{cause} {count}" for cause, count in causes.items() if count),
        )
    return table


def _reliability_table(groups: Mapping[str, Reliability]) -> Table:
    table = empty_table("published scores", "score", "mean", "held, %", "95 %", "of")
    errors = (f"{name} {group.error():.3f}" for name, group in groups.items())
    table.caption = f"expected calibration error: {', '.join(errors)}"
    for name, group in groups.items():
        table.add_section()
        table.add_row(name)
        for each in group.bins():
            if each.count:
                table.add_row(
                    f"{each.low:.1f} to {each.high:.1f}",
                    f"{each.score:.2f}",
                    f"{100 * each.share:.1f}",
                    _interval(each.interval()),
                    str(each.count),
                )
    return table


def _interval(bounds: tuple[float, float]) -> str:
    low, high = bounds
    return f"{100 * low:.0f}-{100 * high:.0f}"
