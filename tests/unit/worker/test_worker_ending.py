"""Threads that Python waits for at the end of the process."""

import threading
from collections.abc import Iterator

import pytest

from bascule.worker.ending import threads_left


@pytest.fixture
def running() -> Iterator[threading.Thread]:
    """A thread that is not a daemon, and runs until the end of the test."""
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    yield thread
    done.set()
    thread.join()


def test_threads_are_not_left_before_the_end(running: threading.Thread) -> None:
    assert threads_left() == []


def test_threads_are_left_where_python_does_not_show_its_end(
    running: threading.Thread, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(threading, "_shutdown")
    assert running in threads_left()
