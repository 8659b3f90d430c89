"""`bascule dev` and `serve --reload`: changes are served, mistakes are survived.

The new code starts beside the old, so a test that wants the new waits for the end of the old.
"""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.commands import clean_environment, started
from support.http import ConnectionEnded, RawClient, Response, exchange
from support.server import OUTPUT_DEADLINE, Server

APP = """
print("loaded {version}", flush=True)

def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"{version}"]
"""

# Reports a request, then waits until it may continue; but not for /quick.
SLOW_APP = """
def app(environ, start_response):
    if environ["PATH_INFO"] != "/quick":
        with open("entered", "wb") as entered:
            entered.write(b"x")
        with open("leave", "rb") as leave:
            leave.read(1)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"finished"]
"""

# Does not finish its import until the test writes to the pipe.
HANGING_APP = """
print("importing {version}", flush=True)
open("hang", "rb").read(1)
"""

FAILING_LIFESPAN = """
async def app(scope, receive, send):
    assert scope["type"] == "lifespan"
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "no database at db:5432"})
"""

REPLACED = "the changed code serves; the old server finishes what is in flight"
OLD_STAYS = "the changed code failed to start (exit code {}): the old code keeps serving"

# Gives a process its own terminal, so that Ctrl-C can be typed into it.
WITH_TERMINAL = """
import fcntl, os, sys, termios
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY)
os.execv(sys.executable, [sys.executable, "-m", "bascule", *sys.argv[1:]])
"""


def write_app(directory: Path, version: str) -> None:
    (directory / "site_app.py").write_text(APP.format(version=version))


def body(server: Server) -> bytes:
    response = exchange(server.port, "GET", "/")
    assert response.status == 200
    return response.body


def wait_for_replacement(server: Server, times: int = 1) -> None:
    """Wait until the old server has ended behind a new one, so many times in all."""
    server.wait_for_output(REPLACED, times=times)
    server.wait_for_output("stopped", times=times)


