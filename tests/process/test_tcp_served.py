"""TCP and UDP of `--listen` on real processes: addresses, TLS, reloads, upgrades, Channels."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from support.certificates import make_certificates
from support.commands import bascule, started
from support.http import exchange
from support.server import Server, running
from support.tcp import read_all
from support.websocket_client import WebSocketClient

APPS = Path(__file__).parent / "apps"
APP = "process_tcp:app"
LISTEN = ("--listen", "tcp://127.0.0.1:0")
DEADLINE = 20.0


def port_of(server: Server, scheme: str = "tcp") -> int:
    """The port that the banner names."""
    said = f"listening on {scheme}://127.0.0.1:"
    server.wait_for_output(said)
    # The number may be in a piece of its own.
    text = server.wait_for_output("\n", times=server.output().count("\n"))
    while "\n" not in (rest := text.partition(said)[2]):
        text = server.wait_for_output(rest + "\n")
    return int(rest.partition("\n")[0])


def connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), DEADLINE)


def asked(port: int, line: bytes) -> bytes:
    with connected(port) as client:
        client.sendall(line + b"\n")
        client.shutdown(socket.SHUT_WR)
        return read_all(client)


# Where to listen.


def test_http_and_tcp_are_served_by_one_application() -> None:
    with running(APP, *LISTEN, cwd=APPS) as server:
        port = port_of(server)
        assert exchange(server.port, "GET", "/").body == b"hello"
        assert asked(port, b"one") == b"one %d\n" % server.process.pid
        assert server.stop() == 0
        output = server.output()
    assert f'"TCP tcp://127.0.0.1:{port}" application, 4 bytes received' in output
    assert "Traceback" not in output


def test_an_application_of_its_own_beside_wsgi() -> None:
    listen = ("--listen", f"tcp://127.0.0.1:0={APP}")
    with running("process_wsgi", *listen, cwd=APPS) as server:
        assert asked(port_of(server), b"one").startswith(b"one ")
        assert exchange(server.port, "GET", "/").body.startswith(b"hello from")
        assert server.stop() == 0
        output = server.output()
    assert f"serving {APP} as ASGI 3 at tcp://127.0.0.1:0" in output


@pytest.mark.parametrize("source", ["file", "variable"])
def test_other_places_of_settings(tmp_path: Path, source: str) -> None:
    env = {}
    if source == "file":
        (tmp_path / "bascule.toml").write_text('listen = ["tcp://127.0.0.1:0"]')
    else:
        env["BASCULE_LISTEN"] = "tcp://127.0.0.1:0"
    app = ("--app-dir", str(APPS))
    with running(APP, *app, cwd=tmp_path, env=env) as server:
        assert asked(port_of(server), b"one").startswith(b"one ")


@pytest.mark.parametrize(
    ("target", "listen", "words"),
    [
        ("process_wsgi", "tcp://127.0.0.1:0", "is a WSGI application, and only ASGI has"),
        (APP, "127.0.0.1:5140", "does not begin with a scheme; give tcp://HOST:PORT"),
        (APP, "tcp://127.0.0.1", "has no port; give tcp://127.0.0.1:PORT"),
        (APP, "tcp://127.0.0.1:0=", "names no application behind the ="),
        (APP, "tls+tcp://127.0.0.1:0", "needs a certificate; give --ssl-certfile as well"),
    ],
)
def test_mistakes(target: str, listen: str, words: str) -> None:
    done = bascule("serve", target, "--port", "0", "--listen", listen, cwd=APPS)
    assert done.returncode == 2
    assert words in done.stderr


def test_an_address_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        listen = f"tcp://127.0.0.1:{port}"
        done = bascule("serve", APP, "--port", "0", "--listen", listen, cwd=APPS)
    assert done.returncode == 2
    assert f"cannot listen on 127.0.0.1:{port}: another program uses this port" in done.stderr
    assert f"--listen tcp://127.0.0.1:{port + 1}" in done.stderr


def test_sockets_of_systemd() -> None:
    """Those that --listen names are for TCP and UDP, the other for HTTP."""
    with (
        socket.create_server(("127.0.0.1", 0)) as http,
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
    ):
        udp.bind(("127.0.0.1", 0))
        # As systemd starts a program: descriptors from 3 on, and its own process ID.
        start = (
            "import os, sys; given = [os.dup2(int(one), 20 + n) for n, one in"
            " enumerate(sys.argv[1:])]; [os.dup2(one, one - 17) for one in given]"
            "; os.environ.update(LISTEN_FDS='3', LISTEN_PID=str(os.getpid()))"
            "; os.execv(sys.executable, [sys.executable, '-m', 'bascule', 'serve',"
            " 'process_tcp:app', '--listen', 'fd+tcp://4', '--listen', 'fd+udp://5'])"
        )
        fds = tuple(sock.fileno() for sock in (http, tcp, udp))
        with process([sys.executable, "-c", start, *map(str, fds)], fds) as server:
            assert asked(tcp.getsockname()[1], b"one").startswith(b"one ")
            assert exchange(http.getsockname()[1], "GET", "/").body == b"hello"
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.settimeout(DEADLINE)
                client.sendto(b"two", udp.getsockname())
                assert client.recv(100).startswith(b"two ")
            assert server.stop() == 0
            assert f"listening on udp://127.0.0.1:{udp.getsockname()[1]}" in server.output()


@pytest.mark.parametrize("scheme", ["fd+tcp", "fd+udp"])
def test_an_inherited_socket_of_another_kind(scheme: str) -> None:
    kind = socket.SOCK_STREAM if scheme == "fd+udp" else socket.SOCK_DGRAM
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.bind(("127.0.0.1", 0))
        listen = f"{scheme}://{sock.fileno()}"
        words = [sys.executable, "-m", "bascule", "serve", APP, "--port", "0", "--listen", listen]
        done = subprocess.run(
            words, cwd=APPS, pass_fds=(sock.fileno(),), capture_output=True, text=True,
            timeout=DEADLINE, check=False,
        )  # fmt: skip
    assert done.returncode == 2
    wrong = "is not a socket of UDP" if scheme == "fd+udp" else "not a stream socket"
    assert wrong in done.stderr


def test_a_reloader_passes_the_sockets_on() -> None:
    with started("dev", APP, "--port", "0", *LISTEN, "--reload-dir", ".", cwd=APPS) as server:
        assert asked(port_of(server), b"one").startswith(b"one ")
        assert server.stop() == 0


@pytest.mark.skipif(shutil.which("logger") is None, reason="util-linux is not here")
@pytest.mark.parametrize("scheme", ["tcp", "udp"])
def test_syslog_of_logger(scheme: str) -> None:
    """The lines of a program that knows nothing of Bascule."""
    with running(APP, "--listen", f"{scheme}://127.0.0.1:0", cwd=APPS) as server:
        port = port_of(server, scheme)
        words = ["logger", f"--{scheme}", "--server", "127.0.0.1", "--port", str(port)]
        subprocess.run([*words, "a line of syslog"], timeout=DEADLINE, check=True)
        server.wait_for_output("a line of syslog")
        assert "seen <13>1 " in server.output()
        assert server.stop() == 0


@contextmanager
def process(words: list[str], fds: tuple[int, ...]) -> Iterator[Server]:
    popen = subprocess.Popen(
        words,
        cwd=APPS,
        pass_fds=fds,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    server = Server(popen, 0, "http")
    try:
        yield server
        server.stop()
    except BaseException as error:
        server.kill()
        error.add_note(f"--- output ---\n{server.output()}")
        raise


def test_a_unix_socket_and_its_file() -> None:
    with tempfile.TemporaryDirectory(prefix="bascule-") as directory:
        path = Path(directory) / "s"
        with running(APP, "--listen", f"unix+tcp:{path}", cwd=APPS) as server:
            server.wait_for_output(f"listening on unix+tcp:{path}")
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(os.fspath(path))
                client.sendall(b"one\n")
                client.shutdown(socket.SHUT_WR)
                assert read_all(client).startswith(b"one ")
            assert server.stop() == 0
        assert not path.exists()


def test_openssl(tmp_path: Path) -> None:
    """A client that names the server and a protocol."""
    certificates = make_certificates(tmp_path)
    options = ["--ssl-certfile", certificates.certfile, "--ssl-keyfile", certificates.keyfile]
    options += ["--listen", "tls+tcp://127.0.0.1:0", "--tcp-alpn", "mqtt"]
    with started("serve", APP, "--port", "0", *options, cwd=APPS) as server:
        port = port_of(server, "tls+tcp")
        client = subprocess.run(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", "localhost",
             "-CAfile", certificates.ca_certs, "-verify_return_error", "-alpn", "smtp,mqtt",
             "-quiet", "-no_ign_eof"],
            input=b"hello\n", capture_output=True, timeout=DEADLINE, check=False,
        )  # fmt: skip
        server.wait_for_output("seen hello")
        assert server.stop() == 0
    assert client.returncode == 0, client.stderr


# Reloads.


class Lines:
    """Clients that send numbered lines, check each answer, and connect again where the server has
    closed in order. A line without an answer is sent again; it must not have been processed."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.answers = 0
        self.connections = 0
        self.workers: set[bytes] = set()
        self.failures: list[str] = []
        self.stopping = threading.Event()
        self.changed = threading.Condition()

    def run(self, name: int) -> None:
        try:
            number = 0
            while not self.stopping.is_set():
                number = self.converse(name, number)
        except Exception as error:
            self.failures.append(f"{name}: {error!r}")

    def converse(self, name: int, number: int) -> int:
        """Ask on one connection until it ends; return the number of the next line."""
        with connected(self.port) as client, client.makefile("rb") as answers:
            self.connections += 1
            while not self.stopping.is_set():
                token = b"%d-%d" % (name, number)
                try:
                    client.sendall(token + b"\n")
                    answer = answers.readline()
                except (BrokenPipeError, ConnectionResetError):
                    # The server had closed when the line arrived.
                    return number
                if not answer:
                    return number
                said, _, worker = answer.rstrip(b"\n").partition(b" ")
                if said != token:
                    self.failures.append(f"{token!r} was answered {answer!r}")
                number += 1
                with self.changed:
                    self.answers += 1
                    self.workers.add(worker)
                    self.changed.notify_all()
            # In order, so that the server is not left with a reset.
            client.shutdown(socket.SHUT_WR)
            if answers.read():
                self.failures.append("bytes behind the last answer")
        return number

    def wait_for_answers(self, count: int) -> None:
        with self.changed:
            wanted = self.answers + count
            assert self.changed.wait_for(lambda: self.answers >= wanted, DEADLINE), self.failures


