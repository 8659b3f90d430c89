"""A WebSocket whose octets are carried to the application as they are."""

import socket

from connection_rig import request

from support.websocket_client import handshake

LARGE = bytes(100_000)


def test_an_unread_response_before_the_handshake_holds_the_application(rig):
    """The transport has said that it is congested before there was a tunnel."""
    client = rig.connect()
    client.stop_reading()
    client.send(request("/large") + handshake())
    call = rig.calls[0]
    call.start((b"content-length", b"%d" % len(LARGE)))
    call.body(LARGE, more=False)
    call.end()
    ours, theirs = socket.socketpair()
    with ours:
        connection = client.protocol
        rig.loop.run_soon(connection.tunnel, connection.exchange, theirs)
        inner = client.protocol.inner
        rig.loop.until(lambda: inner.transport is not None)
        ours.sendall(b"from the application")
        assert not inner.transport.is_reading()
        client.start_reading()
        rig.loop.until(lambda: client.received.endswith(b"from the application"))
    rig.loop.until(lambda: client.finished)
    client.send_eof()
    assert client.lost
