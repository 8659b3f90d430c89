"""A client that closes its sending side: it may be gone, or wait for its response."""

import pytest
from connection_rig import request, statuses

from bascule.connections.hub import TICK
from bascule.connections.plan import Deadlines

HALF_CLOSE = Deadlines().half_close
DISCONNECT = {"type": "http.disconnect"}


def test_the_response_still_arrives(rig):
    client = rig.connect()
    client.send(request())
    client.send_eof()
    assert not client.closing
    rig.calls[0].respond(b"late")
    assert client.received.endswith(b"late")
    assert client.lost
    assert not client.aborted
    rig.assert_nothing_left()


def test_the_application_is_told_after_the_deadline_and_may_answer_all_the_same(rig):
    client = rig.connect()
    client.send(request())
    call = rig.calls[0]
    assert call.receive().result()["type"] == "http.request"
    message = call.receive()
    client.send_eof()
    rig.pass_time(HALF_CLOSE - TICK)
    assert not message.done()
    rig.pass_time(TICK)
    assert message.result() == DISCONNECT
    call.respond(b"all the same")
    assert client.received.endswith(b"all the same")
    rig.assert_nothing_left()


def test_all_pipelined_requests_are_answered(rig):
    client = rig.connect()
    client.send(request("/0") + request("/1") + request("/2"))
    client.send_eof()
    for number in range(3):
        rig.calls[number].respond(b"answer %d" % number)
    assert statuses(client) == [200, 200, 200]
    assert client.lost
    rig.assert_nothing_left()


def test_a_connection_without_requests_is_closed_at_once(rig):
    client = rig.connect()
    client.send_eof()
    assert client.lost
    assert client.received == b""


def test_an_idle_connection_is_closed_at_once(rig):
    client = rig.connect()
    client.send(request())
    rig.calls[0].respond()
    client.send_eof()
    assert client.lost
    assert statuses(client) == [200]


def test_half_a_head_gets_no_answer(rig):
    client = rig.connect()
    client.send(request()[:-2])
    client.send_eof()
    assert client.lost
    assert rig.calls == []


def test_half_a_body_ends_the_exchange(rig):
    client = rig.connect()
    client.send(request("/", "Content-Length: 10", method="POST") + b"12345")
    call = rig.calls[0]
    assert call.receive().result()["body"] == b"12345"
    client.send_eof()
    assert client.lost
    assert call.receive().result() == DISCONNECT
    assert call.body(b"x").exception() is None
    rig.pass_time(5)
    assert isinstance(call.body(b"x").exception(), OSError)
    call.end()
    rig.assert_nothing_left()
    assert rig.access_lines == [("POST", "/", 499)]


def test_half_a_chunked_body_ends_the_exchange(rig):
    client = rig.connect()
    client.send(request("/", "Transfer-Encoding: chunked", method="POST") + b"5\r\nhel")
    client.send_eof()
    assert client.lost
    assert rig.calls[0].receive().result() == DISCONNECT


def test_a_whole_body_is_read_after_the_end(rig):
    client = rig.connect()
    client.send(request("/", "Content-Length: 200000", method="POST"))
    client.send(b"x" * 200000)
    client.send_eof()
    call = rig.calls[0]
    received = b""
    while len(received) < 200000:
        received += call.receive().result()["body"]
    call.respond(b"all of it")
    assert client.received.endswith(b"all of it")
    assert client.lost


def test_a_streamed_response_goes_on(rig):
    client = rig.connect()
    client.send(request())
    call = rig.calls[0]
    call.start()
    client.send_eof()
    for _ in range(10):
        rig.pass_time(1)
        call.body(b"more ").result()
    call.body(b"last", more=False).result()
    call.end()
    assert client.received.count(b"more ") == 10
    assert client.received.endswith(b"4\r\nlast\r\n0\r\n\r\n")
    assert client.lost


@pytest.mark.parametrize("threads", [0, 1])
def test_wsgi_answers_too(make_rig, threads):
    def application(environ, start_response):
        start_response("200 OK", [])
        return [b"from wsgi"]

    rig = make_rig(application, threads=threads)
    client = rig.connect()
    client.send(request("/0") + request("/1"))
    client.send_eof()
    # The client has its answer before the thread has said that it is done.
    rig.loop.until(lambda: client.lost and rig.interface.running == 0)
    assert client.received.count(b"from wsgi") == 2
    rig.assert_nothing_left()


def test_under_tls_the_end_is_the_end(rig):
    """TLS transports cannot close one side: the application learns of it, the connection goes."""
    client = rig.connect(can_eof=False)
    client.protocol.endpoint.tls = {}
    client.send(request())
    client.send_eof()
    assert client.lost
    assert rig.calls[0].receive().result() == DISCONNECT
    rig.calls[0].end()
    rig.assert_nothing_left()
