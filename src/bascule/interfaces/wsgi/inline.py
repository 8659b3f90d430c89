"""WSGI calls on the loop's thread, one at a time (`--threads 0`).

InlineExchange  one call
InlineQueue     the order of the calls
"""

import io
from asyncio import _set_running_loop
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from threading import get_ident
from time import perf_counter
from typing import Any

from bascule.interfaces.answers import PLAIN_TEXT
from bascule.interfaces.exchange import Carrier, Exchange
from bascule.interfaces.response_states import BODY, COMPLETE, END, HEAD, HEAD_KEPT, IDLE, SENDING
from bascule.interfaces.wsgi.call import WsgiCaller, WsgiExchange
from bascule.protocols.events import Request
from bascule.stacks import thread_stack

# With `--threads 0` a body is kept in memory whole, because the loop cannot wait for it inside the
# application.
INLINE_BODY = 16 * 1024 * 1024
# Seconds after which a walk through a result gives the loop a turn, so that it serves other
# connections and notices a client that disconnects.
TURN = 0.02


class InlineExchange(WsgiExchange):
    """An exchange whose application runs on the loop's thread, one at a time."""

    __slots__ = ("queue", "resumed", "turn_began")

    def __init__(
        self, interface: WsgiCaller, request: Request, carrier: Carrier, queue: "InlineQueue"
    ) -> None:
        super().__init__(interface, request, carrier)
        self.queue = queue
        self.resumed = False
        self.turn_began = 0.0

    def start(self) -> None:
        """Wait for the whole body, then for the turn. The end of a body that came in the same
        packet as the head was handled before, and has entered the queue."""
        if self.request.ended:
            self.queue.enqueue(self)
        elif self.request.expects_continue:
            self.carrier.want_body()

    def receive_body(self, data: bytes) -> None:
        self.body.append(data)
        self.body_size += len(data)
        if self.body_size > INLINE_BODY:
            self.answer(413, PLAIN_TEXT, b"with --threads 0 a request body is at most 16 MiB\n")

    def end_body(self, trailers: list[tuple[bytes, bytes]]) -> None:
        self.body_ended = True
        self.trailers = trailers
        self.queue.enqueue(self)

    def run(self) -> None:
        """Call the application; the call may be suspended when the client is slow."""
        self.waited = waited = perf_counter() - self.queued_at
        timeout = self.interface.queue_timeout
        if timeout and waited > timeout:
            self.interface.shed(self)
            self.queue.run_next(self)
            return
        self.interface.running += 1
        self.step(self.first_step)

    def step(self, part: Callable[[], bool]) -> None:
        """Run a part of the call as if no loop were running in this thread. Synchronous code may
        check for one (Django's ORM refuses to work in a running loop), and may run a loop of its
        own."""
        self.turn_began = perf_counter()
        finished = True
        _set_running_loop(None)
        try:
            try:
                finished = part()
            except BaseException as error:
                self.fail(error)
            finally:
                if finished:
                    self.close_result()
        finally:
            _set_running_loop(self.interface.loop)
            if finished:
                self.note_return()

    def first_step(self) -> bool:
        body = self.body
        self.call(io.BytesIO(body[0] if len(body) == 1 else b"".join(body)))
        return self.walk()

    def go_on(self) -> None:
        """Continue the walk, unless that has happened: the client has caught up, or is gone, or
        the loop has had its turn."""
        self.resumed = False
        if self.queue.current is self and self.result is not None:
            self.step(self.walk)

    def note_return(self) -> None:
        """Let the next call run: the application has returned."""
        self.interface.running -= 1
        self.queue.run_next(self)

    def whereabouts(self) -> str:
        if self.queue.current is self:
            sending = ", sending" if self.stage >= SENDING else ""
            return f"on the loop's thread{sending}"
        return "queued" if self.queued_at else "waiting for its body"

    def thread(self) -> int:
        return self.queue.thread if self.queue.current is self else 0

    def stack(self) -> str:
        return thread_stack(self.thread())

    def is_running(self) -> bool:
        return self.queue.current is self

    def waits_for_turn(self) -> bool:
        return self.queued_at > 0.0 and self in self.queue.waiting

    def must_pause(self) -> bool:
        if self.disconnected:
            self.check_connected()
        if self.stage < COMPLETE and self.carrier.congested:
            return True
        if perf_counter() - self.turn_began < TURN:
            return False
        self.resume_writing()
        return True

    def disconnect(self) -> None:
        self.queue.withdraw(self)
        WsgiExchange.disconnect(self)

    def resume_writing(self) -> None:
        # In the loop's next turn, because an asyncio transport that is closed inside its own call
        # of resume_writing loses its connection twice. One at a time: each may schedule another.
        if not self.resumed:
            self.resumed = True
            self.interface.loop.call_soon(self.go_on)

    def wake_reader(self) -> None:
        """Do nothing: the body is read whole before the call, so no reader waits."""

    def put_head(self, body: bytes, end: bool) -> None:
        if self.state == IDLE:
            self.commit(HEAD)
        self.respond(END if end else BODY, self.status, self.fields, body, self.reason)

    def put_data(self, data: bytes, end: bool) -> None:
        if self.disconnected:
            self.check_connected()
        self.send_piece(END if end else BODY, data)

    def put_file(self, file: Any, offset: int, count: int) -> None:
        self.send_part(END, file, offset, count)

    def take_back(self, state: int) -> None:
        # start_response was called, and may be called again only with exc_info.
        self.state = self.stage = HEAD_KEPT if state == IDLE else state

    def put_hint(self, fields: list[tuple[bytes, bytes]]) -> None:
        self.carrier.inform(103, fields)

    def put_abort(self) -> None:
        self.break_off()

    def put_failure(self) -> None:
        self.give_up()


class InlineQueue:
    """The calls on the loop's thread: one is current, and the others wait for it to return.

    current: the exchange that runs, or that waits for its client in the middle of a response.
    waiting: those after it.
    thread: the number of the loop's thread.
    passing: the waiting exchanges are being run.
    """

    __slots__ = ("current", "passing", "thread", "waiting")

    def __init__(self) -> None:
        self.thread = get_ident()
        self.passing = False
        self.current: InlineExchange | None = None
        self.waiting: deque[InlineExchange] = deque()

    def enqueue(self, exchange: InlineExchange) -> None:
        """Run an exchange now, or after the current one, which is in a slow response."""
        exchange.queued_at = perf_counter()
        self.take_turn(exchange)

    def take_turn(self, exchange: InlineExchange) -> None:
        if self.current is None:
            self.current = exchange
            exchange.run()
        elif len(self.waiting) < exchange.interface.queue_limit:
            self.waiting.append(exchange)
        else:
            exchange.interface.turn_away(exchange)

    def withdraw(self, exchange: InlineExchange) -> None:
        """Remove an exchange whose client is gone."""
        if exchange.queued_at and exchange is not self.current:
            # It has left the queue when it has had its turn.
            with suppress(ValueError):
                self.waiting.remove(exchange)

    def run_next(self, exchange: InlineExchange) -> None:
        """Run the next exchange that still has a client: an exchange has returned."""
        if self.current is not exchange:
            return
        self.current = None
        if self.passing:
            # This exchange was run by the loop below, which runs the next as well, not inside of
            # this one.
            return
        self.passing = True
        try:
            while self.waiting and self.current is None:
                following = self.waiting.popleft()
                if not following.disconnected:
                    self.take_turn(following)
        finally:
            self.passing = False

    def calls(self) -> list[Exchange]:
        """Return the calls that have not returned."""
        calls: list[Exchange] = [] if self.current is None else [self.current]
        return calls + list(self.waiting)
