"""Worker threads: in order, and with a queue of one."""

from __future__ import annotations

import threading
from concurrent.futures import CancelledError

import pytest

from cvdl.core.worker import LatestWorker, Worker


def test_functions_are_called_in_order_on_one_thread():
    worker = Worker()
    assert worker.wait(0)
    go_on, done = threading.Event(), []
    worker.start(lambda: done.append(go_on.wait(10)))
    last = worker.start(lambda: (done.append(1), threading.get_ident()))
    failed = worker.start(lambda: 1 / 0)
    assert not worker.wait(0.01)
    assert done == []
    go_on.set()
    assert last.result(10)[1] != threading.get_ident()
    assert isinstance(failed.exception(10), ZeroDivisionError)
    assert worker.wait(10)
    assert done == [True, 1]
    worker.stop()


def test_the_newest_wins_and_the_others_are_counted():
    done, dropped = [], []
    begun, go_on = threading.Event(), threading.Event()

    def work(item):
        begun.set()
        assert go_on.wait(10)
        done.append(item)

    worker = LatestWorker(work, dropped.append)
    worker.submit(0)
    assert begun.wait(10)
    for item in (1, 2, 3):
        worker.submit(item)
    assert dropped == [1, 2]
    begun.clear()
    go_on.set()
    assert begun.wait(10)
    assert worker.clear(10)
    assert done == [0, 3]
    worker.stop()


def test_clearing_drops_waiting_jobs_and_returns_whether_it_was_in_time():
    done = []
    begun, go_on = threading.Event(), threading.Event()

    def work(item):
        begun.set()
        assert go_on.wait(10)
        done.append(item)

    worker = LatestWorker(work, lambda item: None)
    worker.submit(0)
    assert begun.wait(10)
    worker.submit(1)
    assert not worker.clear(0.01)
    go_on.set()
    assert worker.clear(10)
    assert done == [0]
    worker.stop()


def test_calls_run_on_the_thread_of_the_items():
    seen, threads = threading.Event(), []

    def work(item):
        threads.append(threading.get_ident())
        seen.set()

    worker = LatestWorker(work, lambda item: None)
    worker.submit(0)
    assert seen.wait(10)
    assert worker.call(threading.get_ident, lambda: True) == threads[0] != threading.get_ident()
    with pytest.raises(ZeroDivisionError):
        worker.call(lambda: 1 / 0, lambda: True)
    go_on = threading.Event()
    with pytest.raises(CancelledError):
        worker.call(go_on.wait, lambda: False)
    go_on.set()
    worker.stop()
