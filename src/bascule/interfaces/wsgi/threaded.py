"""A WSGI call in a thread of the pool, which brings what it sends to the loop.

The class is cut along the thread boundary. Its thread side never touches the carrier: it puts
operations on `outbox`, and the loop side carries them out. Each number that both sides read is
written by only one of them.

A call whose request has passed its deadline is interrupted: RequestTimeout is raised in its
thread, at any point of the application's code (`interrupt` does it). It must never come out
anywhere else: in the server's own code, where it could leave a lock held or a wake-up lost, or in
the thread's next call. So:

    exposed    is true only while the application's code runs on behalf of this very call. The
               thread sets it (`expose`) and clears it (`shelter`), also around calls from the
               application into the server, and around waiting and handing over.
    striking   is true while the loop interrupts: it reads `exposed`, and strikes if that is true.
    expired    is true from then on. `expose` reads it, and raises.
    struck     an exception has been sent to the thread.

The thread writes `exposed`, then reads `striking` or `expired`; the loop writes `striking` and
`expired`, then reads `exposed`. Both see these in one order, so one of them always sees the
other: either the loop finds the thread sheltered and does not strike, or `shelter` finds the loop
at work, waits for the end of it, which takes microseconds, and takes back what was sent and has
not arrived. An exception may still come out inside `shelter` itself, until it was taken back;
`invoke` and `pull` expect that, and nothing is harmed, because nothing was begun. As a call is
struck once at most, what runs after that is safe.

Rejected: a lock around exposing and striking. An exception that arrives between taking the lock
and the block that gives it back would leave it held; and each call would pay for it.

All state is the call's own, so a strike that was meant for one call cannot hit the next. The
application's result is lost if the exception comes between its return and the assignment of the
result, and its close() is not called then; CPython checks for exceptions there. Once the response
has begun, a call is not interrupted any more.
"""

import io
import threading
from collections import deque
from time import perf_counter, sleep
from typing import Any

from bascule.errors import RequestTimeout, ResponseError
from bascule.interfaces.answers import PLAIN_TEXT
from bascule.interfaces.exchange import BODY_HIGH_WATER, Carrier
from bascule.interfaces.response_states import BODY, COMPLETE, END, HEAD, SENDING, SWITCHED
from bascule.interfaces.wsgi.body import TOO_LARGE, Collected
from bascule.interfaces.wsgi.call import ResultIterator, WsgiCaller, WsgiExchange
from bascule.interfaces.wsgi.input import BodyStream
from bascule.interfaces.wsgi.operations import (
    ABORT,
    FAIL,
    INFORM,
    PARK,
    READ_ON,
    RESPOND,
    RETURNED,
    SEND,
    SEND_FILE,
    SHED,
)
from bascule.protocols.events import Request
from bascule.stacks import thread_stack
from bascule.types import Environ

# Response bytes that a thread may be ahead of a slow client before it waits for it. Usual pages
# fit, so their threads are free at once, however slow the clients are. Where too much waits for
# clients already, the limit is only as large as the buffer of the transport.
RESPONSE_HIGH_WATER = 524288
CROWDED_HIGH_WATER = 65536


