"""Processes that run beside a test."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager, suppress

import pytest


class Background:
    """A process under way, leader of a group of its own."""

    def __init__(self, process, log):
        self._process = process
        self._log = log

    @property
    def said(self):
        """What it and its children have printed so far."""
        self._log.seek(0)
        return self._log.read()

    @property
    def alive(self):
        return self._process.poll() is None

    def interrupt(self, number=signal.SIGINT):
        """A signal to the whole group, as a terminal sends Ctrl-C."""
        os.killpg(self._process.pid, number)

    def end(self, timeout_s):
        """Its exit status, once it has ended by itself."""
        return self._process.wait(timeout_s)


@contextmanager
def background(*command, **environment):
    """A process; what is left of its group at the end of the with statement is killed."""
    with tempfile.TemporaryFile("w+", errors="replace") as log:
        process = subprocess.Popen(
            [str(word) for word in command],
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield Background(process, log)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def ros2(verb):
    """The words of ``ros2 VERB`` under this Python; skips the test where that cannot run.

    An installation's own Python packages may not be seen from a virtual environment.
    """
    command = (sys.executable, shutil.which("ros2"), *verb.split())
    tried = subprocess.run([*command, "--help"], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"needs `ros2 {verb}`: {tried.stderr.splitlines()[0]}")
    return command
