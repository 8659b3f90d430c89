"""Opening, describing and closing listening sockets: real sockets on loopback, real files."""

import errno
import os
import socket
import stat
import sys
import threading
from pathlib import Path

import pytest

from bascule.address import FDAddress, TCPAddress, UnixAddress
from bascule.errors import BindError
from bascule.sockets import bind
from bascule.sockets.bind import close_listeners, describe, open_listeners
from support.needs import needs_ipv6


@pytest.fixture
def opened():
    """Open listeners that are closed when the test ends."""
    everything = []

    def open_them(*addresses):
        listeners = open_listeners(addresses, backlog=16)
        everything.extend(listeners)
        return listeners

    yield open_them
    close_listeners(everything)


def refusal(*addresses) -> str:
    with pytest.raises(BindError) as caught:
        open_listeners(addresses, backlog=16)
    return str(caught.value)


def can_connect(listener) -> bool:
    with socket.socket(listener.family, socket.SOCK_STREAM) as client:
        client.connect(listener.getsockname())
        conn = accept_soon(listener)
        conn.close()
    return True


def accept_soon(listener):
    listener.setblocking(True)
    listener.settimeout(10)
    conn, _ = listener.accept()
    return conn


# TCP


def test_a_tcp_listener_listens_without_blocking(opened):
    (listener,) = opened(TCPAddress("127.0.0.1", 0))
    assert not listener.getblocking()
    assert listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    assert listener.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)
    assert can_connect(listener)


def test_addresses_keep_their_order(opened):
    first, second = opened(TCPAddress("127.0.0.2", 0), TCPAddress("127.0.0.1", 0))
    assert first.getsockname()[0] == "127.0.0.2"
    assert second.getsockname()[0] == "127.0.0.1"


@needs_ipv6
def test_ipv6_takes_ipv6_only_so_that_both_wildcards_fit_on_one_port(opened):
    (v4,) = opened(TCPAddress("0.0.0.0", 0))
    (v6,) = opened(TCPAddress("::", v4.getsockname()[1]))
    assert v6.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)


@needs_ipv6
def test_a_name_gives_every_address_it_means_on_one_port(opened, monkeypatch):
    resolve_to(monkeypatch, ("127.0.0.1",), ("::1",))
    listeners = opened(TCPAddress("both.test", 0))
    assert [one.getsockname()[0] for one in listeners] == ["127.0.0.1", "::1"]
    assert len({one.getsockname()[1] for one in listeners}) == 1
    assert listeners[0].getsockname()[1] != 0


def test_an_address_named_twice_by_the_resolver_is_bound_once(opened, monkeypatch):
    resolve_to(monkeypatch, ("127.0.0.1",), ("127.0.0.1",))
    assert len(opened(TCPAddress("twice.test", 0))) == 1


def test_an_address_family_that_is_missing_is_left_out(opened, monkeypatch):
    # 2001:db8::/32 is for documentation (RFC 3849): no machine has it, IPv6 or not.
    resolve_to(monkeypatch, ("2001:db8::1",), ("127.0.0.1",))
    (listener,) = opened(TCPAddress("half.test", 0))
    assert listener.family == socket.AF_INET


def test_a_port_taken_on_the_second_address_is_drawn_again(opened, monkeypatch):
    taken = opened(TCPAddress("127.0.0.2", 0))[0].getsockname()[1]
    resolve_to(monkeypatch, ("127.0.0.1",), ("127.0.0.2",))
    draw_ports(monkeypatch, [taken])
    first, second = opened(TCPAddress("both.test", 0))
    assert first.getsockname()[1] == second.getsockname()[1] != taken


def test_no_port_free_on_all_addresses_is_refused(opened, monkeypatch):
    taken = opened(TCPAddress("127.0.0.2", 0))[0].getsockname()[1]
    resolve_to(monkeypatch, ("127.0.0.1",), ("127.0.0.2",))
    draw_ports(monkeypatch, [taken] * 100)
    assert "no port is free on all addresses of both.test" in refusal(TCPAddress("both.test", 0))


