"""Requests that have passed their deadline: said in the log, and watched until their calls end.

A connection answers such a request, and is free. Its call is interrupted or cancelled, and
mostly ends. A call that does not, because its thread waits in C code or its task ignores being
cancelled, is stuck: it
keeps its thread, or its memory, and may be a reason to replace the worker.
"""

import logging
from collections.abc import Callable
from time import perf_counter

from bascule.interfaces.exchange import Exchange

logger = logging.getLogger("bascule")

# A call that was interrupted has this many seconds to clean up before it counts as stuck.
STUCK_AFTER = 5.0
# It is named again after as many.
SAID_AGAIN_AFTER = 60.0
# Requests whose stack is logged within `BUDGET_SECONDS`. Clients can cause any number of them.
BUDGET = 20
BUDGET_SECONDS = 10.0


class Overdue:
    """The calls of a worker that continue past the deadlines of their requests.

    warn: as the hub's. stuck: how many there are that do not end. All of it on the loop.
    """

    def __init__(self, warn: Callable[[str, str], None]) -> None:
        self.warn = warn
        self.stuck = 0
        self._calls: list[Late] = []
        self._budget_since = 0.0
        self._told = 0

    def expire(self, exchange: Exchange, timeout: float, now: float) -> None:
        """Log the request with what its call is doing at this moment, and end the call. The
        connection answers the client."""
        line = (
            f"{named(exchange)}: no response within {timeout:g} s (--request-timeout), answered "
            f"504; {age_of(exchange):.1f} s old, {exchange.called_by}, {exchange.whereabouts()}"
        )
        self.tell(with_stack(line, exchange), line, now)
        exchange.expire()
        if exchange.is_running():
            self._calls.append(Late(exchange, now + STUCK_AFTER))

    def tell(self, text: str, short: str, now: float) -> None:
        """Log it; what goes beyond the budget is counted by `warn`."""
        if now - self._budget_since >= BUDGET_SECONDS:
            self._budget_since, self._told = now, 0
        self._told += 1
        if self._told <= BUDGET:
            logger.error("%s", text)
        else:
            self.warn("request timeout", short)

    def tick(self, now: float) -> None:
        """Look which calls have ended, and which are stuck."""
        if not self._calls:
            return
        for late in self._calls:
            if late.exchange.is_running():
                if now >= late.due:
                    late.tell()
                    late.due = now + SAID_AGAIN_AFTER
            elif late.told:
                age = age_of(late.exchange)
                logger.warning("%s: returned at last, after %.1f s", named(late.exchange), age)
        self._calls = [late for late in self._calls if late.exchange.is_running()]
        self.stuck = sum(late.told for late in self._calls)


class Late:
    """One call that was interrupted. due: when it is named next. told: it has been."""

    def __init__(self, exchange: Exchange, due: float) -> None:
        self.exchange = exchange
        self.due = due
        self.told = False

    def tell(self) -> None:
        exchange = self.exchange
        line = (
            f"{named(exchange)}: stuck: it was interrupted, and still runs after "
            f"{age_of(exchange):.0f} s, {exchange.called_by}, {exchange.whereabouts()}"
        )
        logger.error("%s", with_stack(line, exchange))
        self.told = True


def named(exchange: Exchange) -> str:
    """Method and path. A target has visible ASCII only, so it is safe in a log."""
    request = exchange.request
    return f"{request.method} {request.path.decode('ascii', 'backslashreplace')}"


def age_of(exchange: Exchange) -> float:
    """Seconds since the head of the request was here."""
    return perf_counter() - exchange.arrived_at


def with_stack(line: str, exchange: Exchange) -> str:
    stack = exchange.stack()
    return f"{line}\n{stack.rstrip()}" if stack else line
