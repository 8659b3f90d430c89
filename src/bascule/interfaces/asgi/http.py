# cython: binding=True
"""ASGI HTTP (ASGI 3.0, HTTP specification 2.3): one request, one call of the application.

    AsgiExchange  `receive` and `send` of one request, and the rules about their order

Why 2.3, and not 2.5. From 2.4 on `send` raises OSError when the client has gone, and frameworks
rely on it: Starlette then no longer listens to `receive` while it streams. A stream that waits for
its next event sends nothing, so it would never learn that its client has gone. Announced 2.3, they
listen, and nothing of the later versions is missed.

Data sent to a disconnected client is dropped (`drop_message`). An application that neither listens
nor stops would then never return, so it gets the OSError of 2.4: at once where it does not
listen, and after a moment where it has received http.disconnect and continues all the same. The
same holds for the body of a response that has none on the wire (HEAD, 204, 304): the response is
complete with its head, `receive` returns http.disconnect, and the body that the application still
sends is dropped.

When the server stops, `receive` returns http.disconnect to an application that listens while it
sends a stream of events, and the stream ends (`tick`). Nothing is cancelled behind the
application's back.
Tasks are in call.py, awaitables in awaitables.py.
"""

import os
from typing import Any

from bascule.errors import ClientDisconnected, ResponseError
from bascule.interfaces.asgi.awaitables import (
    READY,
    DrainAwaitable,
    ReadyAwaitable,
    ReceiveAwaitable,
    YieldAwaitable,
)
from bascule.interfaces.asgi.call import (
    AsgiCall,
    AsgiCaller,
    checked_body,
    mark_async,
)
from bascule.interfaces.exchange import FORSAKEN_AFTER, Carrier, Exchange
from bascule.interfaces.response_states import (
    BEFORE_TRAILERS,
    BODY,
    BODY_END,
    COMPLETE,
    DROP,
    DROP_END,
    DROPPING,
    END,
    HEAD,
    HEAD_KEPT,
    HINT,
    IDLE,
    SENDING,
    TRAILERS,
)
from bascule.protocols.events import Request
from bascule.types import Message, Scope

# Seconds for which an application may continue to send after it has received http.disconnect: that
# has to reach the task that sends, through every middleware in between.
TOLD_GRACE = 1.0

# Messages that are dropped in one turn of the loop.
DROPPED_A_TURN = 8

# Messages that end the body unless they announce more.
BODIES = ("http.response.body", "http.response.pathsend", "http.response.zerocopysend")

# RFC 9110 section 15.3.5 and 15.4.5: these have no body, whatever the method.
BODILESS = (204, 304)

# Where a message is not expected, by state.
EXPECTED = {
    IDLE: "before http.response.start",
    HEAD_KEPT: "between http.response.start and the body",
    SENDING: "in the middle of the body",
    BEFORE_TRAILERS: "where http.response.trailers were announced",
}