def draw_ports(monkeypatch, ports):
    """Make the system give these ports to calls that ask for any port, and then any ports."""
    real, drawn = socket.socket.bind, iter(ports)

    def draw(self, target):
        real(self, target if target[1] else (target[0], next(drawn, 0)))

    monkeypatch.setattr(bind.socket.socket, "bind", draw)


def resolve_to(monkeypatch, *hosts):
    """Make every name mean the given literal addresses."""
    real = socket.getaddrinfo
    monkeypatch.setattr(
        bind.socket,
        "getaddrinfo",
        lambda _host, port, **options: [
            info for (host,) in hosts for info in real(host, port, **options)
        ],
    )


def test_an_address_in_use_says_how_to_find_out_by_whom(opened):
    (listener,) = opened(TCPAddress("127.0.0.1", 0))
    port = listener.getsockname()[1]
    message = refusal(TCPAddress("127.0.0.1", port))
    assert f"127.0.0.1:{port}: another program uses this port" in message
    assert f"ss -ltnp 'sport = :{port}'" in message
    assert "--bind 127.0.0.1:" in message


@pytest.mark.parametrize(("port", "other"), [(8000, 8001), (65535, 65534)])
def test_the_other_port_that_is_proposed_exists(monkeypatch, port, other):
    refuse_bind(monkeypatch, errno.EADDRINUSE)
    assert f"--bind 127.0.0.1:{other}" in refusal(TCPAddress("127.0.0.1", port))


def refuse_bind(monkeypatch, number):
    """Make bind(2) fail: root may bind any port, and memory does not run out on request."""

    def refuse(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(bind.socket.socket, "bind", refuse)


def test_a_foreign_address_says_so():
    # 192.0.2.0/24 is for documentation (RFC 5737).
    assert "this machine has no such address" in refusal(TCPAddress("192.0.2.1", 0))


def test_a_name_that_does_not_resolve_says_so(monkeypatch):
    def ask(*_, **__):  # a resolver that has no answer, without asking the network's
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(bind.socket, "getaddrinfo", ask)
    message = refusal(TCPAddress("wev.example.test", 8000))
    assert "the name 'wev.example.test' does not resolve (Name or service not known)" in message
    assert "127.0.0.1 for this machine only" in message


def test_a_name_that_no_resolver_takes_says_so():
    assert "does not resolve" in refusal(TCPAddress("x" * 70 + ".test", 0))


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EACCES, "ports below 1024 need a privilege"),
        (errno.ENOMEM, "Cannot allocate memory."),
    ],
)
def test_other_refusals_of_the_system_are_explained(monkeypatch, number, words):
    refuse_bind(monkeypatch, number)
    assert words in refusal(TCPAddress("127.0.0.1", 80))


def test_one_refused_address_leaves_nothing_open(opened, tmp_path):
    path = str(tmp_path / "app.sock")
    (listener,) = opened(TCPAddress("127.0.0.1", 0))
    before = len(os.listdir("/proc/self/fd"))
    refusal(
        TCPAddress("127.0.0.1", 0),
        UnixAddress(path),
        TCPAddress("127.0.0.1", listener.getsockname()[1]),
    )
    assert len(os.listdir("/proc/self/fd")) == before
    assert not os.path.exists(path)


# UNIX sockets


def test_a_unix_listener_creates_its_file_and_removes_it(opened, tmp_path):
    path = tmp_path / "app.sock"
    (listener,) = opened(UnixAddress(str(path)))
    assert stat.S_ISSOCK(path.stat().st_mode)
    assert not listener.getblocking()
    assert can_connect(listener)
    close_listeners([listener])
    assert not path.exists()
    close_listeners([listener])


def test_permissions_follow_the_umask(opened, tmp_path):
    before = os.umask(0o027)
    try:
        opened(UnixAddress(str(tmp_path / "app.sock")))
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "app.sock").stat().st_mode) == 0o750


