"""Threads of torch, OpenCV and numpy: how many there are and how they wait for each other.

These libraries read their environment variables when they are loaded, so `cvdl` is imported before
them. Variables that the user has set keep their values.
"""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path

__all__ = ["cpu_quota", "limit_torch", "network_threads", "set_up", "usable_cores"]

_CGROUPS = Path("/sys/fs/cgroup")


def set_up() -> None:
    """Set the environment variables of libraries that are loaded later, and prepare for forks."""
    # A thread that waits in a busy loop can keep the thread that it waits for off its core, for
    # milliseconds at each layer of a network, when another process uses the other core. GNU's
    # OpenMP (torch on Linux) counts iterations of the loop, Intel's and LLVM's count milliseconds.
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")
        os.environ.setdefault("KMP_BLOCKTIME", "1")
    # All libraries follow the process's affinity by themselves, but not a container's quota.
    cores = usable_cores()
    if cores < _affinity():
        os.environ.setdefault("OMP_NUM_THREADS", str(cores))  # torch, OpenBLAS
        os.environ.setdefault("OPENCV_FOR_THREADS_NUM", str(cores))
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_stay_single)


def usable_cores() -> int:
    """Number of cores that the process's affinity and its control group's quota allow."""
    return max(1, math.ceil(min(_affinity(), cpu_quota(_CGROUPS, Path("/proc/self/cgroup")))))


def network_threads() -> int:
    """Number of threads of a network: that in OMP_NUM_THREADS, or one for each usable core."""
    wanted = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    return max(1, int(wanted)) if wanted.isdecimal() else usable_cores()


def limit_torch() -> None:
    """Limit torch's threads to the usable cores, unless the user has set OMP_NUM_THREADS.

    This covers a torch that was loaded before cvdl or before the affinity changed.
    """
    import torch

    if "OMP_NUM_THREADS" not in os.environ and torch.get_num_threads() > usable_cores():
        torch.set_num_threads(usable_cores())


def _affinity() -> int:
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cpu_quota(root: Path, groups: Path) -> float:
    """Smallest quota among the process's control groups, in cores; inf without a quota.

    Args:
        root: Mount point of the control groups.
        groups: File with the groups of the process, in the format of cgroups(7).
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
        # In a container the path may be the host's; then only the root exists.
        path = base / group.lstrip("/")
        for folder in (path, *path.parents):
            quotas.append(_quota_of(folder))
            if folder == base:
                break
    return min(quotas)


def _quota_of(folder: Path) -> float:
    """Quota of one control group, of version 2 or 1, in cores."""
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
    """Make libraries use one thread in a forked child.

    A fork keeps only one thread; the libraries would wait forever for the others.
    """
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)
    if cv2 := sys.modules.get("cv2"):
        cv2.setNumThreads(0)  # without its pool; 1 would first wait for the pool to end
