"""How many threads the libraries below use, and how these wait for each other.

Importing `cvdl` comes before importing torch, OpenCV and numpy: they read their environment as they
are loaded. What the user has set there stays.
"""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path

__all__ = ["limit_torch", "set_up", "usable_cores"]

_CGROUPS = Path("/sys/fs/cgroup")


def set_up() -> None:
    """Prepare the environment of libraries that are yet to be loaded, and forks."""
    # A thread that waits in a loop keeps the one that it waits for off its core, for milliseconds
    # at each step of a network, where another process has the other core. GNU's OpenMP (torch of
    # Linux) counts rounds of its loop, Intel's and LLVM's (torch elsewhere) milliseconds.
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")
        os.environ.setdefault("KMP_BLOCKTIME", "1")
    # All libraries follow the affinity of the process by themselves, but not a container's quota.
    cores = usable_cores()
    if cores < _affinity():
        os.environ.setdefault("OMP_NUM_THREADS", str(cores))  # torch, OpenBLAS
        os.environ.setdefault("OPENCV_FOR_THREADS_NUM", str(cores))
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_stay_single)


def usable_cores() -> int:
    """How many cores the process may keep busy: by its affinity and its control group's quota."""
    return max(1, math.ceil(min(_affinity(), _quota(_CGROUPS, Path("/proc/self/cgroup")))))


def limit_torch() -> None:
    """Let torch use no more threads than there are usable cores, unless the user has said.

    For a torch that was loaded before cvdl, or before the process was bound to fewer cores.
    """
    import torch

    if "OMP_NUM_THREADS" not in os.environ and torch.get_num_threads() > usable_cores():
        torch.set_num_threads(usable_cores())


def _affinity() -> int:
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _quota(root: Path, groups: Path) -> float:
    """The smallest quota of the process's control groups, in cores; inf without any.

    Args:
        root: where control groups are mounted.
        groups: a file with the groups of the process, as proc(5) has it.
    """
    try:
        lines = groups.read_text().splitlines()
    except OSError:
        return math.inf
    quotas = [math.inf]
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        base = root / "cpu" if controllers else root
        # In a container the group's path may be the host's: then only the root is there.
        path = base / group.lstrip("/")
        for folder in (path, *path.parents):
            quotas.append(_quota_of(folder))
            if folder == base:
                break
    return min(quotas)


def _quota_of(folder: Path) -> float:
    """The quota of a control group, of version 2 or 1, in cores."""
    for names in (("cpu.max",), ("cpu.cfs_quota_us", "cpu.cfs_period_us")):
        try:
            words = " ".join((folder / name).read_text() for name in names).split()
            quota, period = float(words[0]), float(words[1])
        except (OSError, ValueError, IndexError):  # "max": no limit
            continue
        if quota > 0 and period > 0:  # -1: no limit
            return quota / period
    return math.inf


def _stay_single() -> None:
    """In a forked child: libraries do all on the one thread that a fork leaves.

    Their others are gone, and they would wait for them for ever.
    """
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)
    if cv2 := sys.modules.get("cv2"):
        cv2.setNumThreads(0)  # without its pool: with 1 it would first wait for the pool's end