@contextmanager
def asking(port: int, clients: int = 8) -> Iterator[Lines]:
    lines = Lines(port)
    threads = [threading.Thread(target=lines.run, args=(name,)) for name in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield lines
    finally:
        lines.stopping.set()
        for thread in threads:
            thread.join(DEADLINE)
    assert not any(thread.is_alive() for thread in threads)


def processed_once(output: str) -> bool:
    """Whether no line of a client was processed twice."""
    seen = [line for line in output.splitlines() if line.startswith("seen ")]
    return len(seen) == len(set(seen)) > 0


@pytest.mark.parametrize("options", [(), ("--preload",)], ids=["", "preload"])
def test_a_reload_loses_no_line_and_processes_none_twice(options: tuple[str, ...]) -> None:
    with running(APP, *LISTEN, "--workers", "2", *options, cwd=APPS) as server:
        port = port_of(server)
        server.wait_for_output("is ready after", times=2)
        with asking(port) as lines:
            lines.wait_for_answers(50)
            for times in (1, 2):
                server.signal(signal.SIGHUP)
                server.wait_for_output("has ended (replaced by new code)", times=2 * times)
                lines.wait_for_answers(50)
        assert server.stop() == 0
        output = server.output()
    assert lines.failures == []
    assert len(lines.workers) >= 3
    assert lines.connections > 8
    assert processed_once(output)


def test_an_upgrade_hands_the_sockets_over() -> None:
    """The new supervisor finds the sockets of --listen by their names."""
    with running(APP, *LISTEN, "--workers", "1", cwd=APPS) as server:
        port = port_of(server)
        with asking(port) as lines:
            lines.wait_for_answers(50)
            server.signal(signal.SIGUSR2)
            text = server.wait_for_output("has taken over")
            lines.wait_for_answers(50)
        successor = int(text.partition("the new supervisor is pid ")[2].split()[0])
        assert asked(port, b"last").startswith(b"last ")
        os.kill(successor, signal.SIGTERM)
        server.wait()
        output = server.output()
    assert lines.failures == []
    assert len(lines.workers) == 2
    assert processed_once(output)


def test_a_connection_of_a_worker_that_leaves_has_the_graceful_deadline() -> None:
    """The application closes on tcp.stopping, and its answers have arrived."""
    with running(APP, *LISTEN, "--workers", "1", cwd=APPS) as server:
        with connected(port_of(server)) as client:
            client.sendall(b"whole\nhal")
            answers = client.makefile("rb")
            assert answers.readline().startswith(b"whole ")
            server.signal(signal.SIGTERM)
            assert answers.read() == b""
        assert server.wait() == 0


# UDP.


def send_datagrams(port: int, ended: threading.Event, answers: list[bytes]) -> None:
    """Send numbered datagrams, at most 50 of them ahead of the answers, and count both ends."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(DEADLINE)
        client.connect(("127.0.0.1", port))
        number = 0
        while not ended.is_set():
            for _ in range(50):
                client.send(b"%d" % number)
                number += 1
            while len(answers) < number:
                answers.append(client.recv(100))


@pytest.mark.parametrize("way", ["reload", "upgrade"])
def test_no_datagram_is_lost_by_a_reload_or_an_upgrade(way: str) -> None:
    listen = ("--listen", "udp://127.0.0.1:0", "--workers", "2")
    answers: list[bytes] = []
    ended = threading.Event()
    with running(APP, *listen, cwd=APPS) as server:
        port = port_of(server, "udp")
        server.wait_for_output("is ready after", times=2)
        sender = threading.Thread(target=send_datagrams, args=(port, ended, answers))
        sender.start()
        try:
            server.wait_for_output("seen 500")
            if way == "reload":
                server.signal(signal.SIGHUP)
                server.wait_for_output("has ended (replaced by new code)", times=2)
            else:
                server.signal(signal.SIGUSR2)
                server.wait_for_output("has taken over")
                os.waitid(os.P_PID, server.process.pid, os.WEXITED | os.WNOWAIT)
            before = len(answers)
            server.wait_for_output(f"seen {before + 500}")
        finally:
            ended.set()
            sender.join(DEADLINE)
        if way == "upgrade":
            text = server.output()
            successor = int(text.partition("the new supervisor is pid ")[2].split()[0])
            os.kill(successor, signal.SIGTERM)
            server.wait()
        else:
            assert server.stop() == 0
        output = server.output()
    assert not sender.is_alive()
    numbers = sorted(int(answer.partition(b" ")[0]) for answer in answers)
    assert numbers == list(range(len(numbers)))
    assert len({answer.partition(b" ")[2] for answer in answers}) >= 2
    assert processed_once(output)


def test_an_udp_address_in_use() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        listen = f"udp://127.0.0.1:{port}"
        done = bascule("serve", APP, "--port", "0", "--listen", listen, cwd=APPS)
    assert done.returncode == 2
    assert f"cannot listen on 127.0.0.1:{port}: another program uses this port" in done.stderr
    assert "ss -lunp" in done.stderr


# Channels.


def test_a_line_of_a_device_appears_in_browsers() -> None:
    """A consumer for TCP and one for WebSockets, in a ProtocolTypeRouter, with a group."""
    with running("process_channels:app", *LISTEN, cwd=APPS) as server:
        port = port_of(server)
        browser: Any = WebSocketClient(server.port)
        browser.shake_hands()
        with connected(port) as device:
            device.sendall(b"21.5 degrees")
            assert browser.read_text() == "21.5 degrees"
            device.shutdown(socket.SHUT_WR)
            assert read_all(device) == b""
        browser.close()
        assert server.stop() == 0
        assert "Traceback" not in server.output()
