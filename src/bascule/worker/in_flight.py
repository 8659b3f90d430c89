"""The requests in flight of a worker, and the stacks of its threads and tasks.

In-flight requests are found by walking live objects; no table is kept. Connections know their
exchanges, interfaces their calls. This works in any thread, also while the loop is blocked.
"""

import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter

from bascule.connections.hub import Hub
from bascule.connections.overdue import named
from bascule.interfaces.exchange import Exchange
from bascule.stacks import thread_stack

# Requests that a log line names; how many there are more is said.
MOST_NAMED = 20


@dataclass(frozen=True, slots=True)
class InFlight:
    """One request, or one open WebSocket.

    path: without the query, visible ASCII only. age: seconds since its head was here.
    interface: "WSGI", "ASGI", or "" where no application is mounted. state: where it is, for
    people: "queued for a thread", "in thread bascule-3", "waiting on the loop", "sending", ...
    """

    method: str
    path: str
    age: float
    interface: str
    state: str

    def __str__(self) -> str:
        called_by = f", {self.interface}" if self.interface else ""
        return f"{self.method} {self.path}: {self.age:.1f} s{called_by}, {self.state}"


def exchanges(hub: Hub) -> list[Exchange]:
    """Return the exchanges with a connection, and those whose call continues without one; the
    oldest first."""
    found: dict[int, Exchange] = {}
    for connection in tuple(hub.connections):
        for carrier in (connection, *tuple(getattr(connection, "carriers", {}).values())):
            exchange = getattr(carrier, "exchange", None)
            if exchange is not None:
                found[id(exchange)] = exchange
    for call in hub.interface.calls():
        found[id(call)] = call
    return sorted(found.values(), key=lambda one: one.arrived_at)


def in_flight(hub: Hub) -> list[InFlight]:
    """Return the requests in flight, the oldest first."""
    now = perf_counter()
    return [seen(exchange, now) for exchange in exchanges(hub)]


def seen(exchange: Exchange, now: float) -> InFlight:
    method, _, path = named(exchange).partition(" ")
    age = max(now - exchange.arrived_at, 0.0)
    return InFlight(method, path, age, exchange.called_by, exchange.whereabouts())


def listing(requests: Sequence[InFlight]) -> str:
    """Lines for the log; long lists are cut."""
    lines = [f"  {one}" for one in requests[:MOST_NAMED]]
    more = len(requests) - MOST_NAMED
    if more > 0:
        lines.append(f"  and {more} more")
    return "\n".join([f"{len(requests)} in flight{':' if lines else ''}", *lines])


def stacks(hub: Hub, loop_thread: int) -> str:
    """The stacks of all threads, with the request that each runs, and of the tasks of requests."""
    under_way = exchanges(hub)
    running = {exchange.thread(): exchange for exchange in under_way}
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    parts = []
    for ident in sorted(sys._current_frames(), key=lambda one: names.get(one, "")):
        what = ", the event loop" if ident == loop_thread else ""
        if ident in running:
            what += f", running {named(running[ident])}"
        parts.append(f"thread {names.get(ident, ident)}{what}\n{thread_stack(ident)}")
    for exchange in under_way:
        if exchange.called_by == "ASGI" and (stack := exchange.stack()):
            parts.append(f"task of {named(exchange)}, {exchange.whereabouts()}\n{stack}")
    return "\n".join(part.rstrip() for part in parts) + "\n"
