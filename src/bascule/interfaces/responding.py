"""The one place that takes the steps of a response: it commits a step, and takes it back.

    RespondingExchange  an exchange whose application makes the response step by step

A step is committed before the carrier carries it out, because the carrier is free for another
exchange with the call that ends the response, and may run that exchange inside of the call. When
the carrier raises, the step is taken back: the application may send another head instead, or the
rest of the body, and `give_up` knows that the client still waits.

The states and steps are in response_states.py.
"""

from bascule.errors import ResponseError
from bascule.interfaces.answers import PLAIN_TEXT
from bascule.interfaces.exchange import Exchange
from bascule.interfaces.response_states import (
    ABORT,
    ANSWER,
    COMPLETE,
    FORBIDDEN,
    HEAD_KEPT,
    IDLE,
    NEXT_STATES,
    STATE_NAMES,
    STEP_NAMES,
    STEPS,
    SWITCH,
    SWITCHED,
    TRAILERS,
)

INTERNAL_SERVER_ERROR = b"Internal Server Error"


class RespondingExchange(Exchange):
    """An exchange whose application makes the response step by step.

    state: how far the response is. Only changed on the loop's thread.
    """

    __slots__ = ("state",)

    state: int

    def allows(self, step: int) -> bool:
        """Return whether a step is in order now."""
        return NEXT_STATES[self.state * STEPS + step] != FORBIDDEN

    def commit(self, step: int) -> int:
        """Take a step, and return the state before it. Raises ResponseError where the step is not
        in order."""
        state = self.state
        following = NEXT_STATES[state * STEPS + step]
        if following == FORBIDDEN:
            raise ResponseError(f"{STEP_NAMES[step]} is not allowed {STATE_NAMES[state]}")
        self.state = following
        return state

    def take_back(self, state: int) -> None:
        """Return to the state before a step that could not be carried out."""
        self.state = state

    # The steps that the carrier carries out.

    def respond(
        self,
        step: int,
        status: int,
        fields: list[tuple[bytes, bytes]],
        body: bytes,
        reason: bytes = b"",
    ) -> None:
        """Send the head and the first bytes of the body. When that raises, the head was never
        given: another one may be."""
        self.commit(step)
        try:
            self.carrier.respond(status, fields, body, self.state >= COMPLETE, reason)
        except BaseException:
            self.take_back(IDLE)
            raise

    def send_piece(self, step: int, data: bytes) -> None:
        """Send bytes of the body."""
        before = self.commit(step)
        try:
            self.carrier.send(data, self.state >= COMPLETE)
        except BaseException:
            self.take_back(before)
            raise

    def send_part(self, step: int, file: object, offset: int, count: int) -> None:
        """Send part of an open file as bytes of the body. The file is the carrier's afterwards."""
        before = self.commit(step)
        try:
            self.carrier.send_file(file, offset, count, self.state >= COMPLETE)
        except BaseException:
            self.take_back(before)
            raise

    def end_with(self, trailers: list[tuple[bytes, bytes]]) -> None:
        """End the response with trailers."""
        before = self.commit(TRAILERS)
        try:
            self.carrier.send_trailers(trailers)
        except BaseException:
            self.take_back(before)
            raise

    def switch(
        self, session: object, subprotocol: str | None, fields: list[tuple[bytes, bytes]]
    ) -> None:
        """Accept the WebSocket handshake."""
        before = self.commit(SWITCH)
        try:
            self.carrier.accept(session, subprotocol, fields)
        except BaseException:
            self.take_back(before)
            raise

    # Without the application.

    def answer(self, status: int, fields: list[tuple[bytes, bytes]], body: bytes) -> None:
        """Answer the request in place of the application."""
        self.respond(ANSWER, status, fields, body)

    def give_up(self) -> None:
        """Finish for an application that will not complete the response: with 500 while no byte
        has left, else by aborting it, so that the client sees that it is incomplete."""
        if self.state >= SWITCHED:
            return
        try:
            if self.state <= HEAD_KEPT:
                self.answer(500, PLAIN_TEXT, INTERNAL_SERVER_ERROR)
        except ResponseError:
            # The head had left after all: the carrier raised behind it.
            pass
        finally:
            self.break_off()

    def break_off(self) -> None:
        """Abort the response if it is incomplete."""
        if self.state < SWITCHED:
            self.commit(ABORT)
            self.carrier.abort()
