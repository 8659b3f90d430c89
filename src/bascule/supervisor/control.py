"""Commands of operators to a running supervisor: `bascule ctl`.

A command is a line of JSON, {"command": "scale", "argument": "+1"}, and so is the answer:
{"text": ...} for people, with further fields for each command; {"error": ...} where it failed.

    status          lists the workers
    reload          replaces all workers, one after the other; answered when that is done
    scale +1        starts more workers, ends some (-1), or sets their number (4)
    stacks [N]      shows what a worker does, or what all of them do
    drain           finishes what is in flight, and ends the server: as SIGTERM
    stop            ends the server at once: as SIGQUIT
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bascule.supervisor.small_server import Client
from bascule.supervisor.table import (
    Phase,
    ReloadRequested,
    ScaleRequested,
    StopRequested,
    SupervisorEvent,
    WorkerRow,
    WorkerTable,
    workers,
)

# Seconds that workers have to send their stacks.
STACKS_WITHIN = 3.0


@dataclass(frozen=True, slots=True)
class Counts:
    """The known facts of the process of a worker.

    requests, connections, running: as of `Slot`.
    rss: its memory in bytes.
    accepting: it accepts new connections.
    """

    pid: int
    requests: int
    connections: int
    running: int
    rss: int
    accepting: bool = False


class Wait:
    """An answer that comes later, from `Control.answer_waiting`."""

    def __init__(self, client: Client, until: float) -> None:
        self.client = client
        self.until = until


class ReloadWait(Wait):
    """Waits until only workers of this generation accept new connections, or it was given up."""

    def __init__(self, client: Client, generation: int) -> None:
        super().__init__(client, float("inf"))
        self.generation = generation


class StacksWait(Wait):
    """Waits for the stacks of these workers."""

    def __init__(self, client: Client, serials: set[int], until: float) -> None:
        super().__init__(client, until)
        self.missing = serials
        self.texts: dict[int, str] = {}


class Control:
    """Answers the commands of operators.

    happen: makes an event happen, and returns the table after it.
    table: returns the state of the workers.
    counts: returns those of a worker.
    ask_stacks: asks a worker for its stacks; `on_stacks` is called with them.
    waits: the answers that come later.
    """

    def __init__(
        self,
        happen: Callable[[SupervisorEvent], WorkerTable],
        table: Callable[[], WorkerTable],
        counts: Callable[[int], Counts | None],
        ask_stacks: Callable[[int], None],
        clock: Callable[[], float],
    ) -> None:
        self.happen = happen
        self.table = table
        self.counts = counts
        self.ask_stacks = ask_stacks
        self.clock = clock
        self.waits: list[Wait] = []
        self.commands: Mapping[str, Callable[[str, Client], None]] = {
            "status": self.status,
            "reload": self.reload,
            "scale": self.scale,
            "stacks": self.stacks,
            "drain": self.drain,
            "stop": self.stop,
        }

    def take(self, question: bytes, client: Client) -> None:
        """Carry out a command. question: the whole line."""
        try:
            asked = json.loads(question)
            command = self.commands[asked["command"]]
            argument = str(asked.get("argument", ""))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            failed(client, f"no such command; the commands are {', '.join(self.commands)}")
            return
        command(argument, client)

    def status(self, argument: str, client: Client) -> None:
        table = self.table()
        now = self.clock()
        answered(
            client,
            text=f"{table.ready} of {workers(table.target)} ready"
            + ("; stopping" if table.stopping else ""),
            target=table.target,
            ready=table.ready,
            stopping=table.stopping,
            generation=table.generation,
            workers=[self.description(row, now) for row in table.rows],
        )

    def description(self, row: WorkerRow, now: float) -> dict[str, Any]:
        counts = self.counts(row.serial) or Counts(0, 0, 0, 0, 0)
        return {
            "worker": row.serial,
            "pid": counts.pid,
            "state": row.phase.value,
            "why": row.leaving or row.retiring,
            "generation": row.generation,
            "age": round(now - row.forked_at, 1),
            "requests": counts.requests,
            "connections": counts.connections,
            "running": counts.running,
            "rss": counts.rss,
        }

    def reload(self, argument: str, client: Client) -> None:
        if self.table().stopping:
            failed(client, "it is stopping")
            return
        generation = self.happen(ReloadRequested()).generation
        client.wait()
        self.waits.append(ReloadWait(client, generation))

    def scale(self, argument: str, client: Client) -> None:
        try:
            number = int(argument)
        except ValueError:
            failed(client, f"{argument!r} is not a number of workers; give +1, -1 or 4")
            return
        by = number if argument.startswith(("+", "-")) else number - self.table().target
        # The target stays between one and what the settings allow.
        target = self.happen(ScaleRequested(by)).target
        answered(client, text=f"{workers(target)} from now on", target=target)

    def stacks(self, argument: str, client: Client) -> None:
        rows = {row.serial for row in self.table().rows}
        if argument:
            rows = {serial for serial in rows if str(serial) == argument}
        if not rows:
            failed(client, f"there is no worker {argument}" if argument else "there is no worker")
            return
        client.wait()
        self.waits.append(StacksWait(client, set(rows), self.clock() + STACKS_WITHIN))
        for serial in rows:
            self.ask_stacks(serial)

    def drain(self, argument: str, client: Client) -> None:
        if not self.table().stopping:
            self.happen(StopRequested())
        answered(client, text="finishing what is in flight, then ending")

    def stop(self, argument: str, client: Client) -> None:
        self.happen(StopRequested(at_once=True))
        answered(client, text="ending at once")

    # Answers that come later.

    def on_stacks(self, serial: int, text: str) -> None:
        """A worker has sent its stacks."""
        for wait in self.waits:
            if isinstance(wait, StacksWait) and serial in wait.missing:
                wait.missing.discard(serial)
                wait.texts[serial] = text
        self.answer_waiting()

    def answer_waiting(self) -> None:
        """Send the answers that have come."""
        self.waits = [wait for wait in self.waits if not self.is_answered(wait)]

    def is_answered(self, wait: Wait) -> bool:
        if isinstance(wait, ReloadWait):
            return self.reload_is_answered(wait)
        assert isinstance(wait, StacksWait)
        if wait.missing and self.clock() < wait.until:
            return False
        silent = dict.fromkeys(wait.missing, "it does not answer: even its interpreter is stuck\n")
        texts = dict(sorted({**wait.texts, **silent}.items()))
        shown = "\n".join(f"worker {serial}:\n{text}" for serial, text in texts.items())
        answered(wait.client, text=shown, stacks=texts)
        return True

    def reload_is_answered(self, wait: ReloadWait) -> bool:
        table = self.table()
        if table.generation < wait.generation:
            failed(
                wait.client,
                "the new code failed to start; the old workers keep serving. See the log",
            )
            return True
        if table.stopping:
            failed(wait.client, "the server was stopped before the reload had finished")
            return True
        done = sum(
            row.phase is Phase.READY and row.generation >= wait.generation for row in table.rows
        )
        if done < table.target or any(
            row.generation < wait.generation and self.is_accepting(row) for row in table.rows
        ):
            return False
        answered(wait.client, text=f"{workers(done)} with the new code", ready=done)
        return True

    def is_accepting(self, row: WorkerRow) -> bool:
        counts = self.counts(row.serial)
        return counts is not None and counts.accepting


def is_whole_line(question: bytes) -> bool:
    """Whether the whole line has arrived."""
    return question.endswith(b"\n")


def answered(client: Client, **fields: Any) -> None:
    client.answer(json.dumps(fields).encode() + b"\n")


def failed(client: Client, error: str) -> None:
    answered(client, error=error)