def leave_stale_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(str(path))


def test_a_socket_file_that_nobody_answers_on_is_replaced(opened, tmp_path):
    path = tmp_path / "app.sock"
    leave_stale_socket(path)
    (listener,) = opened(UnixAddress(str(path)))
    assert can_connect(listener)


def test_a_socket_that_somebody_answers_on_is_left_alone(opened, tmp_path):
    path = str(tmp_path / "app.sock")
    (listener,) = opened(UnixAddress(path))
    message = refusal(UnixAddress(path))
    assert "another program listens there" in message
    assert f"ss -lxp src {path}" in message
    conn = accept_soon(listener)
    assert conn.recv(1) == b""  # the probe for a server
    conn.close()
    assert can_connect(listener)


def test_a_listener_whose_queue_is_full_is_somebody(tmp_path):
    path = str(tmp_path / "busy.sock")
    waiting = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as busy:
        busy.bind(path)
        busy.listen(0)
        for _ in range(3):
            client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            client.setblocking(False)
            waiting.append(client)
            try:
                client.connect(path)
            except BlockingIOError:
                break
        assert "another program listens there" in refusal(UnixAddress(path))
    for client in waiting:
        client.close()


def test_a_datagram_socket_is_somebody(tmp_path):
    path = str(tmp_path / "log.sock")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.bind(path)
        assert "another program listens there" in refusal(UnixAddress(path))


@pytest.mark.parametrize("kind", ["file", "directory", "link"])
def test_what_is_not_a_socket_is_never_removed(tmp_path, kind):
    path = tmp_path / "data"
    if kind == "file":
        path.write_text("precious")
    elif kind == "directory":
        path.mkdir()
    else:
        path.symlink_to(tmp_path / "elsewhere")
    assert "the file at this path is not a socket" in refusal(UnixAddress(str(path)))
    assert os.path.lexists(path)


def test_a_file_that_somebody_replaced_is_not_removed(opened, tmp_path):
    path = tmp_path / "app.sock"
    (listener,) = opened(UnixAddress(str(path)))
    path.unlink()
    leave_stale_socket(path)
    close_listeners([listener])
    assert path.exists()


def test_a_file_that_is_gone_is_no_error(opened, tmp_path):
    path = tmp_path / "app.sock"
    (listener,) = opened(UnixAddress(str(path)))
    path.unlink()
    close_listeners([listener])
    assert listener.fileno() == -1


def test_a_forked_child_does_not_remove_the_file(opened, tmp_path):
    path = tmp_path / "app.sock"
    (listener,) = opened(UnixAddress(str(path)))
    child = os.fork()
    if not child:
        close_listeners([listener])
        os._exit(0)
    os.waitpid(child, 0)
    assert path.exists()
    assert can_connect(listener)


def test_an_abstract_name_has_no_file(opened):
    name = f"@bascule-test-{os.getpid()}"
    (listener,) = opened(UnixAddress(name))
    assert can_connect(listener)
    assert not os.path.exists(name)
    assert describe(listener, "http") == f"unix:{name}"
    assert "another program uses this name" in refusal(UnixAddress(name))


def test_where_there_are_no_abstract_names_no_file_is_made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "platform", "darwin")
    assert "only Linux has abstract sockets" in refusal(UnixAddress("@name"))
    assert os.listdir() == []


def test_a_path_too_long_says_so(tmp_path):
    path = str(tmp_path / ("x" * 110))
    message = refusal(UnixAddress(path))
    assert "UNIX sockets allow 107" in message


def test_the_longest_path_works(opened, tmp_path):
    path = str(tmp_path) + "/"
    path += "x" * (107 - len(path))
    assert can_connect(opened(UnixAddress(path))[0])


