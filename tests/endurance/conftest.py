"""Tests that take minutes, for hundreds of reloads: `scripts/test endurance`."""

import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.load import DEADLINE
from support.needs import program
from support.workers import make_application


def pytest_collection_modifyitems(items):
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.endurance)
            item.add_marker(pytest.mark.timeout(400))


@pytest.fixture
def folder(tmp_path):
    make_application(tmp_path)
    return tmp_path


@pytest.fixture
def hammering():
    """wrk beside the client that checks: far more requests, of which it counts what went wrong.

    Nothing may be refused, reset or cut short, and nothing may be without its answer for as long
    as the client that checks would wait. wrk's own 2 s are no loss, and machines stand still for
    longer.
    """
    wrk = program("wrk")

    @contextmanager
    def hammer(port, connections=8):
        process = subprocess.Popen(
            [
                *(wrk, "-t1", f"-c{connections}", "-d600s", f"--timeout={DEADLINE:.0f}s"),
                f"http://127.0.0.1:{port}/echo?wrk",
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            yield
        finally:
            # It writes its summary when it is interrupted.
            process.send_signal(2)
            output, _ = process.communicate(timeout=30)
        assert "Requests/sec" in output
        assert "Socket errors" not in output, output
        assert "Non-2xx" not in output, output

    return hammer
