"""The link between the reloader and its server, with both ends in the test or across processes."""

import os
import select
import signal
import subprocess
import sys

import pytest

from bascule.development.link import LONGEST_REASON, ServerLink, inherited_link
from bascule.errors import EXIT_ORPHANED, SettingsError, UsageError
from bascule.variables import RELOADER_VARIABLE

# Watches its reloader and otherwise does nothing, whatever signal arrives.
STUBBORN = """
import os, signal
from bascule.development.link import inherited_link
signal.signal(signal.SIGTERM, lambda number, frame: print("signalled", flush=True))
end = inherited_link(os.environ)
end.patience = 0.01
end.watch()
end.report_ready()
while True:
    signal.pause()
"""


@pytest.fixture
def link():
    link = ServerLink()
    yield link
    link.close()


def inherited(link):
    """The server's end, as a process that was started with it finds it."""
    environ = {RELOADER_VARIABLE: str(os.dup(link.theirs.fileno())), "OTHER": "kept"}
    link.close_theirs()
    end = inherited_link(environ)
    assert environ == {"OTHER": "kept"}
    return end


def test_ready_is_received(link):
    end = inherited(link)
    assert not link.is_ready()
    end.report_ready()
    assert select.select([link], [], [], 10)[0] == [link]
    assert link.is_ready()
    assert link.is_ready()
    assert not link.ended
    end._sock.close()


def test_ready_is_received_from_a_server_that_has_ended(link):
    end = inherited(link)
    end.report_ready()
    end._sock.close()
    assert link.is_ready()
    assert link.ended


def test_end_without_a_report(link):
    inherited(link)._sock.close()
    assert not link.is_ready()
    assert link.ended


def test_a_report_after_the_reloader_has_ended_is_no_error(link):
    end = inherited(link)
    link.close()
    end.report_ready()
    end._sock.close()


@pytest.mark.parametrize("value", ["", "nine", "-1", "1000000", "9" * 30])
def test_variable_that_names_no_socket(value):
    with pytest.raises(UsageError, match=RELOADER_VARIABLE):
        inherited_link({RELOADER_VARIABLE: value})


def test_process_that_ignores_the_end_of_its_reloader_is_ended(link):
    number = link.theirs.fileno()
    with subprocess.Popen(
        [sys.executable, "-c", STUBBORN],
        env={**os.environ, RELOADER_VARIABLE: str(number)},
        pass_fds=[number],
        stdout=subprocess.PIPE,
    ) as process:
        link.close_theirs()
        try:
            assert select.select([link], [], [], 20)[0] == [link]
            assert link.is_ready()
            link.close()
            assert process.wait(20) == EXIT_ORPHANED
            assert process.stdout.read() == b"signalled\n"
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)


@pytest.fixture
def end(link):
    """The server's end of `link`."""
    end = inherited(link)
    yield end
    end._sock.close()


def test_why_a_server_did_not_start(link, end):
    assert link.why_failed() == ""
    reason = "SyntaxError: it is « wrong »\n" * 3000
    with pytest.raises(UsageError), end.reporting_failures():
        raise UsageError(reason)
    assert not link.is_ready()
    assert link.why_failed() == reason.encode()[:LONGEST_REASON].decode(errors="replace")


def test_a_server_that_serves_has_not_failed(link, end):
    end.report_ready()
    with pytest.raises(SettingsError), end.reporting_failures():
        raise SettingsError(["one", "two"])
    assert link.is_ready()
    assert link.why_failed() == ""


def test_findings_are_reported_as_a_list(link, end):
    with pytest.raises(SettingsError), end.reporting_failures():
        raise SettingsError(["one", "two"])
    assert link.why_failed() == "2 settings are wrong:\n  one\n  two"


def test_messages_to_an_end_that_is_closed_are_no_error(link, end):
    link.close()
    link.send_failure("a reason")
    end.report_failure("a reason")
