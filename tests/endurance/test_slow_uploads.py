"""Uploads that arrive byte by byte are ended, after the grace that every upload has.

The rest of what slow clients do is in tests/process; a body has half a minute.
"""

import socket
import threading
import time
from contextlib import ExitStack

import pytest

from bascule.connections.plan import Deadlines
from support.http import RawClient, exchange, request_bytes
from support.server import running
from support.workers import APPS

COUNT = 200
PATIENCE = Deadlines().body_grace + 20


@pytest.mark.parametrize(
    "target", [("process_asgi:app",), ("process_wsgi", "--threads", "4")], ids=["asgi", "wsgi"]
)
def test_slow_bodies_are_ended_and_honest_requests_answered_meanwhile(target):
    head = request_bytes("POST", "/echo", [("Content-Length", "1000000")])
    with running(*target, "--no-access-log", cwd=APPS) as server, ExitStack() as stack:
        slow = [RawClient(server.port, deadline=PATIENCE) for _ in range(COUNT)]
        for client in slow:
            stack.callback(client.close)
        for client in slow:
            client.send(head)
        done = threading.Event()
        trickle = threading.Thread(target=trickle_into, args=(slow, done))
        trickle.start()
        try:
            began = time.monotonic()
            while not done.is_set() and time.monotonic() - began < Deadlines().body_grace - 2:
                assert exchange(server.port, "POST", "/echo", body=b"honest").body == b"honest"
            for client in slow:
                assert client.read_response("POST").status == 408
        finally:
            done.set()
            trickle.join()
        assert exchange(server.port, "GET", "/").status == 200


def trickle_into(clients, done):
    """One byte for each, every second."""
    while not done.wait(1):
        for client in clients:
            try:
                client.sock.send(b"x", socket.MSG_DONTWAIT)
            except OSError:
                pass  # it has been ended