class ThreadedExchange(WsgiExchange):
    """An exchange whose application runs in a thread."""

    __slots__ = (
        "blocked",
        "collected",
        "consumed",
        "error",
        "event",
        "expired",
        "exposed",
        "outbox",
        "parked",
        "passed_on",
        "pool",
        "queued",
        "received",
        "returned",
        "started",
        "striking",
        "struck",
        "written",
    )

    def __init__(self, interface: "WsgiCaller", request: Request, carrier: Carrier) -> None:
        super().__init__(interface, request, carrier)
        self.pool = interface.pool
        self.outbox: deque[tuple[Any, ...]] = deque()
        self.event: threading.Event | None = None
        self.error: ResponseError | None = None
        self.started = self.returned = False
        self.exposed = False
        self.expired = self.striking = self.struck = False
        # Bytes of the request body: received is written by the loop, consumed by the thread.
        self.received = 0
        self.consumed = 0
        # While a body without Content-Length is collected.
        self.collected: Collected | None = None
        # The body was larger than is collected, or stopped coming.
        self.passed_on = False
        # Bytes of the response: queued is written by the thread, written by the loop.
        self.queued = 0
        self.written = 0
        # The thread waits for the client.
        self.blocked = False
        # The call waits, without a thread, until its client has taken other responses.
        self.parked = False

    # LOOP SIDE

    def start(self) -> None:
        """Hand over to a thread once the body is here or is large: slow uploads occupy no
        thread."""
        if self.started:
            # The end of the body came first, in the same packet.
            return
        if self.is_unsized():
            if self.request.expects_continue:
                self.carrier.want_body()
            return
        if self.body_ended or self.received >= BODY_HIGH_WATER or self.request.expects_continue:
            self.queue()

    def queue(self) -> None:
        """Let the call wait for a thread, if not too many do."""
        pool = self.pool
        if pool is not None and len(pool.calls) >= self.interface.queue_limit:
            self.started = self.returned = True
            self.interface.turn_away(self)
        else:
            self.submit()

    def submit(self) -> None:
        self.started = True
        self.queued_at = perf_counter()
        self.interface.running += 1
        if self.pool is not None:
            self.pool.submit(self)

    def is_unsized(self) -> bool:
        """Return whether the body has no Content-Length, and is collected before the call."""
        return (
            not self.started
            and self.request.content_length < 0
            and not self.request.ended
            and self.interface.body_buffer.limit > 0
        )

    def collect(self, data: bytes) -> None:
        """Take a piece of a body without Content-Length."""
        collected = self.collected
        if collected is None:
            collected = self.collected = Collected(self.interface.body_buffer)
        if collected.add(data):
            return
        if self.interface.body_buffer.by_length:
            self.started = self.returned = True
            self.collected_whole()
            self.answer(413, PLAIN_TEXT, TOO_LARGE)
        else:
            self.pass_on()

    def collected_whole(self) -> bytes:
        """Return the collected bytes, and free their memory."""
        collected, self.collected = self.collected, None
        return b"" if collected is None else collected.release()

    def pass_on(self) -> None:
        """Stop collecting: call the application, which reads the rest as it comes."""
        self.passed_on = True
        self.take_piece(self.collected_whole())
        if not self.started:
            self.queue()

    def receive_body(self, data: bytes) -> None:
        if self.is_unsized():
            self.collect(data)
        else:
            self.take_piece(data)

    def take_piece(self, data: bytes) -> None:
        """Take a piece for the thread."""
        if not data:
            return
        self.body.append(data)
        self.received += len(data)
        if self.received - self.consumed >= BODY_HIGH_WATER and not self.held:
            self.held = True
            self.carrier.hold_body()
        self.wake_thread()
        if not self.started and self.received >= BODY_HIGH_WATER:
            self.queue()

    def end_body(self, trailers: list[tuple[bytes, bytes]]) -> None:
        data = self.collected_whole()
        if data:
            # No limit for reading ahead is needed any more: the body is complete.
            self.body.append(data)
            self.received += len(data)
        self.body_size = self.received
        self.body_ended = True
        self.trailers = trailers
        self.wake_thread()
        if not self.started:
            self.queue()

    def tick(self) -> None:
        """Give a thread to a client that sends its body slowly, but never the last one while
        others are busy: that is for requests that are complete."""
        pool = self.pool
        if self.started:
            if self.blocked:
                # The thread may wait because too much waited for all clients, and now less does.
                self.wake_thread()
            self.check_queue()
            return
        running = self.interface.running - self.interface.sockets
        if self.disconnected or pool is None:
            return
        has_room = running == 0 or running < pool.limit - 1
        if self.is_unsized():
            self.check_collected(has_room)
        elif has_room:
            self.queue()

    def check_collected(self, has_room: bool) -> None:
        """Pass on a body that has stopped coming, to an application that may read it then."""
        if self.interface.body_buffer.by_length:
            return
        collected = self.collected
        if collected is None:
            collected = self.collected = Collected(self.interface.body_buffer)
        if collected.has_stopped() and has_room:
            self.pass_on()

    def tell_unread(self) -> None:
        """Warn that the application has read nothing of a body without a length, and has
        succeeded. It may read by the length, and have taken the body for empty."""
        self.interface.warn(
            "unread body",
            "an application has read nothing of a request body without Content-Length that was "
            "too slow or too large to be collected for it (--limit-body-buffer)",
        )

    def check_queue(self) -> None:
        """Answer a request that has waited too long for a thread, so that it is answered even
        when all threads are stuck."""
        timeout = self.interface.queue_timeout
        if timeout and self.state < COMPLETE and not self.disconnected and not self.waited:
            waited = perf_counter() - self.queued_at
            if waited > timeout and self.withdraw():
                self.waited = waited
                self.interface.shed(self)

    def withdraw(self) -> bool:
        """Take the call back; False when a thread has it already."""
        pool = self.pool
        if self.returned or pool is None:
            return False
        if not (self.parked or pool.withdraw(self)):
            return False
        self.parked = False
        self.carry_out((RETURNED,))
        return True

    def disconnect(self) -> None:
        WsgiExchange.disconnect(self)
        self.collected_whole()
        if self.started:
            # If no thread has begun the call, it is not made.
            self.withdraw()

    def resume_writing(self) -> None:
        self.written = self.queued
        self.wake_thread()
        if self.parked and self.pool is not None:
            self.parked = False
            self.pool.submit(self)

    def wake_reader(self) -> None:
        self.wake_thread()

    def wake_thread(self) -> None:
        # The thread sets `event` before it checks the condition that it waits for; the loop
        # changes the condition before it reads `event`.
        event = self.event
        if event is not None:
            event.set()

    def flush(self) -> None:
        """Carry out the operations that the thread has put on the outbox."""
        outbox = self.outbox
        try:
            while outbox:
                operation = outbox.popleft()
                try:
                    self.carry_out(operation)
                except ResponseError as error:
                    self.refuse(error)
                except Exception as error:
                    self.report_failure(error)
        finally:
            # Reporting a failure failed as well. The return of the call may be among the rest.
            if outbox and self.pool is not None:
                self.pool.post(self)
        if self.disconnected or not self.is_congested():
            self.written = self.queued
            self.wake_thread()

    def is_congested(self) -> bool:
        """Return whether the client reads slower than the application writes."""
        return self.state < COMPLETE and self.carrier.congested

    def carry_out(self, operation: tuple[Any, ...]) -> None:
        kind = operation[0]
        if kind == RETURNED:
            self.returned = True
            self.interface.running -= 1
            if self.passed_on and self.consumed == 0 and 200 <= self.status < 300:
                self.tell_unread()
        elif kind == PARK:
            self.park()
        elif self.state >= SWITCHED or self.disconnected or self.error is not None:
            # The carrier is gone, or carries another exchange by now.
            if kind == SEND_FILE:
                operation[1].close()
        elif kind == RESPOND:
            _, status, reason, fields, body, end = operation
            self.commit(HEAD)
            self.respond(END if end else BODY, status, fields, body, reason)
        elif kind == SEND:
            self.send_piece(END if operation[2] else BODY, operation[1])
        elif kind == SEND_FILE:
            self.send_part(END, operation[1], operation[2], operation[3])
        elif kind == INFORM:
            self.carrier.inform(103, operation[1])
        elif kind == FAIL:
            self.give_up()
        elif kind == SHED:
            self.interface.shed(self)
        elif kind == READ_ON:
            self.held = False
            self.carrier.want_body()
        else:
            self.error = ResponseError("the response was broken off")
            self.break_off()

    def park(self) -> None:
        """Let a call that has not begun wait, without a thread, until its client has taken
        more."""
        if self.disconnected:
            self.carry_out((RETURNED,))
        else:
            self.parked = True
            self.carrier.wait_for_room()

    def refuse(self, error: ResponseError) -> None:
        """Finish a response that HTTP does not allow. The application gets the error at its next
        call, the log at once."""
        self.error = error
        self.wake_thread()
        try:
            self.log("sent what HTTP does not allow", error)
        finally:
            self.give_up()

    def report_failure(self, error: Exception) -> None:
        """Abort a response that the transport, or something else below, failed to send."""
        self.error = ResponseError("the response was broken off")
        self.wake_thread()
        try:
            self.log("could not be answered", error)
        finally:
            self.break_off()

    def catch_up(self) -> None:
        self.flush()

    def is_running(self) -> bool:
        return self.started and not self.returned

    def waits_for_turn(self) -> bool:
        pool = self.pool
        return self.is_running() and pool is not None and pool.thread_of(self) is None

    def holds_up(self) -> bool:
        pool = self.pool
        return self.blocked and pool is not None and len(pool.calls) > 0 and bool(pool.is_full())

    def expire(self) -> None:
        """Take the call back if it waits for a thread, else interrupt it."""
        self.expired = True
        if self.is_running() and not self.withdraw():
            self.interrupt()
        self.wake_thread()

    def interrupt(self) -> None:
        """Raise RequestTimeout in the thread if that is in the application's code; if not, the
        thread finds `expired` when it is about to enter that code."""
        from bascule.interfaces.wsgi.interrupt import strike

        thread = self.thread()
        if not thread:
            return
        self.striking = True
        try:
            if self.exposed:
                self.struck = True
                strike(thread)
        finally:
            self.striking = False

    # ANY THREAD

    def whereabouts(self) -> str:
        pool = self.pool
        thread = pool.thread_of(self) if pool is not None else None
        if thread is not None:
            sending = ", sending" if self.stage >= SENDING else ""
            return f"in thread {thread.name}{sending}"
        if self.stage >= SENDING:
            return "sending"
        return "queued for a thread" if self.started else "waiting for its body"

    def thread(self) -> int:
        pool = self.pool
        thread = pool.thread_of(self) if pool is not None else None
        return thread.ident if thread is not None else 0

    def stack(self) -> str:
        return thread_stack(self.thread())

    # THREAD SIDE

    def run(self) -> None:
        """Run the call in a thread of the pool."""
        self.waited = waited = perf_counter() - self.queued_at
        timeout = self.interface.queue_timeout
        if self.expired or self.disconnected:
            self.post_return()
            return
        if timeout and waited > timeout:
            self.put_operation((SHED,))
            self.post_return()
            return
        if self.carrier.holds_back():
            # The thread takes another request, perhaps another client's, meanwhile.
            self.waited = 0.0
            self.put_operation((PARK,))
            return
        try:
            if self.body_ended and len(self.body) <= 1:
                body: Any = io.BytesIO(self.body[0] if self.body else b"")
                self.passed_on = False
            else:
                body = BodyStream(self.next_piece)
            self.call(body)
            self.walk()
        except BaseException as error:
            self.fail(error)
        finally:
            try:
                self.close_result()
            finally:
                self.post_return()

    def post_return(self) -> None:
        """Report to the loop that the thread has nothing more to do with the call."""
        self.put_operation((RETURNED,))

    def invoke(self, environ: Environ) -> Any:
        result: Any = None
        try:
            try:
                self.expose()
                result = self.interface.app(environ, self.start_response)
            finally:
                self.shelter()
        except RequestTimeout:
            # It may have come out in `shelter`, which was not complete then.
            self.shelter()
            if result is not None:
                self.result = ResultIterator(result)
            raise
        return result

    def pull(self, result: ResultIterator) -> Any:
        if self.stage >= SENDING:
            # It is not interrupted any more.
            return result.advance()
        try:
            try:
                self.expose()
                return result.advance()
            finally:
                self.shelter()
        except RequestTimeout:
            self.shelter()
            raise

    def expose(self) -> None:
        """Allow interrupts: the application's code is about to run. Raises RequestTimeout when it
        is too late."""
        self.exposed = True
        if self.expired:
            self.shelter()
            raise RequestTimeout

    def shelter(self) -> None:
        """Forbid interrupts: the application's code has stopped running. No exception comes out
        afterwards."""
        self.exposed = False
        while self.striking:
            sleep(0)
        if self.struck:
            from bascule.interfaces.wsgi.interrupt import take_back

            take_back()

    def fail(self, error: BaseException) -> None:
        if not (self.expired and isinstance(error, RequestTimeout)):
            WsgiExchange.fail(self, error)

    def put_operation(self, operation: tuple[Any, ...]) -> None:
        exposed = self.exposed
        if exposed:
            self.shelter()
        self.outbox.append(operation)
        pool = self.pool
        if pool is not None:
            pool.post(self)
        if exposed:
            self.expose()

    def count(self, size: int) -> None:
        """Count bytes that are about to be posted."""
        self.queued += size
        pool = self.pool
        if pool is not None:
            pool.posted_bytes += size

    def put_head(self, body: bytes, end: bool) -> None:
        self.count(len(body))
        self.put_operation((RESPOND, self.status, self.reason, self.fields, body, end))
        if not end:
            self.wait_for_client()

    def put_data(self, data: bytes, end: bool) -> None:
        if self.error is not None:
            raise self.error
        if self.disconnected:
            self.check_connected()
        self.count(len(data))
        self.put_operation((SEND, data, end))
        if not end:
            self.wait_for_client()

    def put_file(self, file: Any, offset: int, count: int) -> None:
        self.put_operation((SEND_FILE, file, offset, count))

    def put_hint(self, fields: list[tuple[bytes, bytes]]) -> None:
        self.put_operation((INFORM, fields))

    def put_abort(self) -> None:
        self.put_operation((ABORT,))

    def put_failure(self) -> None:
        self.put_operation((FAIL,))

    def wait_for_client(self) -> None:
        """Wait while too many bytes are queued, at most until the connection's write deadline."""
        if self.queued - self.written < CROWDED_HIGH_WATER:
            return
        while self.is_ahead():
            if self.error is not None:
                raise self.error
            event = self.armed_event()
            self.blocked = True
            if self.is_ahead():
                event.wait()
            self.blocked = False

    def is_ahead(self) -> bool:
        """Return whether the thread is so far ahead of its client that it must wait."""
        ahead = self.queued - self.written
        return not self.disconnected and (
            ahead >= RESPONSE_HIGH_WATER
            or (ahead >= CROWDED_HIGH_WATER and self.carrier.is_crowded())
        )

    def armed_event(self) -> threading.Event:
        """Return the event that `wake_thread` sets. The caller must check its condition once more
        before it waits: the condition may have changed just before."""
        event = self.event
        if event is None:
            event = self.event = threading.Event()
        event.clear()
        return event

    def next_piece(self) -> bytes:
        """Wait for the next piece of the body, and return it; b"" at its end. Raises
        ClientDisconnected, or RequestTimeout."""
        exposed = self.exposed
        if exposed:
            self.shelter()
        try:
            return self.wait_for_piece()
        finally:
            if exposed:
                self.expose()

    def wait_for_piece(self) -> bytes:
        while True:
            try:
                data = self.body.pop(0)
            except IndexError:
                if self.body_ended and not self.body:
                    return b""
                if self.disconnected:
                    self.check_connected()
                self.wait_for_body()
                continue
            self.consumed += len(data)
            if self.held:
                self.put_operation((READ_ON,))
            return data

    def wait_for_body(self) -> None:
        event = self.armed_event()
        if not self.body and not self.body_ended and not self.disconnected:
            if self.received == 0:
                # The first read makes the carrier answer 100-continue.
                self.put_operation((READ_ON,))
            event.wait()
