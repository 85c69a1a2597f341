"""How fast the simulation is: time of each stage, and scenes per second including writing.

python benchmarks/simulation.py [--domain world] [--scenes 200] [--processes 2]
"""

from __future__ import annotations

import argparse
import tempfile
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

import cv2

from cvdl.core.camera import Camera
from cvdl.simulation import SimulationConfig, generate, simulate_scene, simulate_scenes
from cvdl.simulation.export import EXPORTS
from cvdl.simulation.render import Stage
from cvdl.simulation.world import cameras
from cvdl.simulation.world import scene as world

STAGES = {
    "tabletop": {
        "objects and their places": (generate, "arrange"),
        "table": (generate, "furnish_table"),
        "camera pose that shows them": (generate, "choose_view"),
        "room": (generate, "furnish_room"),
        "ray casting and shading": (Stage, "render"),
        "depth sensor": (generate, "measure_depth"),
        "truth": (generate, "_truth"),
    },
    "world": {
        "support": (world, "random_place"),
        "things and their places": (world, "arrange_things"),
        "obstacles, clutter, room": (world, "surroundings"),
        "ray casting and shading": (Stage, "render"),
        "depth sensor": (world, "measure_depth"),
        "photograph": (world, "photograph"),
        "truth": (generate, "_truth"),
    },
}
VGA = Camera(640, 480, 580.0, 580.0, 319.5, 239.5)


def with_vga_cameras() -> None:
    """Give all cameras of the world the image size of the tabletop."""
    draw = cameras.random_view
    cameras.random_view = lambda rng: replace(draw(rng), camera=VGA)


def stage_times(config: SimulationConfig, count: int) -> dict[str, float]:
    """Mean milliseconds per scene of each stage, and of all, on one process."""
    spent: dict[str, float] = defaultdict(float)

    def timed(text: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            start = perf_counter()
            result = function(*args)
            spent[text] += perf_counter() - start
            return result

        return call

    stages: dict[str, tuple[Any, str]] = STAGES[config.domain]
    originals = {text: getattr(owner, name) for text, (owner, name) in stages.items()}
    for index in range(count):
        simulate_scene(0, index, config)  # compiles and fills caches
    try:
        for text, (owner, name) in stages.items():
            setattr(owner, name, timed(text, originals[text]))
        start = perf_counter()
        for index in range(count):
            simulate_scene(0, index, config)
        total = perf_counter() - start
    finally:
        for text, (owner, name) in stages.items():
            setattr(owner, name, originals[text])
    return {text: spent[text] / count * 1e3 for text in stages} | {"all": total / count * 1e3}


def rates(config: SimulationConfig, count: int, processes: int) -> dict[str, tuple[float, float]]:
    """Scenes per second of each format, with and without the start of the processes."""
    result = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, make in EXPORTS.items():
            start = perf_counter()
            with make(Path(folder) / name, False, 0) as export:
                for number, scene in enumerate(simulate_scenes(0, count, config, processes)):
                    export.add(scene)
                    if number == 0:
                        started = perf_counter()
            end = perf_counter()
            result[name] = (count / (end - start), (count - 1) / (end - started))
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--domain", choices=list(STAGES), default="tabletop")
    parser.add_argument("--scenes", type=int, default=200)
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    config = SimulationConfig(domain=arguments.domain)
    print(f"{arguments.scenes} scenes, {arguments.processes} processes     scenes per second")
    print("format        with the start   without it")
    for name, (whole, steady) in rates(config, arguments.scenes, arguments.processes).items():
        print(f"{name:12s} {whole:15.1f} {steady:12.1f}")

    with_vga_cameras()
    print("\nstage, one process, 640x480              ms per scene")
    for text, milliseconds in stage_times(config, min(arguments.scenes, 50)).items():
        print(f"{text:40s} {milliseconds:10.1f}")


if __name__ == "__main__":
    main()
