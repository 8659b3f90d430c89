"""Asks a server over WebSocket once, from Python, with another client than the load's."""

from websockets.exceptions import InvalidMessage, WebSocketException
from websockets.sync.client import ClientConnection, connect

from apps.payloads import JOINED
from harness.scenarios import Scenario, WrongAnswer

TIMEOUT = 10.0
NORMAL_CLOSURE = 1000


def converse(scenario: Scenario, port: int, messages: int) -> None:
    """Open a connection, send so many messages, and close it. Raises `OSError` while the server
    cannot be reached, and `WrongAnswer`.
    """
    try:
        with connect(
            f"ws://127.0.0.1:{port}{scenario.path}",
            compression=None,
            proxy=None,
            open_timeout=TIMEOUT,
            close_timeout=TIMEOUT,
            ping_interval=None,
        ) as connection:
            if scenario.websocket == "broadcast":
                expect(connection, JOINED)
            for _ in range(messages):
                connection.send(scenario.expected)
                expect(connection, scenario.expected)
    except InvalidMessage as error:
        raise ConnectionError(f"no answer to the handshake: {error.__cause__!r}") from error
    except WebSocketException as error:
        raise WrongAnswer(f"WebSocket: {error}") from error
    if connection.close_code != NORMAL_CLOSURE:
        raise WrongAnswer(f"closed with {connection.close_code} instead of {NORMAL_CLOSURE}")


def expect(connection: ClientConnection, wanted: str | bytes) -> None:
    try:
        answer = connection.recv(TIMEOUT)
    except TimeoutError as error:
        raise WrongAnswer(f"no message within {TIMEOUT:g} s") from error
    if answer != wanted:
        raise WrongAnswer(
            f"wrong message: {type(answer).__name__} of {len(answer)}, "
            f"starting with {answer[:40]!r}"
        )
