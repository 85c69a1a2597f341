"""The part of ``cvdl evaluate grasp`` that executes grasps in a physics simulation."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.table import Table

from cvdl.cli.console import status_console
from cvdl.cli.problems import Draw
from cvdl.cli.tables import empty_table
from cvdl.core.errors import InputError
from cvdl.datasets.dataset import tracked
from cvdl.evaluation.physics.protocol import PhysicsRun, execute_scenes
from cvdl.evaluation.physics.report import NO_GRASP, PhysicsReport, Share
from cvdl.evaluation.physics.settings import PhysicsSettings
from cvdl.evaluation.physics.trial import CAUSES
from cvdl.pipeline import PerceptionConfig
from cvdl.simulation.config import SimulationConfig
from cvdl.viz.pictures import write_png

__all__ = ["domain_of", "execute"]

Domain = Literal["tabletop", "world"]

_DOMAINS: dict[str, Domain] = {"simulated": "tabletop", "simulated_world": "world"}


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
    sheet: Path | None,
    worst: int,
) -> tuple[dict[str, Any], dict[str, tuple[Path | None, Draw]]]:
    """Execute grasps and print the tables.

    Returns:
        The figures for JSON, and the pictures to write: see ``cvdl.cli.evaluate``.
    """
    run = PhysicsRun(
        seed, SimulationConfig(domain=domain), perception, physics, pictures=sheet is not None
    )
    done = tracked(execute_scenes(run, scenes), "executing", status_console(), scenes)
    report = PhysicsReport(list(done), physics.tries)
    console = Console()
    groups = {
        f"{scenes} scenes, {domain}, seed {seed}": report.rows(),
        "first grasps of each object, by category": report.categories(),
        "by angle between approach and line of sight": report.angles(),
    }
    for title, rows in groups.items():
        console.print(_table(title, rows))
    speed = report.grasps_per_second()
    console.print(f"{speed:.1f} grasps per second on one core", highlight=False)
    content = {
        "domain": domain,
        "seed": seed,
        "physics": asdict(physics),
        "settings": perception.model_dump(),
        **report.report(),
    }
    drawn = None if sheet is None else report.sheet(worst)
    if drawn is None:
        return content, {}
    return content, {"failures": (sheet, lambda path: write_png(path, drawn))}


def _table(title: str, rows: dict[str, Share]) -> Table:
    table = empty_table(title, "grasps", "held, %", "95 %", "of", *CAUSES, NO_GRASP)
    for name, share in rows.items():
        if not share.count:
            continue
        low, high = share.interval()
        causes = (share.results[cause] for cause in (*CAUSES, NO_GRASP))
        table.add_row(
            name,
            f"{100 * share.value:.1f}",
            f"{100 * low:.0f}-{100 * high:.0f}",
            str(share.count),
            *(str(count or "") for count in causes),
        )
    return table
