"""What an operator can ask of a running supervisor: `bascule ctl`.

A question is a line of JSON, {"command": "scale", "argument": "+1"}; the answer is one, too:
{"text": ...} for people, with more that belongs to the command; {"error": ...} where it failed.

    status          the workers
    reload          new workers in place of all, one after the other; answered when that is done
    scale +1        so many more, fewer, or a number
    stacks [N]      what a worker does, or all of them do
    drain           finish what is in flight, and end: as SIGTERM
    stop            end at once: as SIGQUIT
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

# Seconds that workers have to say what they do.
STACKS_WITHIN = 3.0


@dataclass(frozen=True, slots=True)
class Counts:
    """What is known of a worker's process: its pid, what it has written down of itself, and the
    octets of memory that it takes. accepting: it takes new connections."""

    pid: int
    requests: int
    connections: int
    running: int
    rss: int
    accepting: bool = False


class Wait:
    """An answer that comes later. what: for `Control.answer_waiting`."""

    def __init__(self, client: Client, until: float) -> None:
        self.client = client
        self.until = until


class ReloadWait(Wait):
    """Until only workers of this generation take new connections, or it was given up."""

    def __init__(self, client: Client, generation: int) -> None:
        super().__init__(client, float("inf"))
        self.generation = generation


class StacksWait(Wait):
    """Until these workers have said what they do."""

    def __init__(self, client: Client, serials: set[int], until: float) -> None:
        super().__init__(client, until)
        self.missing = serials
        self.texts: dict[int, str] = {}


class Control:
    """Answers questions.

    happen: makes an event happen, and returns the table after it. counts: of a worker.
    ask_stacks: has a worker say what it does; `on_stacks` brings it.
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
        """A whole question."""
        try:
            said = json.loads(question)
            command = self.commands[said["command"]]
            argument = str(said.get("argument", ""))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            failed(client, f"no such command; there are {', '.join(self.commands)}")
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
            workers=[self.described(row, now) for row in table.rows],
        )

    def described(self, row: WorkerRow, now: float) -> dict[str, Any]:
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
            failed(client, f"{argument!r} is no number of workers; give +1, -1 or 4")
            return
        by = number if argument.startswith(("+", "-")) else number - self.table().target
        # Never fewer than one, nor more than the settings allow.
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
        """A worker has said what it does."""
        for wait in self.waits:
            if isinstance(wait, StacksWait) and serial in wait.missing:
                wait.missing.discard(serial)
                wait.texts[serial] = text
        self.answer_waiting()

    def answer_waiting(self) -> None:
        """Answer those whose answer is there."""
        self.waits = [wait for wait in self.waits if not self.is_answered(wait)]

    def is_answered(self, wait: Wait) -> bool:
        if isinstance(wait, ReloadWait):
            return self.reload_is_answered(wait)
        assert isinstance(wait, StacksWait)
        if wait.missing and self.clock() < wait.until:
            return False
        silent = dict.fromkeys(wait.missing, "it does not answer; even its interpreter is stuck\n")
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
            failed(wait.client, "it was stopped meanwhile")
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
    """A line is there."""
    return question.endswith(b"\n")


def answered(client: Client, **fields: Any) -> None:
    client.answer(json.dumps(fields).encode() + b"\n")


def failed(client: Client, error: str) -> None:
    answered(client, error=error)