def test_a_missing_directory_says_so(tmp_path):
    message = refusal(UnixAddress(str(tmp_path / "missing" / "app.sock")))
    assert "the directory does not exist" in message


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EACCES, "no permission to create or reach a socket there"),
        (errno.EROFS, "Read-only file system."),
    ],
)
def test_other_refusals_for_a_path_are_explained(monkeypatch, tmp_path, number, words):
    refuse_bind(monkeypatch, number)
    assert words in refusal(UnixAddress(str(tmp_path / "app.sock")))


def test_a_probe_that_is_not_permitted_says_so(monkeypatch, tmp_path):
    path = tmp_path / "app.sock"
    leave_stale_socket(path)

    def refuse(*_):
        raise PermissionError(13, os.strerror(13))

    monkeypatch.setattr(bind.socket.socket, "connect", refuse)
    assert "no permission to create or reach" in refusal(UnixAddress(str(path)))
    assert path.exists()


def test_a_socket_file_that_vanishes_while_it_is_probed_is_no_error(opened, monkeypatch, tmp_path):
    path = tmp_path / "app.sock"
    leave_stale_socket(path)

    def vanish(*_):
        path.unlink()
        raise FileNotFoundError(2, os.strerror(2))

    monkeypatch.setattr(bind.socket.socket, "connect", vanish)
    opened(UnixAddress(str(path)))
    assert stat.S_ISSOCK(path.stat().st_mode)


# Inherited file descriptors


def test_a_listening_descriptor_is_taken_over(opened):
    with socket.create_server(("127.0.0.1", 0)) as inherited:
        number = inherited.detach()
    (listener,) = opened(FDAddress(number))
    assert listener.fileno() == number
    assert listener.family == socket.AF_INET
    assert not listener.getblocking()
    assert can_connect(listener)


def test_an_inherited_unix_socket_keeps_its_file(opened, tmp_path):
    path = tmp_path / "inherited.sock"
    inherited = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    inherited.bind(str(path))
    inherited.listen()
    (listener,) = opened(FDAddress(inherited.detach()))
    assert describe(listener, "http") == f"unix:{path}"
    close_listeners([listener])
    assert path.exists()


@pytest.mark.parametrize("number", [987654, 10**30])
def test_a_descriptor_that_is_not_open_says_so(number):
    assert f"no file descriptor {number} is open" in refusal(FDAddress(number))


def test_a_descriptor_that_is_no_socket_says_so():
    reading, writing = os.pipe()
    try:
        assert "is not a socket" in refusal(FDAddress(reading))
        os.fstat(reading)  # still open: it was not ours
    finally:
        os.close(reading)
        os.close(writing)


def test_a_socket_that_does_not_listen_says_so():
    with socket.socket() as idle:
        message = refusal(FDAddress(idle.fileno()))
        assert "it is not listening" in message
        idle.bind(("127.0.0.1", 0))  # still open


def test_a_datagram_descriptor_says_so():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagram:
        assert "not a stream socket" in refusal(FDAddress(datagram.fileno()))


# Describing


def test_describing_a_tcp_listener(opened):
    (listener,) = opened(TCPAddress("127.0.0.1", 0))
    port = listener.getsockname()[1]
    assert describe(listener, "http") == f"http://127.0.0.1:{port}"
    assert describe(listener, "https") == f"https://127.0.0.1:{port}"


@needs_ipv6
def test_describing_an_ipv6_listener(opened):
    (listener,) = opened(TCPAddress("::1", 0))
    assert describe(listener, "http") == f"http://[::1]:{listener.getsockname()[1]}"


def test_describing_a_unix_listener(opened, tmp_path):
    path = str(tmp_path / "app.sock")
    (listener,) = opened(UnixAddress(path))
    assert describe(listener, "http") == f"unix:{path}"


def test_opening_from_another_thread_needs_no_loop(tmp_path):
    opened = []
    thread = threading.Thread(
        target=lambda: opened.extend(open_listeners([TCPAddress("127.0.0.1", 0)], backlog=1))
    )
    thread.start()
    thread.join()
    assert can_connect(opened[0])
    close_listeners(opened)
