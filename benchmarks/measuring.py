"""What the benchmarks share: the place of the data, times and tables."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import ParamSpec, TypeVar

from rich.box import SIMPLE_HEAD
from rich.table import Table

DATA = Path(__file__).parents[2] / "shared" / "data"

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def timed(
    method: Callable[Parameters, Result], *args: Parameters.args, **kwargs: Parameters.kwargs
) -> tuple[Result, float]:
    """The result of a call, and its milliseconds."""
    start = perf_counter()
    result = method(*args, **kwargs)
    return result, 1e3 * (perf_counter() - start)


def new_table(*headings: str, words: int = 1, title: str | None = None) -> Table:
    """A table whose first columns hold words and the others figures."""
    table = Table(title=title, box=SIMPLE_HEAD, pad_edge=False)
    for number, heading in enumerate(headings):
        is_word = number < words
        table.add_column(heading, justify="left" if is_word else "right", no_wrap=number == 0)
    return table


def machine(device: str) -> str:
    """What computes: the GPU or CPU, and the number of threads."""
    import torch  # after cvdl, which sets how torch's threads wait

    name = torch.cuda.get_device_name() if device == "cuda" else "CPU"
    return f"{name}, {torch.get_num_threads()} threads"
