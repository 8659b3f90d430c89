"""As a service of systemd, whose part the test plays: it opens the sockets of the unit files in
deploy/, starts what they say, and hears what the service tells.
"""

import configparser
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from support.commands import clean_environment
from support.http import RawClient, exchange
from support.server import Server
from support.workers import ASGI, answered, ended, make_application, pids, write_version

APPS = Path(__file__).parent / "apps"
DEPLOY = Path(__file__).parents[2] / "deploy"

# Puts descriptors where systemd puts them, and says whose they are: only the process itself
# knows its number before it runs.
ACTIVATE = """
import os, sys
given, owner = [int(number) for number in sys.argv[1].split(",") if number], sys.argv[2]
kept = [os.dup(number) for number in given]
high = [os.dup2(number, 100 + place) for place, number in enumerate(kept)]
for place, number in enumerate(high):
    os.dup2(number, 3 + place)
    os.close(number)
os.environ["LISTEN_FDS"] = str(len(given))
os.environ["LISTEN_PID"] = owner or str(os.getpid())
os.environ["LISTEN_FDNAMES"] = ":".join("name" for _ in given)
os.execv(sys.executable, [sys.executable, "-m", "bascule", *sys.argv[3:]])
"""


class Systemd:
    """The end of the notify socket that is systemd's."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.settimeout(20)
        self.sock.bind(str(path))

    def wait_for(self, line: str) -> list[str]:
        """Wait for a message with this line; returns the message."""
        while line not in (message := self.sock.recv(4096).decode().split("\n")):
            pass
        return message

    def drop_what_has_come(self) -> None:
        self.sock.setblocking(False)
        try:
            while self.sock.recv(4096):
                pass
        except BlockingIOError:
            self.sock.settimeout(20)

    @contextmanager
    def started(
        self,
        arguments: Sequence[str],
        sockets: Sequence[socket.socket] = (),
        env: Mapping[str, str] | None = None,
        owner: str = "",
        cwd: Path = APPS,
    ) -> Iterator[Server]:
        """Run `bascule ARGUMENTS` as a service."""
        fds = [sock.fileno() for sock in sockets]
        process = subprocess.Popen(
            [sys.executable, "-c", ACTIVATE, ",".join(map(str, fds)), owner, *arguments],
            cwd=cwd,
            env=clean_environment({"NOTIFY_SOCKET": str(self.path), **(env or {})}),
            pass_fds=fds,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        port = next((s.getsockname()[1] for s in sockets if s.family == socket.AF_INET), 0)
        server = Server(process, port, "http")
        try:
            yield server
            server.stop()
        except BaseException as error:
            server.kill()
            error.add_note(f"--- output ---\n{server.output()}")
            raise


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Systemd]:
    systemd = Systemd(tmp_path / "notify")
    yield systemd
    systemd.sock.close()


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield sock


def test_ready_comes_after_startup_and_stopping_before_the_end(systemd, listener):
    with systemd.started(["serve", "process_asgi:app"], [listener]) as server:
        address = f"http://127.0.0.1:{server.port}"
        assert systemd.wait_for("READY=1") == ["READY=1", f"STATUS=listening on {address}"]
        assert "lifespan.startup seen" in server.output()
        with RawClient(server.port) as client:
            client.request("POST", "/echo", [("Expect", "100-continue"), ("Content-Length", "5")])
            assert client.receive() == b"HTTP/1.1 100 Continue\r\n\r\n"
            server.signal(signal.SIGTERM)
            assert "STATUS=finishing what is in flight" in systemd.wait_for("STOPPING=1")
            client.send(b"hello")
            assert client.read_response("POST").body == b"hello"
        assert server.wait() == 0


def test_every_socket_is_served(systemd, listener, tmp_path):
    with ExitStack() as stack:
        path = tmp_path / "served.sock"
        unix = stack.enter_context(socket.socket(socket.AF_UNIX))
        unix.bind(str(path))
        unix.listen()
        sockets = [unix, listener]
        if socket.has_dualstack_ipv6():
            sockets.append(
                stack.enter_context(socket.create_server(("::1", 0), family=socket.AF_INET6))
            )
        server = stack.enter_context(systemd.started(["serve", "process_wsgi"], sockets))
        systemd.wait_for("READY=1")
        for sock in sockets:
            client = socket.socket(sock.family)
            client.connect(sock.getsockname())
            with RawClient(sock=client) as raw:
                raw.request("GET", "/")
                assert raw.read_response().status == 200
        assert f"listening on unix:{path}" in server.output()
        assert server.stop() == 0
        assert path.exists()  # it is systemd's


def test_address_that_is_said_wins(systemd, listener, tmp_path):
    path = tmp_path / "said.sock"
    arguments = ["serve", "process_wsgi", "--uds", str(path)]
    with systemd.started(arguments, [listener]) as server:
        message = systemd.wait_for("READY=1")
        assert f"STATUS=listening on unix:{path}" in message
        assert "unused sockets of the service manager: fd://3" in server.output()


def test_one_of_the_sockets_by_its_number(systemd, listener):
    arguments = ["serve", "process_wsgi", "--bind", "fd://3"]
    with systemd.started(arguments, [listener]) as server:
        systemd.wait_for("READY=1")
        assert exchange(server.port, "GET", "/").status == 200
        assert "unused sockets" not in server.output()


def test_sockets_of_another_process_are_ignored(systemd, listener, tmp_path):
    (tmp_path / "bascule.toml").write_text("port = 0\n")
    arguments = ["serve", "process_wsgi", "--app-dir", str(APPS)]
    with systemd.started(arguments, [listener], owner="1", cwd=tmp_path) as server:
        message = systemd.wait_for("READY=1")
        assert f"STATUS=listening on http://127.0.0.1:{server.port}" not in message


def test_socket_that_does_not_listen_is_refused(systemd):
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock,
        systemd.started(["serve", "process_wsgi"], [sock]) as server,
    ):
        assert server.wait() == 2
    assert "cannot listen on fd://3" in server.output()


def test_application_does_not_see_the_variables(systemd, listener, tmp_path):
    (tmp_path / "seen.py").write_text(
        "import os\n"
        "names = [name for name in os.environ if name.startswith('LISTEN_')]\n"
        "def app(environ, start_response):\n"
        "    start_response('200 OK', [])\n"
        "    inheritable = os.get_inheritable(3)\n"
        "    return [f'{names} {inheritable}'.encode()]\n"
    )
    with systemd.started(["serve", "seen"], [listener], cwd=tmp_path) as server:
        assert exchange(server.port, "GET", "/").body == b"[] False"


def test_watchdog_is_fed_while_the_loop_runs_and_starves_when_it_hangs(systemd, listener):
    watchdog = {"WATCHDOG_USEC": "1000000"}
    with systemd.started(["serve", "process_asgi:app"], [listener], watchdog) as server:
        for _ in range(3):
            systemd.wait_for("WATCHDOG=1")
        with RawClient(server.port) as client:
            client.request("GET", "/block")
            server.wait_for_output("the loop is blocked")
            systemd.drop_what_has_come()
            systemd.sock.settimeout(2)
            with pytest.raises(TimeoutError):
                systemd.wait_for("WATCHDOG=1")
        server.signal(signal.SIGKILL)  # systemd would send SIGABRT
        server.wait()


def test_reloading_server_is_one_service(systemd, listener, tmp_path):
    (tmp_path / "site_app.py").write_text((APPS / "process_wsgi.py").read_text())
    watchdog = {"WATCHDOG_USEC": "1000000"}
    with systemd.started(["dev", "site_app"], [listener], watchdog, cwd=tmp_path) as server:
        # Its child takes no part: that would have a status.
        assert systemd.wait_for("READY=1") == ["READY=1"]
        assert exchange(server.port, "GET", "/").status == 200
        for _ in range(3):
            systemd.wait_for("WATCHDOG=1")
        server.signal(signal.SIGTERM)
        assert systemd.wait_for("STOPPING=1") == ["STOPPING=1"]
        assert server.wait() == 0


def test_workers_are_one_service(systemd, listener, tmp_path):
    """The notifications: all ready, a reload and its end, an upgrade, the stop."""
    make_application(tmp_path)
    arguments = ["serve", ASGI, "--workers", "2"]
    env = {"WATCHDOG_USEC": "400000"}
    with systemd.started(arguments, [listener], env, cwd=tmp_path) as server:
        assert systemd.wait_for("READY=1") == ["READY=1", "STATUS=2 of 2 workers ready"]
        systemd.wait_for("WATCHDOG=1")
        assert {answered(server).split()[1] for _ in range(4)} == {"one"}
        write_version(tmp_path, "two")
        server.signal(signal.SIGHUP)
        systemd.wait_for("RELOADING=1")
        systemd.wait_for("READY=1")
        for serial in (1, 2):
            server.wait_for_output(f"worker {serial} (pid {pids(server)[serial]}) has ended")
        assert answered(server).split()[1] == "two"
        server.signal(signal.SIGUSR2)
        message = systemd.wait_for("STATUS=upgraded")
        (line,) = [line for line in message if line.startswith("MAINPID=")]
        assert server.process.wait(20) == 0
        systemd.drop_what_has_come()
        successor = int(line.partition("=")[2])
        # Of the new one: the watchdog is its own now.
        systemd.wait_for("WATCHDOG=1")
        with ended(successor):
            os.kill(successor, signal.SIGTERM)
            systemd.wait_for("STOPPING=1")


def test_start_that_fails_is_never_ready(systemd, listener):
    with systemd.started(["serve", "process_asgi:no_startup"], [listener]) as server:
        assert server.wait() == 3
    systemd.sock.setblocking(False)
    with pytest.raises(BlockingIOError):
        systemd.wait_for("READY=1")


# The unit files.


def unit(name: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment]
    parser.read_string((DEPLOY / name).read_text())
    return parser


def test_units_start_a_service(systemd, tmp_path):
    """The lines of the units: the socket, then the command."""
    service, listening = unit("bascule.service")["Service"], unit("bascule.socket")["Socket"]
    assert service["Type"] == "notify"
    program, *arguments = shlex.split(service["ExecStart"])
    assert Path(program).name == "bascule"
    path = tmp_path / Path(listening["ListenStream"]).name
    (tmp_path / "mysite").mkdir()
    shutil.copy(APPS / "process_wsgi.py", tmp_path / "mysite" / "wsgi.py")
    watchdog = {"WATCHDOG_USEC": str(int(service["WatchdogSec"]) * 10**6)}
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))
        sock.listen(int(listening["Backlog"]))
        os.chmod(path, int(listening["SocketMode"], 8))
        with systemd.started(arguments, [sock], watchdog, cwd=tmp_path) as server:
            systemd.wait_for("READY=1")
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(path))
                with RawClient(sock=client) as raw:
                    raw.request("GET", "/")
                    assert raw.read_response().status == 200
            assert server.stop() == 0


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="there is no systemd-analyze")
def test_units_are_what_systemd_understands(tmp_path):
    """With a program that is there in place of the environment that is not."""
    for name in ("bascule.service", "bascule.socket"):
        text = (DEPLOY / name).read_text().replace("/srv/mysite/venv/bin/bascule", "/bin/true")
        (tmp_path / name).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *map(str, sorted(tmp_path.iterdir()))],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
