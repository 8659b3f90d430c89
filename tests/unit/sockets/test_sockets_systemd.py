"""Sockets from systemd, and notifications to it; the test reads the notify socket."""

import os
import socket
import time

import pytest

from bascule.address import FDAddress
from bascule.errors import BindError
from bascule.sockets.systemd import Notifier, activated

PID = 4711


def listen_environment(count="2", pid=str(PID)):
    return {"LISTEN_FDS": count, "LISTEN_PID": pid, "LISTEN_FDNAMES": "a:b", "OTHER": "kept"}


def test_sockets_are_where_systemd_puts_them():
    environ = listen_environment()
    assert activated(environ, PID) == [FDAddress(3), FDAddress(4)]
    assert environ == {"OTHER": "kept"}


@pytest.mark.parametrize("pid", ["", "4712", "04711", "abc"])
def test_sockets_for_another_process_are_ignored(pid):
    environ = listen_environment(count="not read", pid=pid)
    assert activated(environ, PID) == []
    assert environ == {"OTHER": "kept"}


def test_no_sockets():
    assert activated({}, PID) == []
    assert activated(listen_environment(count=""), PID) == []
    assert activated(listen_environment(count="0"), PID) == []


@pytest.mark.parametrize("count", ["-1", "two", "1.0", "1000000", "²"])
def test_number_of_sockets_that_is_none(count):
    with pytest.raises(BindError, match="LISTEN_FDS="):
        activated(listen_environment(count=count), PID)


class Manager:
    """The service manager's end."""

    def __init__(self, address):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.settimeout(10)
        self.sock.bind("\0" + address[1:] if address.startswith("@") else address)

    def heard(self):
        return self.sock.recv(4096).decode().split("\n")

    def heard_nothing(self):
        self.sock.setblocking(False)
        with pytest.raises(BlockingIOError):
            self.sock.recv(4096)
        self.sock.settimeout(10)


@pytest.fixture(params=["path", "abstract"])
def address(request, tmp_path):
    if request.param == "path":
        return str(tmp_path / "notify")
    return f"@bascule-test-{os.getpid()}-{tmp_path.name}"


@pytest.fixture
def manager(address):
    manager = Manager(address)
    yield manager
    manager.sock.close()


def test_what_is_told(manager, address):
    notifier = Notifier.of({"NOTIFY_SOCKET": address}, PID)
    notifier.ready("listening on\nhttp://127.0.0.1:8000")
    assert manager.heard() == ["READY=1", "STATUS=listening on http://127.0.0.1:8000"]
    notifier.status("two workers")
    assert manager.heard() == ["STATUS=two workers"]
    notifier.ready(main_pid=12)
    assert manager.heard() == ["READY=1", "MAINPID=12"]
    notifier.stopping("draining")
    assert manager.heard() == ["STOPPING=1", "STATUS=draining"]


def test_reload_says_when_it_began(manager, address):
    before = time.monotonic_ns() // 1000
    Notifier.of({"NOTIFY_SOCKET": address}, PID).reloading()
    first, second = manager.heard()
    assert first == "RELOADING=1"
    name, _, value = second.partition("=")
    assert name == "MONOTONIC_USEC"
    assert before <= int(value) <= time.monotonic_ns() // 1000


def test_watchdog_is_fed_twice_in_its_time(manager, address):
    environ = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "3000000", "WATCHDOG_PID": str(PID)}
    notifier = Notifier.of(environ, PID)
    assert notifier.beat_every == 1.5
    notifier.beat(100.0)
    assert manager.heard() == ["WATCHDOG=1"]
    notifier.beat(101.4)
    manager.heard_nothing()
    notifier.beat(101.5)
    assert manager.heard() == ["WATCHDOG=1"]


@pytest.mark.parametrize(
    "watchdog",
    [
        {},
        {"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "4712"},
        {"WATCHDOG_USEC": "0"},
        {"WATCHDOG_USEC": "often"},
    ],
)
def test_no_watchdog(manager, address, watchdog):
    notifier = Notifier.of({"NOTIFY_SOCKET": address, **watchdog}, PID)
    assert notifier.beat_every is None
    notifier.beat(100.0)
    manager.heard_nothing()


def test_watchdog_for_whoever_is_started():
    environ = {"NOTIFY_SOCKET": "/run/notify", "WATCHDOG_USEC": "3000000"}
    assert Notifier.of(environ, PID).beat_every == 1.5


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:2:3"}])
def test_nobody_asked(environ, caplog):
    notifier = Notifier.of({**environ, "WATCHDOG_USEC": "3000000"}, PID)
    notifier.ready()
    notifier.beat(1.0)
    assert caplog.records == []


def test_manager_that_is_not_there_is_complained_of_once(tmp_path, caplog):
    notifier = Notifier(str(tmp_path / "nobody"))
    notifier.ready()
    notifier.stopping()
    assert [record.getMessage() for record in caplog.records] == [
        "READY=1 cannot be reported to the service manager over NOTIFY_SOCKET: "
        "No such file or directory"
    ]
