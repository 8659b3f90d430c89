"""The client of the WebSocket scenarios, a process of its own on the client's core: wrk does not
speak WebSocket.

python websocket_load.py SCENARIO PORT SECONDS   prints {"done": n, "seconds": s, "p50": ms, ...}

Every message that comes is compared with the one that must come. Anything else, a close or a lost
connection ends the run with status 1 and the reason on stderr. An answer cut into several frames
counts as wrong too: no server here sends one. Compression is not offered.

An idle scenario opens its connections, proves each by an echo, prints HOLDING and waits for a line
on stdin; then each has to echo once more.
"""

import asyncio
import json
import sys
import time
from collections.abc import Callable

import uvloop
from picows import WSError, ws_connect

from apps.payloads import JOINED
from clients.websocket_connections import (
    PATIENCE,
    Connection,
    Echo,
    Load,
    Member,
    Room,
    WentWrong,
    marked,
)
from harness.options import WEIGHED
from harness.scenarios import SCENARIOS, Scenario

AT_ONCE = 100  # handshakes under way at a time; the servers' backlogs hold more
SOURCES = 8  # addresses to connect from: one has 28,000 ports, many of them in TIME_WAIT
BUFFER = 32 * 1024  # a whole message of the largest scenario
IDLE_BUFFER = 1024  # there are ten thousand of them


async def connect(
    make: Callable[[int], Connection], scenario: Scenario, port: int
) -> list[Connection]:
    """Open all connections of the scenario; `make` gets the number of each."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def open_one(number: int) -> Connection:
        async with gate:
            _, connection = await ws_connect(
                lambda: make(number),
                f"ws://127.0.0.1:{port}{scenario.path}",
                websocket_handshake_timeout=PATIENCE,
                read_buffer_init_size=IDLE_BUFFER if scenario.websocket == "idle" else BUFFER,
                local_addr=(f"127.0.0.{2 + number % SOURCES}", 0),
            )
            return connection

    return await asyncio.gather(*map(open_one, range(scenario.connections)))


async def close(load: Load, connections: list[Connection]) -> None:
    """The closing handshake, on all of them."""
    load.is_closing = True
    load.expect(len(connections))
    for connection in connections:
        connection.transport.send_close()
    await load.settled()


async def converse(load: Load, connections: list[Echo]) -> None:
    """Send from all connections until the load is over and no answer is missing."""
    load.expect(len(connections))
    for connection in connections:
        connection.say()
    await load.settled()


async def echo(scenario: Scenario, port: int, seconds: float) -> dict[str, float]:
    load = Load()
    connections = await connect(lambda number: Echo(load, number, scenario), scenario, port)
    load.begin(seconds)
    await converse(load, connections)
    await close(load, connections)
    return load.report(1)


async def broadcast(scenario: Scenario, port: int, seconds: float) -> dict[str, float]:
    """The first connection speaks, and when all have got it, speaks again. A latency is the time
    until the last one has it.
    """
    load, room = Load(), Room(JOINED.encode())
    load.expect(scenario.connections)
    members = await connect(lambda number: Member(load, room), scenario, port)
    await load.settled()
    load.begin(seconds)
    number = 0
    while not load.is_over:
        number += 1
        kind, room.message = marked(scenario, str(number))
        load.expect(len(members))
        sent = time.perf_counter()
        members[0].transport.send(kind, room.message)
        load.latencies.append(await load.settled() - sent)
    load.end()  # again, because the last broadcast took longer than the time given
    await close(load, members)
    return load.report(len(members))


async def idle(scenario: Scenario, port: int, seconds: float) -> dict[str, float]:
    load = Load()
    connections = await connect(lambda number: Echo(load, number, scenario), scenario, port)
    await converse(load, connections)
    print("HOLDING", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    await converse(load, connections)
    await close(load, connections)
    return {"done": len(connections)}


RUNS = {"echo": echo, "broadcast": broadcast, "idle": idle}


async def main(name: str, port: int, seconds: float) -> int:
    scenario = (SCENARIOS | WEIGHED)[name]
    try:
        print(json.dumps(await RUNS[scenario.websocket](scenario, port, seconds)))
    except TimeoutError:
        print(f"something did not come within {PATIENCE:g} s", file=sys.stderr)
    except (WentWrong, WSError, OSError) as error:
        print(str(error) or repr(error), file=sys.stderr)
    else:
        return 0
    return 1


if __name__ == "__main__":
    sys.exit(uvloop.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))))
