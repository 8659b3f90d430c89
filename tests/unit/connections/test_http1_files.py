"""Files as response bodies: all of them, slow readers, and what may go wrong meanwhile."""

import os

import pytest
from connection_rig import bodies, request, statuses

from bascule.connections.files import SMALL_FILE
from bascule.connections.hub import TICK
from bascule.connections.plan import Deadlines
from bascule.loop.files import WINDOW

DEADLINES = Deadlines()
SIZES = [0, 1, SMALL_FILE, SMALL_FILE + 1, WINDOW, WINDOW * 2 + 17]


def content(size):
    return bytes(range(256)) * (size // 256) + b"x" * (size % 256)


@pytest.fixture
def make_file(tmp_path):
    def make(size):
        path = tmp_path / f"file-{size}"
        path.write_bytes(content(size))
        return path

    return make


def send_path(call, path):
    call.start()
    return call.send({"type": "http.response.pathsend", "path": str(path)})


def body_of(client):
    return bytes(client.received.partition(b"\r\n\r\n")[2])


@pytest.mark.parametrize("size", SIZES)
def test_a_file_arrives_whole(rig, make_file, size):
    client = rig.connect()
    client.send(request())
    send_path(rig.calls[0], make_file(size))
    rig.loop.until(lambda: client.protocol.exchange is None)
    assert body_of(client) == content(size)
    rig.calls[0].end()
    client.send_eof()
    rig.assert_nothing_left()


@pytest.mark.parametrize("size", SIZES)
def test_requests_behind_a_file_keep_their_place(rig, make_file, size):
    client = rig.connect()
    client.send(request("/file") + request("/next"))
    send_path(rig.calls[0], make_file(size))
    rig.loop.until(lambda: len(rig.calls) == 2)
    rig.calls[1].respond(b"the next answer")
    assert client.received.endswith(b"the next answer")
    assert statuses(client) == [200, 200]
    rig.calls[0].end()
    assert rig.loop.errors == []


def test_a_request_that_comes_after_a_file_is_served(rig, make_file):
    client = rig.connect()
    client.send(request("/file"))
    send_path(rig.calls[0], make_file(SIZES[-1]))
    rig.loop.until(lambda: client.protocol.exchange is None)
    client.send(request("/next"))
    rig.calls[1].respond(b"the next answer")
    assert client.received.endswith(b"the next answer")


def test_an_unread_body_behind_a_file_is_passed_over(rig, make_file):
    client = rig.connect()
    client.send(request("/file", "Content-Length: 10", method="POST"))
    send_path(rig.calls[0], make_file(SMALL_FILE * 2))
    rig.loop.until(lambda: client.protocol.exchange is None)
    client.send(b"0123456789" + request("/next"))
    assert [call.path for call in rig.calls] == ["/file", "/next"]


def test_a_file_behind_connection_close_arrives_whole(rig, make_file):
    client = rig.connect(reads=False)
    client.send(request("/", "Connection: close"))
    send_path(rig.calls[0], make_file(SIZES[-1]))
    read_steadily(rig, client, 65536)
    rig.loop.until(lambda: client.lost)
    assert body_of(client) == content(SIZES[-1])
    assert not client.aborted


def test_a_file_while_draining_arrives_whole(rig, make_file):
    client = rig.connect(reads=False)
    client.send(request())
    send_path(rig.calls[0], make_file(SIZES[-1]))
    rig.drain()
    read_steadily(rig, client, 65536)
    rig.loop.until(lambda: client.lost)
    assert body_of(client) == content(SIZES[-1])


def read_steadily(rig, client, bytes_a_second):
    """Read until nothing more comes."""
    before = -1
    while len(client.received) > before:
        before = len(client.received)
        client.read(bytes_a_second)
        rig.pass_time(1)
        rig.loop.until(lambda: client.get_write_buffer_size() or client.protocol.exchange is None)


def test_a_slow_reader_that_reads_all_the_time_is_not_cut_off(rig, make_file):
    """The write deadline is for clients that take nothing; a slow modem takes a little."""
    client = rig.connect(reads=False)
    client.send(request())
    send_path(rig.calls[0], make_file(SIZES[-1]))
    for _ in range(int(DEADLINES.write) * 3):
        client.read(1000)
        rig.pass_time(1)
    assert not client.aborted
    client.start_reading()
    rig.loop.until(lambda: client.protocol.exchange is None)
    assert body_of(client) == content(SIZES[-1])


def test_a_reader_that_takes_nothing_of_a_file_is_cut_off(rig, make_file):
    client = rig.connect(reads=False)
    client.send(request())
    sent = send_path(rig.calls[0], make_file(SIZES[-1]))
    rig.pass_time(DEADLINES.write - TICK)
    assert not client.aborted
    rig.pass_time(3 * TICK)
    assert client.aborted
    assert sent.done()
    rig.calls[0].end()
    rig.assert_nothing_left()


def test_the_first_tick_of_a_file_is_no_deadline(rig, make_file):
    """The tick may come between the call and the first step of the task that copies."""
    rig.loop.now += 10_000
    rig.loop.run_soon(rig.hub.tick)
    client = rig.connect(reads=False)
    client.send(request())
    call = rig.calls[0]
    call.start()
    call.send_soon({"type": "http.response.pathsend", "path": str(make_file(WINDOW))})
    rig.loop.call_soon(rig.hub.tick)
    rig.loop.settle()
    assert not client.aborted
    client.start_reading()
    rig.loop.until(lambda: client.protocol.exchange is None)
    assert body_of(client) == content(WINDOW)


def test_a_file_that_shrinks_meanwhile_breaks_the_response_off(rig, make_file, caplog):
    path = make_file(WINDOW * 2)
    client = rig.connect(reads=False)
    client.send(request() + request("/next"))
    send_path(rig.calls[0], path)
    os.truncate(path, WINDOW)
    client.start_reading()
    rig.loop.until(lambda: client.lost)
    assert client.aborted
    assert len(rig.calls) == 1
    assert "shorter while it was sent" in caplog.text
    rig.calls[0].end()
    rig.assert_nothing_left()


@pytest.mark.parametrize("size", [10, WINDOW])
def test_a_file_that_cannot_be_read_breaks_the_response_off_and_the_log_says_so(
    rig, make_file, caplog, size
):
    client = rig.connect()
    client.send(request())
    call = rig.calls[0]
    call.start()
    with make_file(size).open("ab") as file:
        sent = call.send(
            {"type": "http.response.zerocopysend", "file": file, "offset": 0, "count": size}
        )
        if sent.exception():
            call.fail(sent.exception())
        else:
            call.end()
        rig.loop.until(lambda: client.lost)
    assert caplog.records
    rig.assert_nothing_left()


def test_a_client_that_leaves_before_the_first_byte_of_a_file_leaves_it_closed(rig, make_file):
    before = len(os.listdir("/proc/self/fd"))
    client = rig.connect()
    client.send(request())
    call = rig.calls[0]
    call.start()
    message = {"type": "http.response.pathsend", "path": str(make_file(WINDOW))}
    call.send_soon(message)
    rig.loop.call_soon(client.protocol.connection_lost, None)
    client.lost = True
    rig.loop.settle()
    call.end()
    rig.assert_nothing_left()
    assert len(os.listdir("/proc/self/fd")) == before


def test_parts_of_a_file_between_pieces_of_body(rig, make_file):
    client = rig.connect()
    client.send(request())
    call = rig.calls[0]
    call.start()
    call.body(b"begin")
    with make_file(WINDOW).open("rb") as file:
        for offset in (0, 100):
            sent = call.send(
                {
                    "type": "http.response.zerocopysend",
                    "file": file,
                    "offset": offset,
                    "count": SMALL_FILE * 2,
                    "more_body": True,
                }
            )
            rig.loop.until(sent.done)
            sent.result()
    call.body(b"end", more=False)
    chunk = b"%x\r\n%%b\r\n" % (SMALL_FILE * 2)
    whole = content(WINDOW)
    first, second = whole[: SMALL_FILE * 2], whole[100 : 100 + SMALL_FILE * 2]
    assert body_of(client) == (
        b"5\r\nbegin\r\n" + chunk % first + chunk % second + b"3\r\nend\r\n0\r\n\r\n"
    )


def test_body_while_a_file_is_being_sent_is_the_applications_mistake(rig, make_file):
    client = rig.connect(reads=False)
    client.send(request())
    call = rig.calls[0]
    call.start()
    with make_file(WINDOW).open("rb") as file:
        message = {"type": "http.response.zerocopysend", "file": file, "more_body": True}
        assert not call.send(message).done()
        assert isinstance(call.body(b"too early").exception(), RuntimeError)
        assert isinstance(call.send(message).exception(), RuntimeError)
    client.start_reading()
    rig.loop.until(lambda: client.get_write_buffer_size() == 0)
    assert b"too early" not in client.received


@pytest.mark.parametrize("size", [10, WINDOW])
def test_head_gets_the_length_and_no_byte(rig, make_file, size):
    client = rig.connect()
    client.send(request(method="HEAD") + request("/next"))
    send_path(rig.calls[0], make_file(size)).result()
    assert b"content-length: %d\r\n" % size in client.received
    rig.calls[1].respond(b"next")
    assert bodies(client, [b"next"]) == [b"next"]
    assert client.received.count(b"\r\n\r\n") == 2