@contextmanager
def developing(
    directory: Path, *args: str, command: str = "dev", fds: tuple[int, ...] = ()
) -> Iterator[Server]:
    """Run `bascule dev site_app` on a socket of the test's."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        port = listener.getsockname()[1]
        bind = f"fd://{listener.fileno()}"
        inherited = (listener.fileno(), *fds)
        with started(
            command, "site_app", "-b", bind, *args, cwd=directory, port=port, fds=inherited
        ) as server:
            yield server


@pytest.fixture
def site(tmp_path: Path) -> Path:
    write_app(tmp_path, "one")
    return tmp_path


@pytest.mark.parametrize("command", [("dev",), ("serve", "--reload")])
def test_change_is_served(site: Path, command: tuple[str, ...]) -> None:
    with developing(site, *command[1:], command=command[0]) as server:
        assert body(server) == b"one"
        server.wait_for_output("watching ")
        write_app(site, "two")
        wait_for_replacement(server)
        assert body(server) == b"two"
        assert "changed: site_app.py; starting again" in server.output()
        assert server.stop() == 0


def test_files_beside_the_code_count_too(site: Path) -> None:
    with developing(site) as server:
        assert body(server) == b"one"
        server.wait_for_output("watching ")
        (site / "bascule.toml").write_text("header = ['X-Made: new']\n")
        server.wait_for_output("changed: bascule.toml; starting again")
        server.wait_for_output("stopped")
        assert exchange(server.port, "GET", "/").header("x-made") == "new"


def test_directory_that_is_watched_instead(site: Path) -> None:
    (site / "lib").mkdir()
    with developing(site, "--reload-dir", "lib") as server:
        server.wait_for_output("loaded one")
        server.wait_for_output(f"watching {site / 'lib'}")
        write_app(site, "two")
        (site / "lib" / "new.py").write_text("")
        server.wait_for_output("changed: lib/new.py; starting again")
        server.wait_for_output("loaded two")


def test_no_connection_is_refused_during_a_reload(site: Path) -> None:
    ended = threading.Event()
    seen: list[bytes] = []
    refused: list[OSError] = []

    def ask() -> None:
        while not ended.is_set():
            try:
                seen.append(body(server))
            except ConnectionEnded:
                continue  # a server may close a new connection before its request has arrived
            except OSError as error:
                refused.append(error)
                return

    with developing(site) as server:
        assert body(server) == b"one"
        server.wait_for_output("watching ")
        client = threading.Thread(target=ask)
        client.start()
        try:
            for times, version in enumerate(("two", "three"), 1):
                write_app(site, version)
                wait_for_replacement(server, times)
                assert body(server) == version.encode()
        finally:
            ended.set()
            client.join()
    assert refused == []
    assert seen[0] == b"one"
    assert b"two" in seen


@pytest.mark.parametrize(
    ("code", "shown", "exit_code"),
    [
        pytest.param("def app(:\n", "SyntaxError", 3, id="syntax"),
        pytest.param("import not_there\n", "No module named 'not_there'", 3, id="import"),
        pytest.param("number = 3\n", "has neither application nor app", 2, id="target"),
        pytest.param(FAILING_LIFESPAN, "no database at db:5432", 3, id="lifespan"),
    ],
)
def test_code_that_does_not_start_leaves_the_old_one_serving(
    site: Path, code: str, shown: str, exit_code: int
) -> None:
    with developing(site) as server:
        assert body(server) == b"one"
        server.wait_for_output("watching ")
        (site / "site_app.py").write_text(code)
        server.wait_for_output(OLD_STAYS.format(exit_code))
        assert shown in server.output()
        assert body(server) == b"one"
        write_app(site, "three")
        wait_for_replacement(server)
        assert body(server) == b"three"
        assert server.stop() == 0


def test_old_code_serves_while_the_new_starts_and_finishes_what_it_has(site: Path) -> None:
    for name in ("entered", "leave", "hang"):
        os.mkfifo(site / name)
    (site / "site_app.py").write_text(SLOW_APP)
    with (
        developing(site, "--timeout-graceful-shutdown", "30") as server,
        RawClient(server.port) as slow,
        RawClient(server.port) as idle,
    ):
        slow.request("GET", "/")
        assert (site / "entered").read_bytes() == b"x"
        server.wait_for_output("watching ")
        new = HANGING_APP.format(version="two") + APP.format(version="two")
        (site / "site_app.py").write_text(new)
        server.wait_for_output("importing two")
        idle.request("GET", "/quick")
        assert idle.read_response().body == b"finished"
        (site / "hang").write_bytes(b"x")
        # Closed by the drain, and the drain begins with accepting no more.
        assert idle.read_to_end() == b""
        assert body(server) == b"two"
        (site / "leave").write_bytes(b"x")
        assert slow.read_response().body == b"finished"
        wait_for_replacement(server)


def test_latest_change_wins(site: Path) -> None:
    """A change while a child starts ends that one; the next starts when it is gone."""
    os.mkfifo(site / "hang")
    with developing(site) as server:
        assert body(server) == b"one"
        server.wait_for_output("watching ")
        (site / "site_app.py").write_text(HANGING_APP.format(version="two"))
        server.wait_for_output("importing two")
        write_app(site, "three")
        wait_for_replacement(server)
        assert body(server) == b"three"
        assert server.stop() == 0
    output = server.output()
    assert output.count("listening on") == 2
    assert "failed to start" not in output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_while_new_code_starts_ends_both(site: Path, number: int) -> None:
    os.mkfifo(site / "hang")
    with developing(site) as server:
        assert body(server) == b"one"
        server.wait_for_output("watching ")
        (site / "site_app.py").write_text(HANGING_APP.format(version="two"))
        server.wait_for_output("importing two")
        server.signal(number)
        assert server.wait() == 0
    assert server.output().count("stopped\n") == 1
    assert "killing" not in server.output()


def test_second_signal_drops_what_is_in_flight(site: Path) -> None:
    os.mkfifo(site / "entered")
    os.mkfifo(site / "leave")
    (site / "site_app.py").write_text(SLOW_APP)
    with (
        developing(site, "--timeout-graceful-shutdown", "30") as server,
        RawClient(server.port) as client,
    ):
        client.request("GET", "/")
        assert (site / "entered").read_bytes() == b"x"
        server.signal(signal.SIGTERM)
        server.wait_for_output("stopping: finishing what is in flight")
        server.signal(signal.SIGTERM)
        assert client.read_to_end() == b""
        assert server.wait() == 0


def test_server_that_ends_by_itself_is_started_by_the_next_change(site: Path) -> None:
    (site / "site_app.py").write_text("import os\n" + APP.format(version="one"))
    with developing(site) as server:
        assert body(server) == b"one"
        server.wait_for_output("watching ")
        (site / "site_app.py").write_text(
            "import os\ndef app(environ, start_response):\n    os._exit(7)\n"
        )
        wait_for_replacement(server)
        with RawClient(server.port) as client:
            client.request("GET", "/")
            assert client.read_to_end() == b""
        server.wait_for_output("the server ended with exit code 7; waiting for a change")
        write_app(site, "three")
        server.wait_for_output("loaded three")
        assert body(server) == b"three"


def test_nothing_is_left_of_a_reloader_that_is_killed(site: Path) -> None:
    with developing(site) as server:
        assert body(server) == b"one"
        server.signal(signal.SIGKILL)
        assert server.wait() == -signal.SIGKILL  # waits for the child as well: it has the pipe
    assert "the reloader has ended; stopping" in server.output()
    assert "stopped\n" in server.output()


def test_nothing_is_left_of_a_reloader_that_is_killed_while_a_server_starts(site: Path) -> None:
    os.mkfifo(site / "hang")
    (site / "site_app.py").write_text(HANGING_APP.format(version="one"))
    with developing(site) as server:
        server.wait_for_output("importing one")
        server.signal(signal.SIGKILL)
        assert server.wait() == -signal.SIGKILL


def test_nothing_is_left_of_a_reloader_that_is_killed_while_settings_are_read(site: Path) -> None:
    """Reading them may take forever as well; here, from the second time on."""
    os.mkfifo(site / "hang")
    (site / "variables").write_text("GREETING=hello\n")
    with developing(site, "--env-file", "variables") as server:
        assert body(server) == b"one"
        server.wait_for_output("watching ")
        (site / "variables.new").symlink_to("hang")
        os.replace(site / "variables.new", site / "variables")
        with open(site / "hang", "wb"):  # opened by the next server, which waits for more
            server.signal(signal.SIGKILL)
            assert server.wait() == -signal.SIGKILL


def test_broken_code_at_the_first_start(site: Path) -> None:
    (site / "site_app.py").write_text("import not_installed_anywhere\n")
    with developing(site) as server:
        server.wait_for_output("waiting for a change")
        write_app(site, "two")
        server.wait_for_output("loaded two")
        assert body(server) == b"two"


def test_wrong_target_ends_it(site: Path) -> None:
    (site / "site_app.py").write_text("number = 3\n")
    with developing(site) as server:
        assert server.wait() == 2
    assert "has neither application nor app" in server.output()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_both_processes(site: Path, number: int) -> None:
    with developing(site) as server:
        assert body(server) == b"one"
        server.signal(number)
        assert server.wait() == 0  # which waits for the child as well, because it has the pipe
    assert "stopping: finishing what is in flight" in server.output()
    assert "Traceback" not in server.output()


def test_signal_while_no_server_runs(site: Path) -> None:
    (site / "site_app.py").write_text("1 / 0\n")
    with developing(site) as server:
        server.wait_for_output("waiting for a change")
        assert server.stop() == 0


def test_application_that_does_not_stop_is_killed(site: Path) -> None:
    (site / "site_app.py").write_text(
        "import os, signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print('loaded stubborn', flush=True)\n"
        "signal.pause()\n"
    )
    with developing(site, "--timeout-graceful-shutdown", "0") as server:
        server.wait_for_output("loaded stubborn")
        assert server.stop() == 0
    assert "the server has not ended after 5 s; killing it" in server.output()


@contextmanager
def developing_in_a_terminal(directory: Path) -> Iterator[tuple[Server, int]]:
    """Run `bascule dev site_app` in a terminal; also yields what types into it."""
    keyboard, terminal = os.openpty()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        command = [sys.executable, "-c", WITH_TERMINAL, "dev", "site_app"]
        process = subprocess.Popen(
            [*command, "-b", f"fd://{listener.fileno()}"],
            cwd=directory,
            env=clean_environment(),
            pass_fds=[listener.fileno()],
            stdin=terminal,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        server = Server(process, listener.getsockname()[1], "http")
    try:
        yield server, keyboard
    finally:
        server.kill()
        os.close(keyboard)
        os.close(terminal)


def test_ctrl_c_finishes_what_is_in_flight(site: Path) -> None:
    """The terminal sends SIGINT to both processes; the child must not get a second one."""
    os.mkfifo(site / "entered")
    os.mkfifo(site / "leave")
    (site / "site_app.py").write_text(SLOW_APP)
    with developing_in_a_terminal(site) as (server, keyboard), RawClient(server.port) as client:
        client.request("GET", "/")
        assert (site / "entered").read_bytes() == b"x"
        os.write(keyboard, b"\x03")
        server.wait_for_output("stopping: finishing what is in flight")
        (site / "leave").write_bytes(b"x")
        assert client.read_response().body == b"finished"
        assert server.wait() == 0


# The page for browsers while new code does not start.

PAGE_LOAD = {"Accept": "text/html,*/*;q=0.8", "Sec-Fetch-Dest": "document"}
FETCHED = {"Accept": "*/*", "Sec-Fetch-Dest": "empty"}


def visited(server: Server, fields: dict[str, str], method: str = "GET") -> Response:
    return exchange(server.port, method, "/", fields.items())


def failure_page(server: Server, but: str | None = None) -> Response:
    """The page with the reason. The server that serves hears of it a moment after the terminal
    does.

    but: which failure was shown before.
    """
    ends_at = time.monotonic() + OUTPUT_DEADLINE
    while time.monotonic() < ends_at:
        page = visited(server, PAGE_LOAD)
        if page.status == 500 and page.header("Bascule-Failed") != but:
            return page
    raise AssertionError("no page says what has failed")


def test_a_browser_is_told_that_the_new_code_failed(site: Path) -> None:
    with developing(site) as server:
        assert body(server) == b"one"
        server.wait_for_output("watching ")
        (site / "site_app.py").write_text("def app(:  # <oh>\n")
        server.wait_for_output(OLD_STAYS.format(3))
        page = failure_page(server)
        assert page.header("Content-Type") == "text/html; charset=utf-8"
        assert page.header("Cache-Control") == "no-store"
        text = page.body.decode()
        assert "site_app could not be loaded" in text
        assert "SyntaxError" in text
        assert "&lt;oh&gt;" in text
        assert "The previous code still serves everything except page loads" in text
        # The request that the page sends has the same response.
        assert page.header("Bascule-Failed") in text
        asked = visited(server, {**FETCHED, "Bascule-Failed": "1"})
        assert (asked.status, asked.header("Bascule-Failed")) == (
            500,
            page.header("Bascule-Failed"),
        )
        # Everything else has the old code.
        assert visited(server, FETCHED).body == b"one"
        assert visited(server, PAGE_LOAD, "POST").body == b"one"
        assert body(server) == b"one"
        # Another failure is another page.
        (site / "site_app.py").write_text("import no_such_module_here\n")
        server.wait_for_output(OLD_STAYS.format(3), times=2)
        other = failure_page(server, but=page.header("Bascule-Failed"))
        assert "no_such_module_here" in other.body.decode()
        write_app(site, "two")
        wait_for_replacement(server)
        answer = visited(server, PAGE_LOAD)
        assert (answer.status, answer.body) == (200, b"two")
        assert server.stop() == 0


def test_a_browser_is_told_where_nothing_serves(site: Path) -> None:
    (site / "site_app.py").write_text("def app(:\n")
    with developing(site) as server:
        server.wait_for_output("waiting for a change")
        page = visited(server, PAGE_LOAD)
        assert page.status == 500
        assert "SyntaxError" in page.body.decode()
        assert "Nothing is served until it does" in page.body.decode()
        for fields in (FETCHED, {}):
            plain = visited(server, fields)
            assert (plain.status, plain.header("Content-Type")) == (
                500,
                "text/plain; charset=utf-8",
            )
            assert plain.body.startswith(b"the code did not start\n\nsite_app could not be loaded")
        write_app(site, "two")
        server.wait_for_output("loaded two")
        assert visited(server, PAGE_LOAD).body == b"two"
        assert server.stop() == 0


def test_a_server_that_ended_without_a_word(site: Path) -> None:
    (site / "site_app.py").write_text("import os\nos._exit(7)\n")
    with developing(site) as server:
        server.wait_for_output("waiting for a change")
        assert b"It ended with exit code 7." in visited(server, PAGE_LOAD).body
        assert server.stop() == 0
