"""The clients of `make cost` find a wrong response."""

import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from clients.counted import (
    Client,
    ConcurrentClient,
    EchoClient,
    Http1Client,
    ReconnectingClient,
)
from harness.scenarios import WrongAnswer

REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
RIGHT = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.fixture
def answering() -> Iterator[Callable[..., int]]:
    """Start a server that sends these bytes, one after another, each for something received, and
    then closes the connection."""
    opened: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def start(*answers: bytes) -> int:
        listener = socket.create_server(("127.0.0.1", 0))
        opened.append(listener)

        def serve(sock: socket.socket) -> None:
            with sock:
                for answer in answers:
                    sock.recv(65536)
                    sock.sendall(answer)

        def accept() -> None:
            while True:
                try:
                    sock, _ = listener.accept()
                except OSError:
                    return
                threads.append(threading.Thread(target=serve, args=(sock,)))
                threads[-1].start()

        threads.append(threading.Thread(target=accept))
        threads[-1].start()
        return listener.getsockname()[1]

    yield start
    for listener in opened:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
    for thread in threads:
        thread.join()


def converse(client: Client, times: int = 1) -> None:
    try:
        client.open()
        for _ in range(times):
            client.exchange()
    finally:
        client.close()


def test_right_responses_pass(answering):
    converse(Http1Client(answering(RIGHT, RIGHT), REQUEST, b"ok"), times=2)
    converse(ReconnectingClient(answering(RIGHT), REQUEST, b"ok"), times=2)
    converse(ConcurrentClient(answering(RIGHT), REQUEST, b"ok"))


@pytest.mark.parametrize(
    "answer",
    [
        RIGHT.replace(b"ok", b"no"),
        RIGHT.replace(b"200", b"500"),
        RIGHT.replace(b"Length: 2", b"Length: 3"),
        b"HTTP/1.1 200 OK\r\n\r\nok",
        b"",
    ],
)
def test_a_wrong_response_is_found(answering, answer: bytes):
    with pytest.raises(WrongAnswer):
        converse(Http1Client(answering(answer), REQUEST, b"ok"))
    with pytest.raises(WrongAnswer):
        converse(ConcurrentClient(answering(answer), REQUEST, b"ok"))


def test_a_second_response_on_a_connection_for_one_is_found(answering):
    with pytest.raises(WrongAnswer, match="more than one"):
        converse(ReconnectingClient(answering(RIGHT + b"HTTP/1.1"), REQUEST, b"ok"))


def test_an_echo_must_be_the_message(answering):
    switched = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"
    converse(EchoClient(answering(switched, b"\x81\x02hi"), "/", b"hi"))
    with pytest.raises(WrongAnswer):
        converse(EchoClient(answering(switched, b"\x81\x02ho"), "/", b"hi"))
    with pytest.raises(WrongAnswer):
        converse(EchoClient(answering(RIGHT), "/", b"hi"))
