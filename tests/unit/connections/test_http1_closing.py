"""A client that is gone, at every point of an exchange: nothing is left, the log says so."""

import socket
import threading

import pytest
from connection_rig import request, statuses

from bascule.connections.files import SMALL_FILE
from bascule.connections.hub import TICK
from bascule.connections.transport import MUCH_UNDELIVERED
from bascule.interfaces.exchange import BODY_HIGH_WATER
from bascule.interfaces.wsgi.threaded import RESPONSE_HIGH_WATER
from support.client import fill

DISCONNECT = {"type": "http.disconnect"}
UPLOAD = request("/", "Content-Length: 10", method="POST")


# ASGI: how far the exchange is when the connection goes.


def nothing_sent(client, rig):
    pass


def in_the_head(client, rig):
    client.send(request()[:-2])


def before_the_body(client, rig):
    client.send(UPLOAD)


def in_the_body(client, rig):
    client.send(UPLOAD + b"12345")


def in_a_body_that_is_held(client, rig):
    client.send(request("/", f"Content-Length: {BODY_HIGH_WATER * 3}", method="POST"))
    client.send(b"x" * (BODY_HIGH_WATER + 1))
    assert not client.reading


def while_waiting_for_continue(client, rig):
    client.send(request("/", "Content-Length: 10", "Expect: 100-continue", method="POST"))


def before_the_response(client, rig):
    client.send(request())


def between_head_and_body(client, rig):
    client.send(request())
    rig.calls[0].start()


def in_the_response(client, rig):
    client.send(request())
    rig.calls[0].start()
    rig.calls[0].body(b"part")


def while_the_application_waits_to_send(client, rig):
    client.send(request())
    rig.calls[0].start()
    client.stop_reading()
    assert not rig.calls[0].body(b"x" * 1_000_000).done()


def while_a_file_is_sent(client, rig):
    client.send(request())
    rig.calls[0].start()
    client.stop_reading()
    rig.calls[0].send(rig.file_message)
    assert client.protocol.exchange is not None


def behind_the_response(client, rig):
    client.send(request())
    rig.calls[0].start()
    rig.calls[0].body(b"all", more=False)


def with_requests_waiting(client, rig):
    client.send(request() * 10)


POINTS = [
    nothing_sent,
    in_the_head,
    before_the_body,
    in_the_body,
    in_a_body_that_is_held,
    while_waiting_for_continue,
    before_the_response,
    between_head_and_body,
    in_the_response,
    while_the_application_waits_to_send,
    while_a_file_is_sent,
    behind_the_response,
    with_requests_waiting,
]


@pytest.fixture
def rig_with_file(rig, tmp_path):
    path = tmp_path / "large"
    path.write_bytes(b"x" * (SMALL_FILE * 100))
    rig.file_message = {"type": "http.response.pathsend", "path": str(path)}
    return rig


@pytest.mark.parametrize("point", POINTS, ids=lambda point: point.__name__)
@pytest.mark.parametrize("end", ["reset", "abort"])
def test_a_connection_that_is_lost_leaves_nothing(rig_with_file, point, end):
    rig = rig_with_file
    client = rig.connect()
    point(client, rig)
    if end == "reset":
        client.reset()
    else:
        rig.loop.run_soon(rig.hub.abort)
    assert client.lost
    assert rig.hub.connections == set()
    for call in rig.calls:
        assert call.receive().result() == DISCONNECT
        call.end()
    assert len(rig.calls) <= 1
    rig.assert_nothing_left()


@pytest.mark.parametrize("point", POINTS, ids=lambda point: point.__name__)
def test_a_lost_connection_is_written_to_nevermore(rig_with_file, point):
    rig = rig_with_file
    client = rig.connect()
    point(client, rig)
    client.reset()
    for call in rig.calls:
        call.body(b"x", more=False)
        call.end()
    rig.pass_time(100)
    assert client.lost_writes == []
    rig.assert_nothing_left()


