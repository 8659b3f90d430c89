"""Asks a server once, from Python, and checks the whole answer: wrk only counts.

WebSockets are checked by websocket_check, HTTP/2 by http2_check.
"""

import http.client
import json
import socket
import ssl

from clients import http2_check
from clients.websocket_check import converse
from harness.certificate import CERT
from harness.scenarios import Scenario, WrongAnswer

TIMEOUT = 10.0


def connect(scenario: Scenario, port: int) -> http.client.HTTPConnection:
    if scenario.with_tls:
        context = ssl.create_default_context(cafile=CERT)
        return http.client.HTTPSConnection("127.0.0.1", port, timeout=TIMEOUT, context=context)
    return http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)


def ask(scenario: Scenario, port: int) -> None:
    """One request on a new connection. Raises `OSError`, `http.client.HTTPException` or
    `WrongAnswer`.
    """
    if scenario.websocket:
        converse(scenario, port, messages=1)
        return
    if scenario.streams:
        http2_check.exchange(scenario, port, requests=1)
        return
    connection = connect(scenario, port)
    try:
        exchange(connection, scenario)
    finally:
        connection.close()


def verify(scenario: Scenario, port: int) -> str:
    """Two requests or messages on one connection, so that keep-alive is proven too. Returns the
    TLS cipher or "".

    Raises `WrongAnswer` also where the connection fails.
    """
    try:
        if scenario.websocket:
            converse(scenario, port, messages=2)
            return ""
        if scenario.streams:
            return http2_check.exchange(scenario, port, requests=2)
        return verify_http(scenario, port)
    except (OSError, http.client.HTTPException) as error:
        raise WrongAnswer(f"two requests on one connection failed: {error!r}") from error


def verify_http(scenario: Scenario, port: int) -> str:
    if scenario.is_closing:
        ask(scenario, port)
        ask(scenario, port)
        return ""
    connection = connect(scenario, port)
    try:
        exchange(connection, scenario)
        ours = local_port(connection)
        exchange(connection, scenario)
        if local_port(connection) != ours:
            raise WrongAnswer("the connection is not kept alive")
        return cipher(connection)
    finally:
        connection.close()


def exchange(connection: http.client.HTTPConnection, scenario: Scenario) -> None:
    body = b"e" * scenario.post_size or None
    fields = {"Connection": "close"} if scenario.is_closing else {}
    connection.request("POST" if body else "GET", scenario.path, body, fields)
    response = connection.getresponse()
    if response.will_close != scenario.is_closing:
        raise WrongAnswer(f"the connection is {'kept alive' if scenario.is_closing else 'closed'}")
    answer = response.read()
    if response.status != 200:
        raise WrongAnswer(f"status {response.status} instead of 200")
    if not is_expected(answer, scenario.expected):
        raise WrongAnswer(f"wrong body: {len(answer)} bytes, starting with {answer[:60]!r}")


def is_expected(answer: bytes, expected: bytes | dict) -> bool:
    return answer == expected if isinstance(expected, bytes) else json.loads(answer) == expected


def local_port(connection: http.client.HTTPConnection) -> int | None:
    sock: socket.socket | None = connection.sock
    return sock.getsockname()[1] if sock else None


def cipher(connection: http.client.HTTPConnection) -> str:
    sock = connection.sock
    return f"{sock.version()} {sock.cipher()[0]}" if isinstance(sock, ssl.SSLSocket) else ""
