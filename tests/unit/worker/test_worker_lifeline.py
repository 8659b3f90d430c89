"""The line between a supervisor and its server, with both ends in the test or across processes."""

import os
import select
import signal
import subprocess
import sys

import pytest

from bascule.errors import SettingsError, UsageError
from bascule.variables import LIFELINE_VARIABLE
from bascule.worker.lifeline import (
    EXIT_ORPHANED,
    LONGEST_REASON,
    Lifeline,
    failures_told,
    inherited_lifeline,
)

# Watches its supervisor and otherwise does nothing, whatever it is told.
STUBBORN = """
import os, signal
from bascule.worker.lifeline import inherited_lifeline
signal.signal(signal.SIGTERM, lambda number, frame: print("told", flush=True))
end = inherited_lifeline(os.environ)
end.patience = 0.01
end.watch()
end.say_ready()
while True:
    signal.pause()
"""


@pytest.fixture
def line():
    line = Lifeline()
    yield line
    line.close()


def inherited(line):
    """The server's end, as a process finds it that was started with it."""
    environ = {LIFELINE_VARIABLE: str(os.dup(line.theirs.fileno())), "OTHER": "kept"}
    line.handed_over()
    end = inherited_lifeline(environ)
    assert environ == {"OTHER": "kept"}
    return end


def test_ready_is_heard(line):
    end = inherited(line)
    assert not line.is_ready()
    end.say_ready()
    assert select.select([line], [], [], 10)[0] == [line]
    assert line.is_ready()
    assert line.is_ready()
    assert not line.ended
    end._sock.close()


def test_ready_is_heard_from_a_server_that_has_ended(line):
    end = inherited(line)
    end.say_ready()
    end._sock.close()
    assert line.is_ready()
    assert line.ended


def test_end_without_a_word(line):
    inherited(line)._sock.close()
    assert not line.is_ready()
    assert line.ended


def test_saying_it_to_nobody_is_no_error(line):
    end = inherited(line)
    line.close()
    end.say_ready()
    end._sock.close()


def test_no_supervisor():
    assert inherited_lifeline({"OTHER": "kept"}) is None


@pytest.mark.parametrize("value", ["", "nine", "-1", "1000000", "9" * 30])
def test_variable_that_names_no_socket(value):
    with pytest.raises(UsageError, match=LIFELINE_VARIABLE):
        inherited_lifeline({LIFELINE_VARIABLE: value})


def test_process_that_ignores_the_end_of_its_supervisor_is_ended(line):
    number = line.theirs.fileno()
    with subprocess.Popen(
        [sys.executable, "-c", STUBBORN],
        env={**os.environ, LIFELINE_VARIABLE: str(number)},
        pass_fds=[number],
        stdout=subprocess.PIPE,
    ) as process:
        line.handed_over()
        try:
            assert select.select([line], [], [], 20)[0] == [line]
            assert line.is_ready()
            line.close()
            assert process.wait(20) == EXIT_ORPHANED
            assert process.stdout.read() == b"told\n"
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)


@pytest.fixture
def end(line):
    """The server's end of `line`."""
    end = inherited(line)
    yield end
    end._sock.close()


def test_why_a_server_did_not_start(line, end):
    assert line.why_failed() == ""
    reason = "SyntaxError: it is « wrong »\n" * 3000
    with pytest.raises(UsageError), failures_told(end):
        raise UsageError(reason)
    assert not line.is_ready()
    assert line.why_failed() == reason.encode()[:LONGEST_REASON].decode(errors="replace")


def test_a_server_that_serves_has_not_failed(line, end):
    end.say_ready()
    with pytest.raises(SettingsError), failures_told(end):
        raise SettingsError(["one", "two"])
    assert line.is_ready()
    assert line.why_failed() == ""


def test_findings_are_told_as_a_list(line, end):
    with pytest.raises(SettingsError), failures_told(end):
        raise SettingsError(["one", "two"])
    assert line.why_failed() == "2 settings are wrong:\n  one\n  two"


def test_what_nobody_hears_is_no_trouble(line, end):
    with pytest.raises(UsageError), failures_told(None):
        raise UsageError("a reason")
    line.close()
    line.tell_failure("a reason")
    end.say_failed("a reason")