@pytest.mark.parametrize(
    ("point", "status"),
    [
        (before_the_response, 499),
        (in_the_body, 499),
        (between_head_and_body, 499),
        (in_the_response, 200),
        (while_a_file_is_sent, 200),
        (behind_the_response, 200),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_each_request_has_one_line_in_the_access_log(rig_with_file, point, status):
    rig = rig_with_file
    client = rig.connect()
    point(client, rig)
    client.reset()
    for call in rig.calls:
        call.end()
    assert [line[2] for line in rig.access_lines] == [status]


def test_an_application_that_waits_for_a_message_is_woken(rig):
    client = rig.connect()
    client.send(request())
    rig.calls[0].receive().result()
    message = rig.calls[0].receive()
    assert not message.done()
    client.reset()
    assert message.result() == DISCONNECT


def test_an_application_that_waits_to_send_is_woken_and_the_next_send_raises(rig):
    client = rig.connect(reads=False)
    client.send(request())
    rig.calls[0].start()
    sent = rig.calls[0].body(b"x" * 1_000_000)
    assert not sent.done()
    client.reset()
    assert sent.done()
    assert isinstance(rig.calls[0].body(b"more").exception(), OSError)


def test_the_oserror_of_send_is_a_quiet_way_to_end(rig, caplog):
    client = rig.connect()
    client.send(request())
    client.reset()
    rig.calls[0].start()
    error = rig.calls[0].body(b"for nobody").exception()
    assert isinstance(error, OSError)
    rig.calls[0].fail(error)
    assert caplog.records == []
    rig.assert_nothing_left()


def test_nothing_is_cancelled_behind_the_applications_back(rig):
    client = rig.connect()
    client.send(request())
    client.reset()
    rig.pass_time(1000)
    assert rig.interface.running == 1
    assert not rig.calls[0].ended.cancelled()
    rig.calls[0].end()
    rig.assert_nothing_left()


def test_under_tls_a_client_that_is_behind_gets_everything_before_the_close(rig):
    """A few bytes wait in the transport, and many more in the kernel before them."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        queued = fill(ours, bytes(1_000_000))
        assert queued > MUCH_UNDELIVERED
        client = rig.connect(reads=False, can_eof=False, socket=ours)
        client.protocol.endpoint.tls = {}
        client.send(request("/", "Connection: close"))
        rig.calls[0].respond()
        rig.pass_time(TICK)
        assert not client.closing
        client.start_reading()
        rig.pass_time(TICK)
        assert not client.closing
        while queued:
            queued -= len(theirs.recv(queued))
        rig.pass_time(TICK)
        assert client.closing
    rig.assert_nothing_left()


# Work that an application leaves undone.


def test_an_application_that_raises_before_its_response_gives_500(rig, caplog):
    client = rig.connect()
    client.send(request("/0") + request("/1"))
    rig.calls[0].fail(ZeroDivisionError())
    rig.calls[1].respond()
    assert statuses(client) == [500, 200]
    assert "ZeroDivisionError" in caplog.text
    caplog.clear()
    assert rig.interface.running == 0


def test_an_application_that_raises_in_its_response_breaks_it_off(rig, caplog):
    client = rig.connect()
    client.send(request("/0") + request("/1"))
    rig.calls[0].start()
    rig.calls[0].body(b"part")
    rig.calls[0].fail(ZeroDivisionError())
    assert client.aborted
    assert not client.received.endswith(b"0\r\n\r\n")
    assert len(rig.calls) == 1
    rig.assert_nothing_left()


def test_an_application_that_returns_without_a_response_gives_500(rig, caplog):
    client = rig.connect()
    client.send(request())
    rig.calls[0].end()
    assert statuses(client) == [500]
    assert "without completing its response" in caplog.text
    assert not client.closing


def test_an_application_that_returns_in_its_response_breaks_it_off(rig, caplog):
    client = rig.connect()
    client.send(request())
    rig.calls[0].start()
    rig.calls[0].body(b"part")
    rig.calls[0].end()
    assert client.aborted
    rig.assert_nothing_left()


# WSGI.


class Gate:
    """A WSGI application that waits at the gate: `entered` when it is called, on until `open`."""

    def __init__(self, work):
        self.entered = threading.Event()
        self.open = threading.Event()
        self.closed = threading.Event()
        self.work = work

    def __call__(self, environ, start_response):
        self.entered.set()
        assert self.open.wait(10)
        result = self.work(environ, start_response)
        result.close = self.closed.set
        return result


class Pieces:
    def __init__(self, pieces):
        self._pieces = iter(pieces)

    def __iter__(self):
        return self._pieces


def short_answer(environ, start_response):
    start_response("200 OK", [("Content-Length", "2")])
    return Pieces([b"ok"])


def long_answer(environ, start_response):
    start_response("200 OK", [])
    return Pieces([b"x" * RESPONSE_HIGH_WATER] * 100)


def read_all(environ, start_response):
    body = environ["wsgi.input"].read()
    start_response("200 OK", [])
    return Pieces([b"%d" % len(body)])


def answer_with_write(environ, start_response):
    write = start_response("200 OK", [])
    for _ in range(100):
        write(b"x" * RESPONSE_HIGH_WATER)
    return Pieces([])


@pytest.mark.parametrize("work", [short_answer, long_answer, read_all, answer_with_write])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_thread_whose_client_is_gone_comes_back(make_rig, work, when, caplog):
    gate = Gate(work)
    rig = make_rig(gate, threads=1)
    client = rig.connect(reads=False)
    upload = request("/", "Content-Length: 200000", "Expect: 100-continue", method="POST")
    client.send(upload if work is read_all else request())
    assert gate.entered.wait(10)
    if when == "before":
        client.reset()
    gate.open.set()
    if when == "after":
        if work is read_all:
            rig.loop.until(lambda: client.get_write_buffer_size() > 0)
        else:
            rig.loop.until(lambda: client.get_write_buffer_size() > 0 or gate.closed.is_set())
        client.reset()
    rig.loop.until(lambda: rig.interface.running == 0)
    assert work is read_all or work is answer_with_write or gate.closed.is_set()
    rig.assert_nothing_left()
    assert caplog.records == []


def test_with_threads_0_a_slow_reader_does_not_hold_up_others_for_ever(make_rig):
    rig = make_rig(long_answer, threads=0)
    slow, quick = rig.connect(reads=False), rig.connect()
    slow.send(request())
    quick.send(request())
    assert statuses(quick) == []
    rig.pass_time(rig.hub.deadlines.write + 1)
    assert slow.lost
    assert statuses(quick) == [200]
    assert rig.interface.running == 0


def test_with_threads_0_a_client_that_leaves_makes_room_for_the_next(make_rig):
    rig = make_rig(long_answer, threads=0)
    slow, gone, quick = rig.connect(reads=False), rig.connect(), rig.connect()
    for client in (slow, gone, quick):
        client.send(request())
    gone.reset()
    slow.reset()
    assert statuses(gone) == []
    assert statuses(quick) == [200]
    quick.send_eof()
    rig.assert_nothing_left()


@pytest.mark.parametrize("reads", [True, False], ids=["quick", "slow"])
def test_with_threads_0_a_body_in_the_packet_of_its_head_is_one_call(make_rig, reads):
    calls = []

    def application(environ, start_response):
        calls.append(environ["wsgi.input"].read())
        return long_answer(environ, start_response)

    rig = make_rig(application, threads=0)
    client = rig.connect(reads=reads)
    client.send(request(method="POST", body=b"hello"))
    client.start_reading()
    assert statuses(client) == [200]
    assert calls == [b"hello"]
    client.send_eof()
    rig.assert_nothing_left()


@pytest.mark.parametrize("threads", [0, 1])
def test_wsgi_reads_a_body_that_arrived_in_pieces(make_rig, threads):
    def application(environ, start_response):
        body = environ["wsgi.input"].read()
        start_response("200 OK", [])
        return [b"%d octets" % len(body)]

    rig = make_rig(application, threads=threads)
    client = rig.connect()
    size = 3 * BODY_HIGH_WATER
    client.send(request("/", f"Content-Length: {size}", method="POST"))
    for _ in range(size // 4096):
        client.send(b"x" * 4096)
    rig.loop.until(lambda: b"octets" in client.received)
    assert client.received.endswith(b"%d octets" % size)


@pytest.mark.parametrize("threads", [0, 1])
def test_a_wsgi_file_is_closed_when_the_client_leaves(make_rig, threads, tmp_path):
    path = tmp_path / "large"
    path.write_bytes(b"x" * (SMALL_FILE * 100))
    files = []

    def application(environ, start_response):
        files.append(path.open("rb"))
        start_response("200 OK", [])
        return environ["wsgi.file_wrapper"](files[0])

    rig = make_rig(application, threads=threads)
    client = rig.connect(reads=False)
    client.send(request())
    rig.loop.until(lambda: client.get_write_buffer_size() > 0)
    client.reset()
    rig.loop.until(lambda: rig.interface.running == 0)
    assert files[0].closed
    rig.assert_nothing_left()


def test_wsgi_input_of_a_client_that_left_raises(make_rig):
    raised = []
    entered = threading.Event()

    def application(environ, start_response):
        entered.set()
        try:
            environ["wsgi.input"].read()
        except OSError as error:
            raised.append(error)
        start_response("200 OK", [])
        return [b""]

    rig = make_rig(application, threads=1)
    client = rig.connect()
    client.send(request("/", "Content-Length: 200000", "Expect: 100-continue", method="POST"))
    rig.loop.until(lambda: statuses(client) == [100])
    client.reset()
    rig.loop.until(lambda: raised)
    rig.loop.until(lambda: rig.interface.running == 0)
    rig.assert_nothing_left()


def test_a_body_may_be_left_unread_by_wsgi(make_rig):
    def application(environ, start_response):
        start_response("200 OK", [])
        return [b"did not look"]

    rig = make_rig(application, threads=1)
    client = rig.connect()
    client.send(request("/0", method="POST", body=b"x" * 1000) + request("/1"))
    rig.loop.until(lambda: client.received.count(b"did not look") == 2)


def test_no_lingering_for_a_client_that_has_gone(rig):
    client = rig.connect(is_gone=True)
    client.send(b"nonsense\r\n\r\n")
    assert client.aborted
    assert statuses(client) == [400]
    rig.assert_nothing_left()
