"""A WebSocket whose bytes are carried to the application as they are."""

import socket

from support.websocket_client import handshake

LARGE = b"x" * 100_000


def test_what_is_unread_before_the_tunnel_holds_the_application(rig):
    """The transport has said that it is congested before there was a tunnel."""
    client = rig.connect()
    client.stop_reading()
    client.send(handshake())
    ours, theirs = socket.socketpair()
    with ours:
        connection = client.protocol
        rig.loop.run_soon(connection.inform, 103, [(b"link", LARGE)])
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
