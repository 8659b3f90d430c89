"""The speeds this project wants of itself, held against a run. A table to read, never a test."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from harness.results import Spread, fastest, memory_per_connection, ratio, weighing
from harness.scenarios import IDLE_CONNECTIONS

THREADED = ("bascule-wsgi", "bascule-wsgi-1")
GRANIAN_THREADED = ("granian-wsgi", "granian-wsgi-1")


@dataclass(frozen=True)
class Target:
    """`wanted` bounds what `measured` finds in the results: from below, or from above when
    `is_ceiling`.
    """

    name: str
    wanted: float
    measured: Callable[[dict], Spread | None]
    is_ceiling: bool = False

    def verdict(self, results: dict) -> str:
        got = self.measured(results)
        if got is None:
            return "not measured"
        met = got.middle <= self.wanted if self.is_ceiling else got.middle >= self.wanted
        return "met" if met else "not met"

    def bound(self) -> str:
        return f"{'at most' if self.is_ceiling else 'at least'} {self.wanted:g}"


def best_ratio(
    scenario: str, ours: tuple[str, ...], peers: tuple[str, ...], results: dict
) -> Spread | None:
    """Our fastest configuration over the peer's fastest one."""
    mine, theirs = fastest(results, scenario, ours), fastest(results, scenario, peers)
    return ratio(results, scenario, mine, theirs) if mine and theirs else None


def memory_ratio(app: str, moment: str, ours: str, peer: str, results: dict) -> Spread | None:
    """Proportional memory (shared pages split among their users) over the peer's."""
    mine, theirs = weighing(results, app, ours), weighing(results, app, peer)
    if moment not in mine or moment not in theirs:
        return None
    return Spread.of([mine[moment]["pss"] / theirs[moment]["pss"]])


def connection_memory_ratio(ours: str, peers: tuple[str, ...], results: dict) -> Spread | None:
    """Proportional memory of an idle WebSocket over that of the peer where it is smallest."""
    mine, *theirs = (
        memory_per_connection(weighing(results, "ws-idle", name), IDLE_CONNECTIONS, "pss")
        for name in (ours, *peers)
    )
    if mine is None or None in theirs:
        return None
    return Spread.of([mine / min(theirs)])


def rates(scenario: str, ours: str | tuple[str, ...], peer: str | tuple[str, ...]):
    """A `Target.measured` that compares rates."""
    mine = (ours,) if isinstance(ours, str) else ours
    theirs = (peer,) if isinstance(peer, str) else peer
    return partial(best_ratio, scenario, mine, theirs)


def memories(app: str, moment: str):
    return partial(memory_ratio, app, moment, "bascule", "uvicorn")