class AsgiExchange(AsgiCall):
    """One request to an ASGI application, and its response.

    listening: `receive` waits, or has returned http.disconnect; false once it returns a body.
    dropped: the number of messages that were dropped.
    unheard_since: when the first of them was, on the loop's clock.
    deserted: the call is counted in `interface.deserted`.
    has_sent: something was sent since the last call of `quiet_time`.
    quiet_since: when `quiet_time` last found that something was sent.
    stop_due: the stream is to end because the server stops.
    stop_told: `receive` has returned http.disconnect because of that.
    """

    __slots__ = (
        "deserted",
        "dropped",
        "end_told",
        "fields",
        "has_sent",
        "listening",
        "quiet_since",
        "response_trailers",
        "status",
        "stop_due",
        "stop_told",
        "trailers_follow",
        "unheard_since",
    )

    def __init__(self, interface: AsgiCaller, request: Request, carrier: Carrier) -> None:
        self.interface = interface
        self.request = request
        self.carrier = carrier
        self.body = []
        self.body_size = 0
        self.body_ended = request.ended
        self.trailers = []
        self.disconnected = False
        self.finished_sending = False
        self.held = False
        self.arrived_at = 0.0
        self.waited = 0.0
        self.state = IDLE
        self.status = 0
        self.fields: list[tuple[bytes, bytes]] = []
        self.response_trailers: list[tuple[bytes, bytes]] = []
        self.trailers_follow = False
        self.end_told = False
        self.listening = False
        self.deserted = False
        self.dropped = 0
        self.has_sent = False
        self.stop_due = False
        self.stop_told = False
        self.unheard_since = 0.0
        self.quiet_since = 0.0
        self.waiters = []
        self.task = None

    def scope(self) -> Scope:
        """Return the HTTP connection scope (ASGI HTTP specification 2.3)."""
        endpoint = self.ends()
        interface = self.interface
        extensions = interface.offer(interface.extensions)
        scope = interface.scope(interface.http_scope, self.request, endpoint, extensions)
        scope["method"] = self.request.method
        scope["scheme"] = endpoint.scheme
        return scope

    def judge_return(self) -> None:
        """Finish a response that is incomplete although a client waits for it."""
        if self.is_unheard() or self.state >= COMPLETE:
            return
        if self.stop_told or (
            self.interface.stopping.is_begun and self.state != IDLE and self.is_event_stream()
        ):
            self.end_for_stop()
        elif self.finished_sending:
            self.break_off()
        else:
            self.fail("returned without completing its response", None)

    def fail(self, what: str, error: BaseException | None) -> None:
        """Log that the application will not complete the response, and finish it."""
        is_heard = not self.is_unheard()
        try:
            if error is not None or is_heard:
                self.log_failure(what, error)
        finally:
            if is_heard:
                self.give_up()

    def note_return(self) -> None:
        """The application runs no more."""
        self.set_deserted(False)
        AsgiCall.note_return(self)

    # When the client has disconnected, or will soon be disconnected.

    def is_unheard(self) -> bool:
        return self.disconnected or self.state == DROPPING

    def disconnect(self) -> None:
        """The client is gone: nothing more can be received or sent."""
        if not self.listening and HEAD_KEPT <= self.state < COMPLETE:
            self.set_deserted(True)
        Exchange.disconnect(self)

    def finish_sending(self) -> None:
        """Note that the client has closed its side some time ago; called at every tick. Only
        writing to the client can show whether it is gone. A response that has begun is aborted
        when it is quiet and its application does not listen."""
        Exchange.finish_sending(self)
        if self.state == SENDING and not self.listening and self.quiet_time() >= FORSAKEN_AFTER:
            self.carrier.abort()

    def set_deserted(self, deserted: bool) -> None:
        """Count the call among those that stream to a disconnected client, or no longer."""
        if deserted != self.deserted:
            self.deserted = deserted
            self.interface.deserted += 1 if deserted else -1

    def drop_message(self, kind: str, message: Message) -> Any:
        """Drop a message that no client receives. Raises ClientDisconnected where a stream would
        not end otherwise."""
        if message.get("more_body", False) or message.get("more_trailers", False):
            now = self.interface.loop.time()
            if self.unheard_since == 0.0:
                self.unheard_since = now
            if (self.disconnected and not self.listening) or now - self.unheard_since > TOLD_GRACE:
                raise ClientDisconnected("the client closed the connection")
            # The task that listens is another one, and must run to stop this one. Usually it runs
            # while this task waits for its next piece.
            self.dropped += 1
            return READY if self.dropped % DROPPED_A_TURN else YieldAwaitable()
        if kind == "http.response.trailers" or (kind in BODIES and not self.trailers_follow):
            # A stop of the server waits for the work that applications do behind their responses.
            if self.allows(DROP_END):
                self.commit(DROP_END)
            self.set_deserted(False)
        return READY

    def tick(self) -> None:
        """While the server stops, check whether this is a stream that should end now."""
        if (
            self.interface.stopping.is_begun
            and not self.stop_due
            and HEAD_KEPT <= self.state <= SENDING
            and self.should_end()
        ):
            self.stop_due = True
            self.wake_reader()

    def should_end(self) -> bool:
        """Return whether the response will probably not end by itself.

        A response with a declared length ends by itself. A stream of events does not, and its
        clients connect again; the application has a moment to end it. Other responses may or may
        not have an end, so they are ended only after they were quiet for half of the graceful
        time: a download is never quiet for so long, and half of the time is left to a slow report.
        """
        stopping = self.interface.stopping
        names = {name.lower(): value for name, value in self.fields}
        if b"content-length" in names:
            return False
        if self.is_event_stream():
            elapsed = self.interface.loop.time() - stopping.begun_at
            return bool(elapsed >= stopping.events_for)
        return self.state == SENDING and self.quiet_time() >= stopping.quiet_for

    def quiet_time(self) -> float:
        """Return the seconds for which nothing was sent, counted from the first call after the
        last thing that was."""
        now: float = self.interface.loop.time()
        if self.has_sent or self.carrier.congested or self.quiet_since == 0.0:
            self.has_sent = False
            self.quiet_since = now
        return now - self.quiet_since

    def is_event_stream(self) -> bool:
        """Return whether the response is a stream of server-sent events."""
        for name, value in self.fields:
            if name.lower() == b"content-type":
                return value.lower().startswith(b"text/event-stream")
        return False

    def end_for_stop(self) -> None:
        """End a stream that the application has ended because the server stops. A stream of events
        is complete with each event; in all other cases the client must see that something is
        missing."""
        if not self.is_event_stream():
            self.break_off()
        elif self.state == HEAD_KEPT:
            self.send_head(END, b"")
        elif self.state == BEFORE_TRAILERS:
            self.end_with([])
        else:
            self.send_piece(END, b"")

    # From the application.

    def receive(self) -> ReceiveAwaitable:
        """ASGI `receive`."""
        if (
            not self.body
            and not self.body_ended
            and not self.finished_sending
            and self.state < COMPLETE
        ):
            self.carrier.want_body()
        return ReceiveAwaitable(self)

    def next_message(self) -> Message | None:
        """Return the message that `receive` returns now, or None."""
        if self.state < COMPLETE and not self.finished_sending:
            if self.body or (self.body_ended and not self.end_told):
                self.end_told = self.body_ended
                self.listening = False
                return {
                    "type": "http.request",
                    "body": self.take_body(),
                    "more_body": not self.body_ended,
                }
            self.listening = True
            if not self.stop_due:
                return None
            self.stop_told = True
        self.listening = True
        self.set_deserted(False)
        return {"type": "http.disconnect"}

    def send(self, message: Message) -> ReadyAwaitable | DrainAwaitable | YieldAwaitable:
        """ASGI `send`. Raises ClientDisconnected, ResponseError or RuntimeError at the call."""
        if type(message) is not dict:
            message = dict(message)
        kind = message["type"]
        state = self.state
        if self.disconnected or state == DROPPING:
            dropped: ReadyAwaitable | YieldAwaitable = self.drop_message(kind, message)
            return dropped
        if state == IDLE and kind == "http.response.start":
            self.keep_head(message)
        elif kind == "http.response.body" and self.allows(BODY):
            self.send_body(message)
        else:
            self.send_other(kind, message)
        if self.state < COMPLETE and self.carrier.congested:
            return DrainAwaitable(self)
        return READY

    def keep_head(self, message: Message) -> None:
        """Handle http.response.start, which is kept until the first body message, so that both
        leave in one write."""
        self.status = message["status"]
        fields = message.get("headers")
        if fields is None:
            self.fields = []
        else:
            self.fields = fields if type(fields) is list else list(fields)
        self.trailers_follow = message.get("trailers", False)
        self.commit(HEAD)

    def send_body(self, message: Message) -> None:
        """Handle http.response.body."""
        body = message.get("body", b"")
        if type(body) is not bytes:
            body = checked_body(body)
        step = self.body_step(message.get("more_body", False))
        self.has_sent = True
        if self.state == HEAD_KEPT:
            self.send_head(step, body)
        else:
            self.send_piece(step, body)
            if step == END:
                self.wake_reader()

    def body_step(self, more: bool) -> int:
        """Return the step that a message with bytes of the body is."""
        if more:
            return BODY
        return BODY_END if self.trailers_follow else END

    def send_head(self, step: int, body: bytes) -> None:
        """Send the head with the first bytes of the body."""
        self.respond(step, self.status, self.fields, body)
        if step == END:
            self.wake_reader()
        elif self.request.method == "HEAD" or self.status in BODILESS:
            self.drop_body()

    def drop_body(self) -> None:
        """End the response, which is complete with its head (RFC 9110 section 9.3.2), whatever
        follows."""
        self.send_piece(DROP, b"")
        if not self.listening:
            self.set_deserted(True)
        self.wake_reader()

    def send_other(self, kind: str, message: Message) -> None:
        """Handle all messages but the usual start and body."""
        if self.state >= COMPLETE:
            raise RuntimeError(f"{kind!r} after the response was complete")
        if kind == "http.response.trailers" and self.allows(TRAILERS):
            self.send_trailers(message)
        elif kind == "http.response.pathsend" and self.allows(BODY):
            self.send_path(message)
        elif kind == "http.response.zerocopysend" and self.allows(BODY):
            self.send_zerocopy(message)
        elif kind == "http.response.early_hint" and self.allows(HINT):
            self.carrier.inform(103, [(b"link", link) for link in message.get("links", ())])
        else:
            raise RuntimeError(f"{kind!r} is not expected {EXPECTED[self.state]}")

    def send_trailers(self, message: Message) -> None:
        """Handle http.response.trailers; several are joined until the last."""
        self.response_trailers += message.get("headers", ())
        if not message.get("more_trailers", False):
            trailers, self.response_trailers = self.response_trailers, []
            self.end_with(trailers)
            self.wake_reader()

    def send_path(self, message: Message) -> None:
        """Handle http.response.pathsend: a whole file by its absolute path."""
        # Not a context manager: the carrier closes it when it is sent.
        file = open(message["path"], "rb", buffering=0)  # noqa: SIM115
        try:
            size = file_size(file)
            if self.state == HEAD_KEPT:
                self.announce(size)
        except BaseException:
            file.close()
            raise
        self.send_open_file(file, 0, size, False)

    def announce(self, size: int) -> None:
        """Send the kept head before a file whose length is known, and declare the length if the
        application did not."""
        declared = [value for name, value in self.fields if name.lower() == b"content-length"]
        if not declared:
            # A 304 has only the length that the application gives (RFC 9110 section 8.6).
            if self.status != 304:
                self.fields = [*self.fields, (b"content-length", b"%d" % size)]
        elif declared != [b"%d" % size]:
            self.take_back(IDLE)
            raise ResponseError(f"a file of {size} bytes with a Content-Length of {declared[0]!r}")
        self.send_head(BODY, b"")

    def send_zerocopy(self, message: Message) -> None:
        """Handle http.response.zerocopysend: part of a file that the application keeps open."""
        kept = message["file"]
        offset = message.get("offset")
        if offset is None:
            offset = kept.tell()
        count = message.get("count")
        if count is None:
            count = max(file_size(kept) - offset, 0)
        if offset < 0 or count < 0:
            raise ResponseError(f"a file with the offset {offset} and the count {count}")
        more = message.get("more_body", False)
        # All that can fail comes before the head.
        file = os.fdopen(os.dup(kept.fileno()), "rb", buffering=0)
        try:
            if self.state == HEAD_KEPT:
                if self.body_step(more) == END:
                    self.announce(count)
                else:
                    self.send_head(BODY, b"")
        except BaseException:
            file.close()
            raise
        self.send_open_file(file, offset, count, more)

    def send_open_file(self, file: Any, offset: int, count: int, more: bool) -> None:
        """Send a file, and close it when it cannot be sent."""
        step = self.body_step(more)
        if self.state == DROPPING:
            # The head was the whole response.
            file.close()
            if step == END:
                self.commit(DROP_END)
                self.set_deserted(False)
            return
        self.has_sent = True
        try:
            self.send_part(step, file, offset, count)
        except BaseException:
            file.close()
            raise
        if step == END:
            self.wake_reader()

    def whereabouts(self) -> str:
        return "sending" if self.state >= SENDING else AsgiCall.whereabouts(self)

    def is_congested(self) -> bool:
        return self.state < COMPLETE and not self.disconnected and self.carrier.congested


mark_async(AsgiExchange.receive)
mark_async(AsgiExchange.send)


def file_size(file: Any) -> int:
    return os.fstat(file.fileno()).st_size
