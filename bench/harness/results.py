"""The results of a run: plain data, saved as JSON, and the questions asked of it.

{"machine": {...}, "options": {...}, "versions": {...},
 "scenarios": {name: {server: {"rates": [...], "p50_ms": [...], "p99_ms": [...],
                               "core_speed": [...], "failures": [...]}}},
 "weighings": {name: {server: {"start_seconds": [...], "idle": {...}, "loaded": {...},
                               "failures": [...]}}}}

A WebSocket scenario's servers also have "client_busy", those of a transfer the "memory" of every
round, "before" it, the "most" during it and "after" it, and those of the weighing of connections
have the memory "without" and "with" them instead of the two moments.

The lists of one server hold one entry per round, None where that round failed, so that the same
index in two servers' lists means the same minute.
"""

from dataclasses import dataclass
from statistics import median

Rates = list[float | None]


@dataclass(frozen=True)
class Spread:
    """The median of something measured once per round, and the smallest and the largest of it."""

    middle: float
    least: float
    most: float

    @classmethod
    def of(cls, values: list[float | None]) -> "Spread | None":
        """None when nothing was measured."""
        known = [value for value in values if value is not None]
        return cls(median(known), min(known), max(known)) if known else None


def row(results: dict, scenario: str, server: str) -> dict:
    return results["scenarios"].get(scenario, {}).get(server, {})


def rate(results: dict, scenario: str, server: str) -> Spread | None:
    """How many per second, of what the scenario counts; None when the server failed in any round:
    such a median would mean nothing.
    """
    found = row(results, scenario, server)
    return Spread.of(found["rates"]) if found and not found["failures"] else None


def ratio(results: dict, scenario: str, ours: str, peer: str) -> Spread | None:
    """Ours over the peer's, round by round. None unless both were measured in every round."""
    if rate(results, scenario, ours) is None or rate(results, scenario, peer) is None:
        return None
    pairs = zip(
        row(results, scenario, ours)["rates"], row(results, scenario, peer)["rates"], strict=True
    )
    return Spread.of([mine / theirs for mine, theirs in pairs])


def fastest(results: dict, scenario: str, servers: tuple[str, ...]) -> str | None:
    """The one of these servers with the highest median; None when none of them was measured."""
    measured = [
        (found.middle, name) for name in servers if (found := rate(results, scenario, name))
    ]
    return max(measured)[1] if measured else None


def core_speed(results: dict) -> Spread | None:
    """How steady the machine was: the speed of the server core before every measurement, its
    median being 1.
    """
    speeds = [
        speed
        for rows in results["scenarios"].values()
        for row in rows.values()
        for speed in row["core_speed"]
    ]
    found = Spread.of(speeds)
    return found and Spread(1.0, found.least / found.middle, found.most / found.middle)


def client_busy(results: dict, scenario: str, servers: list[str]) -> float | None:
    """The most that our own client was busy with one of these servers; None where wrk was it."""
    shares = [
        share
        for server in servers
        for share in row(results, scenario, server).get("client_busy", [])
        if share is not None
    ]
    return max(shares, default=None)


def memory_per_connection(found: dict, connections: int, kind: str) -> float | None:
    """KiB that a server's row shows for each connection; None when it was not measured."""
    if found.get("failures") or "with" not in found:
        return None
    return (found["with"][kind] - found["without"][kind]) * 1024 / connections


def weighing(results: dict, name: str, server: str) -> dict:
    return results["weighings"].get(name, {}).get(server, {})
