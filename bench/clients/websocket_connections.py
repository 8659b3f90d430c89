"""The connections of websocket_load.py: what they say, and what they accept as an answer."""

import asyncio
import time

from picows import WSListener, WSMsgType

from harness.scenarios import Scenario

PATIENCE = 15.0  # seconds until what is under way must have come


class WentWrong(Exception):
    """The measurement means nothing; the text says why."""


class Load:
    """The state that the connections of a run share: expected messages, and measurements."""

    def __init__(self):
        self.latencies = []
        self.is_over = True  # an answer calls for no further message
        self.is_closing = False
        self.seconds = 0.0
        self.busy = 0.0  # the share of these seconds in which this process ran
        self._failure = ""
        self._missing = 0
        self._settled = None

    def expect(self, count: int) -> None:
        """From now on, `settled` waits for that many calls of `arrive`."""
        self._missing = count
        self._settled = asyncio.get_running_loop().create_future()
        if self._failure:
            self._settled.set_exception(WentWrong(self._failure))

    async def settled(self) -> float:
        """When the last of those expected arrived. Raises `WentWrong` and `TimeoutError`."""
        return await asyncio.wait_for(self._settled, self.seconds + PATIENCE)

    def arrive(self) -> None:
        self._missing -= 1
        if self._missing == 0 and not self._settled.done():
            self._settled.set_result(time.perf_counter())

    def fail(self, reason: str) -> None:
        """The first reason counts; what follows is mostly its consequence."""
        self._failure = self._failure or reason
        if self._settled and not self._settled.done():
            self._settled.set_exception(WentWrong(self._failure))

    def begin(self, seconds: float) -> None:
        """Measure from now on, for so long."""
        self.is_over = False
        self.seconds = seconds
        self._began, self._began_busy = time.perf_counter(), time.process_time()
        asyncio.get_running_loop().call_later(seconds, self.end)

    def end(self) -> None:
        self.is_over = True
        self.seconds = time.perf_counter() - self._began
        self.busy = (time.process_time() - self._began_busy) / self.seconds

    def report(self, deliveries: int) -> dict[str, float]:
        """Of the whole run; `deliveries` is how many messages one latency stands for."""
        if not self.latencies:
            raise WentWrong("not one message came back in time")
        ranked = sorted(self.latencies)
        return {
            "done": len(ranked) * deliveries,
            "seconds": self.seconds,
            "p50": ranked[len(ranked) // 2] * 1000,
            "p99": ranked[len(ranked) * 99 // 100] * 1000,
            "busy": self.busy,
        }


class Connection(WSListener):
    """The behaviour of every connection when a wrong message arrives."""

    def __init__(self, load: Load):
        self.load = load
        self.transport = None

    def on_ws_connected(self, transport):
        self.transport = transport

    def on_ws_disconnected(self, transport):
        if self.load.is_closing:
            self.load.arrive()
        else:
            self.load.fail("a connection was lost")

    def on_other(self, frame) -> None:
        if frame.msg_type != WSMsgType.CLOSE:
            self.load.fail(
                f"a wrong message came: {frame.msg_type.name}, {frame.payload_size} bytes, "
                f"starting with {frame.get_payload_as_bytes()[:20]!r}"
            )
        elif self.load.is_closing:
            self.transport.disconnect()
        else:
            self.load.fail(f"the server closed a connection: {frame.get_close_code()!r}")


class Echo(Connection):
    """One message there and back, then the next. Two messages take turns, both with a number that
    no other connection has, so that an answer given twice or to the wrong one is noticed.
    """

    def __init__(self, load: Load, number: int, scenario: Scenario):
        super().__init__(load)
        self.kind, self.message = marked(scenario, f"{number}a")
        _, self.following = marked(scenario, f"{number}b")
        self.sent = 0.0

    def say(self) -> None:
        self.sent = time.perf_counter()
        self.transport.send(self.kind, self.message)

    def on_ws_frame(self, transport, frame):
        if frame.get_payload_as_bytes() != self.message or frame.msg_type != self.kind:
            self.on_other(frame)
            return
        self.message, self.following = self.following, self.message
        if self.load.is_over:
            self.load.arrive()
            return
        now = time.perf_counter()
        self.load.latencies.append(now - self.sent)
        self.sent = now
        transport.send(self.kind, self.message)


class Room:
    """The message that every member must get now."""

    def __init__(self, message: bytes):
        self.message = message


class Member(Connection):
    """Gets each message of its room, once. (The first is the greeting of the app.)"""

    def __init__(self, load: Load, room: Room):
        super().__init__(load)
        self.room = room
        self.got = None

    def on_ws_frame(self, transport, frame):
        message = self.room.message
        if (
            frame.get_payload_as_bytes() == message
            and frame.msg_type == WSMsgType.TEXT
            and self.got is not message
        ):
            self.got = message
            self.load.arrive()
        else:
            self.on_other(frame)


def marked(scenario: Scenario, mark: str) -> tuple[WSMsgType, bytes]:
    """The scenario's message with a mark in place of its beginning."""
    message = scenario.expected
    kind = WSMsgType.TEXT if isinstance(message, str) else WSMsgType.BINARY
    plain = message.encode() if isinstance(message, str) else message
    return kind, mark.encode() + plain[len(mark) :]