TARGETS = (
    Target("ASGI hello ÷ Granian", 2.0, rates("asgi-hello", "bascule", "granian")),
    Target("ASGI hello ÷ Uvicorn", 2.5, rates("asgi-hello", "bascule", "uvicorn")),
    Target("ASGI hello ÷ Peregrine", 1.0, rates("asgi-hello", "bascule", "peregrine")),
    Target("ASGI hello over TLS ÷ Granian", 1.4, rates("asgi-tls", "bascule", "granian")),
    Target(
        "WSGI hello, 8 threads ÷ Granian, 8 threads", 1.3,
        rates("wsgi-hello", "bascule-wsgi", "granian-wsgi"),
    ),
    Target(
        "WSGI hello, 8 threads ÷ Peregrine, 8 threads", 1.0,
        rates("wsgi-hello", "bascule-wsgi", "peregrine-wsgi"),
    ),
    Target(
        "WSGI hello, threads ÷ Gunicorn gthread", 10,
        rates("wsgi-hello", THREADED, "gunicorn-gthread"),
    ),
    Target(
        "WSGI hello, --threads 0 ÷ FastWSGI", 0.9,
        rates("wsgi-hello", "bascule-wsgi-0", "fastwsgi"),
    ),
    Target(
        "WSGI hello, --threads 0 ÷ Peregrine, 1 thread", 1.0,
        rates("wsgi-hello", "bascule-wsgi-0", "peregrine-wsgi-1"),
    ),
    Target(
        "ASGI hello, a connection for each request ÷ Granian", 1.1,
        rates("asgi-close", "bascule", "granian"),
    ),
    Target(
        "WSGI hello, a connection for each request, threads ÷ Granian WSGI", 1.1,
        rates("wsgi-close", THREADED, GRANIAN_THREADED),
    ),
    Target(
        "Django WSGI sync view, 8 threads ÷ Django's handler in a loop", 0.95,
        rates("django-sync-wsgi", "bascule-wsgi", "django-wsgi-loop"),
    ),
    Target(
        "Django WSGI sync view, --threads 0 ÷ Django's handler in a loop", 0.95,
        rates("django-sync-wsgi", "bascule-wsgi-0", "django-wsgi-loop"),
    ),
    Target(
        "Django with both sides, sync view ÷ Uvicorn", 9.0,
        rates("django-sync-hybrid", "bascule-hybrid", "uvicorn"),
    ),
    Target(
        "Django with both sides, sync view ÷ Granian WSGI", 1.05,
        rates("django-sync-hybrid", "bascule-hybrid", GRANIAN_THREADED),
    ),
    Target(
        "Django with both sides, async view ÷ Uvicorn", 3.5,
        rates("django-async-hybrid", "bascule-hybrid", "uvicorn"),
    ),
    Target(
        "Django with both sides, ORM view ÷ Uvicorn", 3.5,
        rates("django-orm-hybrid", "bascule-hybrid", "uvicorn"),
    ),
    Target(
        "Django with both sides, ORM view with CONN_MAX_AGE ÷ Uvicorn", 3.5,
        rates("django-orm-lasting-hybrid", "bascule-hybrid", "uvicorn"),
    ),
    Target(
        "Django sync view, both sides ÷ WSGI alone: what the choice costs", 0.97,
        rates("django-sync-hybrid", "bascule-hybrid", "bascule-wsgi"),
    ),
    Target("ASGI hello over HTTP/2 ÷ Granian", 2.0, rates("asgi-h2", "bascule", "granian-h2")),
    Target("ASGI hello over HTTP/2 ÷ Hypercorn", 25, rates("asgi-h2", "bascule", "hypercorn")),
    Target(
        "ASGI hello over HTTP/2 and TLS ÷ Granian", 1.2,
        rates("asgi-h2-tls", "bascule", "granian-h2"),
    ),
    Target(
        "WSGI hello over HTTP/2, threads ÷ Granian WSGI", 1.5,
        rates("wsgi-h2", THREADED, ("granian-wsgi-h2", "granian-wsgi-1-h2")),
    ),
    Target(
        "upload of 1 GB over HTTP/2 ÷ Granian", 1.0,
        rates("asgi-h2-upload", "bascule", "granian-h2"),
    ),
    Target(
        "download of 1 GB over HTTP/2 ÷ Granian", 1.0,
        rates("asgi-h2-download", "bascule", "granian-h2"),
    ),
    Target("access log on ÷ off", 0.9, rates("access-log", "bascule-log", "bascule")),
    Target("memory after start ÷ Uvicorn, hello", 1.0, memories("weigh-asgi", "idle"), True),
    Target("memory after load ÷ Uvicorn, hello", 1.0, memories("weigh-asgi", "loaded"), True),
    Target(
        "memory after load ÷ Uvicorn, Django", 1.0, memories("weigh-django-asgi", "loaded"), True
    ),
    Target(
        "WebSocket echo of 64 bytes ÷ Uvicorn", 2.5,
        rates("ws-echo-64", "bascule-ws", "uvicorn-ws"),
    ),
    Target(
        "WebSocket echo of 64 bytes ÷ Granian", 2.5,
        rates("ws-echo-64", "bascule-ws", "granian-ws"),
    ),
    Target(
        "WebSocket echo of 16 KB ÷ Uvicorn", 1.5,
        rates("ws-echo-16k", "bascule-ws", "uvicorn-ws"),
    ),
    Target(
        "memory of an idle WebSocket ÷ the better of Uvicorn and Granian", 0.667,
        partial(connection_memory_ratio, "bascule-ws", ("uvicorn-ws", "granian-ws")), True,
    ),
)  # fmt: skip
