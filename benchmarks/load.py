"""Latency of the stages on an idle machine and next to a busy process, by threading environment.

    python benchmarks/load.py [--data DIR] [--rounds N] [--try NAME=VALUE[,NAME=VALUE...]]...

Each environment has its own process, and each process runs all frames once per round, in turn with
the others and in turn with and without a busy loop next to it, so that other load on the machine
affects all of them. The first row has the environment that the package sets. Milliseconds are
medians and maxima over rounds and frames.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

import numpy as np
from rich.console import Console
from rich.progress import track

from measuring import DATA, new_table

STAGES = ("segment", "detect", "grasp")
#: The defaults of the libraries: how long GNU OpenMP waits in a loop, and Intel's (200 ms).
UNSET = "GOMP_SPINCOUNT=300000,KMP_BLOCKTIME=200"
#: Reads a line per round, and prints the milliseconds of each stage of each frame.
WORKER = """
import json, sys
from pathlib import Path
from cvdl.datasets import ImageFolder
from cvdl.pipeline import Perception
frames = list(ImageFolder(Path(sys.argv[1])))
perceive = Perception()
perceive(frames[0])
print("[]", flush=True)
for _ in sys.stdin:
    print(json.dumps([perceive(frame).latency_ms for frame in frames]), flush=True)
"""
BUSY = "while True: pass"


class Worker:
    """A process with its own environment, and its times."""

    def __init__(self, environment: str, data: Path) -> None:
        self.name = environment or "as the package sets it"
        own = dict(pair.split("=", 1) for pair in environment.split(",") if pair)
        self._process = subprocess.Popen(
            [sys.executable, "-c", WORKER, str(data)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **own},
        )
        self.times: dict[tuple[bool, str], list[float]] = defaultdict(list)
        self._answer()

    def run(self, is_busy: bool) -> None:
        """Run all frames once."""
        assert self._process.stdin
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        for latency in self._answer():
            for stage in STAGES:
                self.times[is_busy, stage].append(latency[stage])
            self.times[is_busy, "total"].append(sum(latency.values()))

    def _answer(self) -> list[dict[str, float]]:
        assert self._process.stdout
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


@contextmanager
def beside(is_busy: bool) -> Iterator[None]:
    """With or without a process that keeps a core busy."""
    process = subprocess.Popen([sys.executable, "-c", BUSY]) if is_busy else None
    try:
        yield
    finally:
        if process:
            process.kill()
            process.wait()


def processor() -> str:
    """The name of the processor."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


class Runs(Protocol):
    """Runs all frames once, idle or beside a busy process."""

    def run(self, is_busy: bool) -> None: ...


def run_in_turn(workers: Sequence[Runs], rounds: int) -> None:
    """Let all workers run in turn, idle and beside a busy process, in either order."""
    for number in track(range(2 * rounds), "measuring", transient=True):
        is_busy = number % 2 == 1
        with beside(is_busy):
            for worker in workers if number % 4 < 2 else reversed(workers):
                worker.run(is_busy)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--data", type=Path, default=DATA / "tabletop_demo", help="folder of RGB-D images"
    )
    parser.add_argument("--rounds", type=int, default=10, help="of all frames")
    parser.add_argument(
        "--try",
        dest="environments",
        action="append",
        metavar="NAME=VALUE[,...]",
        help=f"an environment, repeatable; default: {UNSET}, the defaults of the libraries",
    )
    arguments = parser.parse_args()
    workers = [Worker(name, arguments.data) for name in ["", *(arguments.environments or [UNSET])]]
    try:
        run_in_turn(workers, arguments.rounds)
    finally:
        for worker in workers:
            worker.close()
    load = os.getloadavg()[0]
    title = f"median / largest, ms; {os.cpu_count()} cores of {processor()}, load {load:.1f}"
    table = new_table("environment", "load", *STAGES, "total", words=2, title=title)
    for is_busy in (False, True):
        for worker in workers:
            figures = (worker.times[is_busy, stage] for stage in (*STAGES, "total"))
            cells = (f"{np.median(some):.1f} / {max(some):.1f}" for some in figures)
            table.add_row(worker.name, "a busy loop" if is_busy else "nothing", *cells)
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
