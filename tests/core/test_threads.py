"""Threads of the libraries: how many there are, how they wait, and how they survive a fork."""

import json
import math
import os
import subprocess
import sys

import pytest

from cvdl.core import threads

WAITING = ("GOMP_SPINCOUNT", "KMP_BLOCKTIME", "OMP_WAIT_POLICY")
COUNTS = ("OMP_NUM_THREADS", "OPENCV_FOR_THREADS_NUM")
PRINT_ENVIRONMENT = """
import os, sys
{before}
import cvdl
assert "torch" not in sys.modules and "numpy" not in sys.modules
import json
print(json.dumps(dict(os.environ)))
"""


def run_python(code, *arguments, **environment):
    """The JSON that a new Python process prints, with only these thread settings."""
    clean = {name: value for name, value in os.environ.items() if name not in WAITING + COUNTS}
    ran = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**clean, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout.splitlines()[-1])


def test_threads_wait_briefly_unless_the_user_has_set_otherwise():
    environment = run_python(PRINT_ENVIRONMENT.format(before=""))
    assert (environment["GOMP_SPINCOUNT"], environment["KMP_BLOCKTIME"]) == ("1000", "1")
    environment = run_python(PRINT_ENVIRONMENT.format(before=""), GOMP_SPINCOUNT="7")
    assert environment["GOMP_SPINCOUNT"] == "7"
    environment = run_python(PRINT_ENVIRONMENT.format(before=""), OMP_WAIT_POLICY="active")
    assert not {"GOMP_SPINCOUNT", "KMP_BLOCKTIME"} & environment.keys()


@pytest.mark.parametrize("module", ["cvdl.cli", "cvdl.ros.executables", "cvdl.pipeline"])
@pytest.mark.slow
def test_every_entry_point_sets_the_environment_before_libraries_are_loaded(module):
    code = f"""
import builtins, json, os, sys
real, seen = builtins.__import__, {{}}
def spy(name, *rest, **options):
    seen.setdefault(name.partition(".")[0], os.environ.get("GOMP_SPINCOUNT"))
    return real(name, *rest, **options)
builtins.__import__ = spy
import {module}
print(json.dumps([seen.get(name, "1000") for name in ("torch", "cv2", "numpy", "numba")]))
"""
    assert run_python(code) == ["1000"] * 4


COUNT = """
import json, os, sys
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
import cvdl, cv2, torch
from threadpoolctl import threadpool_info
counts = [cvdl.core.threads.usable_cores(), torch.get_num_threads(), cv2.getNumThreads()]
print(json.dumps([*counts, *(info["num_threads"] for info in threadpool_info())]))
"""


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no affinity")
@pytest.mark.slow
def test_thread_counts_follow_the_affinity():
    assert set(run_python(COUNT)) == {1}


LATE = """
import json, os
import torch
torch.set_num_threads(4)
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
from cvdl.networks.device import pick_device
pick_device("cpu")
print(json.dumps(torch.get_num_threads()))
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no affinity")
def test_a_torch_that_is_loaded_first_is_limited_unless_the_user_has_set_otherwise():
    assert run_python(LATE) == 1
    assert run_python(LATE, OMP_NUM_THREADS="3") == 4


@pytest.mark.parametrize(
    ("files", "groups", "cores"),
    [
        ({}, "0::/", math.inf),
        ({"cpu.max": "150000 100000"}, "0::/", 1.5),
        ({"cpu.max": "max 100000"}, "0::/", math.inf),
        ({"a/b/cpu.max": "max 100000", "a/cpu.max": "200000 100000"}, "0::/a/b", 2.0),
        ({"cpu.max": "300000 100000"}, "0::/not/mounted/here", 3.0),
        (
            {"cpu/a/cpu.cfs_quota_us": "50000", "cpu/a/cpu.cfs_period_us": "100000"},
            "4:cpu,cpuacct:/a",
            0.5,
        ),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, "4:cpu:/", math.inf),
        ({"cpu.max": "broken"}, "0::/\n3:memory:/a", math.inf),
    ],
)
def test_the_smallest_quota_of_the_control_groups_counts(tmp_path, files, groups, cores):
    for name, content in files.items():
        path = tmp_path / "root" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{content}\n")
    listed = tmp_path / "groups"
    listed.write_text(f"{groups}\n")
    assert threads.cpu_quota(tmp_path / "root", listed) == cores
    assert threads.cpu_quota(tmp_path / "root", tmp_path / "none") == math.inf


def test_a_quota_limits_the_libraries(monkeypatch):
    for name in COUNTS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(threads, "cpu_quota", lambda *_: 1.5)
    monkeypatch.setattr(os, "register_at_fork", lambda **_: None)
    assert threads.usable_cores() == 2
    threads.set_up()
    assert [os.environ[name] for name in COUNTS] == ["2", "2"]
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    threads.set_up()
    assert os.environ["OMP_NUM_THREADS"] == "5"


FORK = """
import json, os, signal
signal.alarm(100)
from cvdl.pipeline import Perception
from cvdl.warm_up import made_up_frame
import torch
torch.set_num_threads(2)
frame, perceive = made_up_frame(), Perception()
before = perceive(frame)
child = os.fork()
if not child:
    signal.alarm(60)  # ends a child that hangs
    after = perceive(frame)
    same = [len(scene.grasps) for scene in (before, after)] + [torch.get_num_threads()]
    os.write(1, f"{json.dumps(same)}\\n".encode())
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
assert torch.get_num_threads() == 2
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_runs_the_stages_on_its_one_thread():
    before, after, count = run_python(FORK)
    assert before == after > 0
    assert count == 1
