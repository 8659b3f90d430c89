"""What to do when something happens to the workers, as a function of table, event and time.

Rules:

1. Who is READY is never told to leave while that would leave fewer READY than the target; the
   only exceptions are a stop and a worker that cannot serve any more.
2. A replacement is READY before the one it replaces drains. So there may be more than the target
   for a while, by `surge` in a reload, and by one when workers are recycled, one after the other.
3. Code that has never booted replaces nothing: at the beginning the supervisor ends with the
   worker's exit code, in a reload the old workers stay.
4. Workers that keep ending unasked are started again after pauses that double.
5. A worker that is hung is asked for its stacks before it is killed.

Nothing here has effects, reads a clock or draws a number. The jitter of limits is a share of the
serial number (the golden ratio's multiples), which spreads them more evenly than chance would.
"""

import logging
from dataclasses import replace

from bascule.errors import EXIT_STARTUP, EXIT_USAGE
from bascule.supervisor.table import (
    Action,
    BecameReady,
    Began,
    Drain,
    Ended,
    Event,
    Exit,
    Hurry,
    Kill,
    Looked,
    NurseryEnded,
    Phase,
    Policy,
    ReloadWanted,
    Replaced,
    Row,
    Say,
    ScaleWanted,
    Seen,
    ShowStacks,
    Start,
    StopWanted,
    Table,
    workers,
)

GOLDEN = 0.6180339887498949
# A supervisor that has not looked for so long has been stopped itself, or its machine has: what
# it sees then says nothing of the workers, which were stopped as well.
OWN_GAP = 5.0
# Limits of age get this share of them as jitter; those of requests have a setting for it.
AGE_JITTER = 0.1


def decide(table: Table, event: Event, now: float, policy: Policy) -> tuple[Table, list[Action]]:
    """The table after the event, and what is to be done, in this order.

    now: seconds of the monotonic clock that the table's times are of.
    """
    deciding = Deciding(table, now, policy)
    deciding.take(event)
    deciding.settle()
    return deciding.result(), deciding.actions


class Deciding:
    """One decision on its way: a table that may still be changed, and the actions so far."""

    def __init__(self, table: Table, now: float, policy: Policy) -> None:
        self.table = table
        self.now = now
        self.policy = policy
        self.rows = {row.serial: row for row in table.rows}
        self.actions: list[Action] = []

    def result(self) -> Table:
        return replace(self.table, rows=tuple(self.rows.values()))

    def change(self, row: Row, **fields: object) -> Row:
        self.rows[row.serial] = changed = replace(row, **fields)  # type: ignore[arg-type]
        return changed

    def set(self, **fields: object) -> None:
        self.table = replace(self.table, **fields)  # type: ignore[arg-type]

    def say(self, level: int, text: str) -> None:
        self.actions.append(Say(level, text))

    def of_phase(self, *phases: Phase) -> list[Row]:
        return [row for row in self.rows.values() if row.phase in phases]

    # Events.

    def take(self, event: Event) -> None:
        match event:
            case Began():
                self.set(looked_at=self.now)
            case BecameReady(serial, pid):
                self.became_ready(serial, pid)
            case Ended():
                self.ended(event)
            case NurseryEnded(serials, how):
                self.nursery_ended(serials, how)
            case Looked(seen):
                self.looked(seen)
            case ReloadWanted():
                self.reload()
            case ScaleWanted(by):
                self.scale(by)
            case StopWanted(hurry):
                self.stop(hurry)
            case Replaced():
                self.replaced()

    def became_ready(self, serial: int, pid: int) -> None:
        row = self.rows.get(serial)
        if row is None or row.phase is not Phase.STARTING:
            return
        row = self.change(row, phase=Phase.READY, since=self.now, shown=False, pid=pid)
        self.set(settled=True)
        took = self.now - row.forked_at
        self.say(logging.INFO, f"{row.name} is ready after {took:.1f} s")

    def ended(self, event: Ended) -> None:
        row = self.rows.pop(event.serial, None)
        if row is None:
            return
        if row.phase is Phase.LEAVING:
            self.say(logging.INFO, f"{row.name} has ended ({row.leaving})")
            return
        if self.table.stopping:
            return
        if row.phase is Phase.STARTING:
            self.failed_to_boot(f"{row.name} {event.how} before it was ready", event.code)
        else:
            self.say(logging.ERROR, f"{row.name} {event.how}; it is replaced")
            self.count_failure(self.now - row.since)

    def nursery_ended(self, serials: tuple[int, ...], how: str) -> None:
        """Its workers drain already. It is one failure, however many they are."""
        rows = [row for row in self.of_phase(Phase.STARTING, Phase.READY) if row.serial in serials]
        for row in rows:
            self.change(
                row,
                phase=Phase.LEAVING,
                since=self.now,
                leaving="its nursery had ended",
                kill_at=self.now + self.policy.drain_within,
            )
        if not rows or self.table.stopping:
            return
        ready = [row.since for row in rows if row.phase is Phase.READY]
        if ready:
            self.say(logging.ERROR, f"{how}; {workers(len(rows))} of it must be replaced")
            self.count_failure(self.now - min(ready))
        else:
            self.failed_to_boot(f"{how} before a worker of it was ready", None)

    def failed_to_boot(self, what: str, code: int | None) -> None:
        if not self.table.settled:
            code = code if code in (EXIT_USAGE, EXIT_STARTUP) else EXIT_STARTUP
            self.say(logging.CRITICAL, f"{what}; stopping")
            self.set(stopping=True, exit_code=code, drain_at=self.now)
            return
        ready = self.of_phase(Phase.READY)
        older = [row for row in ready if row.generation < self.table.generation]
        newer = [row for row in ready if row.generation == self.table.generation]
        if older and not newer:
            self.say(
                logging.ERROR,
                f"reload given up: {what}; the old code goes on in {workers(len(older))}",
            )
            for row in self.of_phase(Phase.STARTING):
                self.leave(row, "its reload was given up")
            self.set(generation=max(row.generation for row in older))
            return
        self.say(logging.ERROR, what)
        self.count_failure(0.0)

    def count_failure(self, served: float) -> None:
        """One more that ended unasked. The first is replaced at once; then pauses double."""
        failures = 1 if served >= self.policy.steady else self.table.failures + 1
        pause = 0.0
        if failures > 1:
            pause = min(self.policy.first_pause * 2.0 ** (failures - 2), self.policy.longest_pause)
            self.say(
                logging.ERROR,
                f"{failures} workers in a row have ended soon after their start; "
                f"the next start is in {pause:g} s",
            )
        self.set(failures=failures, not_before=self.now + pause)

    def looked(self, seen: tuple[Seen, ...]) -> None:
        gap = self.now - self.table.looked_at
        self.set(looked_at=self.now)
        for one in seen:
            row = self.rows.get(one.serial)
            if row is None:
                continue
            if row.phase is Phase.READY:
                self.look_at_ready(row, one, gap)
            elif row.phase is Phase.STARTING:
                self.look_at_starting(row)
        for row in self.of_phase(Phase.LEAVING):
            if self.now >= row.kill_at:
                self.say(logging.WARNING, f"{row.name} is killed ({row.leaving})")
                self.actions.append(Kill(row.serial))
                # Once more, if that should not have been enough.
                self.change(row, kill_at=self.now + self.policy.dying)

    def look_at_ready(self, row: Row, seen: Seen, gap: float) -> None:
        policy = self.policy
        if row.since + policy.steady <= self.now and self.table.failures:
            self.set(failures=0)
        silent = seen.silent_for or 0.0
        if policy.hung_after and silent >= policy.hung_after and gap < OWN_GAP:
            self.give_up(row, f"its event loop has not turned for {silent:.0f} s")
        elif not row.retiring:
            why = reason_to_retire(row, seen, self.now, policy)
            if why:
                self.change(row, retiring=why)
                self.say(logging.INFO, f"{row.name} is to be replaced: it {why}")

    def look_at_starting(self, row: Row) -> None:
        if not row.shown and self.now - row.since >= self.policy.slow_start:
            seconds = f"{self.policy.slow_start:g} s"
            self.say(logging.WARNING, f"{row.name} is still starting after {seconds}")
            self.actions.append(ShowStacks(row.serial))
            self.change(row, shown=True)

    def give_up(self, row: Row, why: str) -> None:
        """It does not serve any more: it is shown, replaced at once, and killed."""
        self.say(logging.CRITICAL, f"{row.name} hangs: {why}; it is replaced")
        self.actions.append(ShowStacks(row.serial))
        self.change(
            row,
            phase=Phase.LEAVING,
            since=self.now,
            leaving=f"hung: {why}",
            kill_at=self.now + self.policy.dying,
        )
        self.count_failure(self.now - row.since)

    def reload(self) -> None:
        if self.table.stopping:
            return
        self.set(generation=self.table.generation + 1, failures=0, not_before=self.now)
        self.say(logging.INFO, "reloading: each worker is replaced when its successor is ready")

    def scale(self, by: int) -> None:
        target = min(max(1, self.table.target + by), self.policy.most_workers)
        if not self.table.stopping and target != self.table.target:
            self.set(target=target)
            self.say(logging.INFO, f"{workers(target)} from now on")

    def stop(self, hurry: bool) -> None:
        if not self.table.stopping:
            self.set(stopping=True, drain_at=self.now + self.policy.shutdown_delay)
            self.say(logging.INFO, "stopping: finishing what is in flight")
            if not hurry:
                return
        if not self.table.hurried:
            self.set(hurried=True, drain_at=self.now, exit_code=1)
            self.say(logging.WARNING, "stopping at once")
            for row in self.of_phase(Phase.LEAVING):
                self.actions.append(Hurry(row.serial))
                self.change(row, kill_at=min(row.kill_at, self.now + self.policy.dying))

    def replaced(self) -> None:
        """Clients have somewhere to go already, so load balancers need no time to notice."""
        if not self.table.stopping:
            self.set(stopping=True)
            self.say(logging.INFO, "replaced: finishing what is in flight")
        self.set(drain_at=self.now)

    # What follows from the table as it is now.

    def settle(self) -> None:
        if self.table.stopping:
            self.finish()
            return
        self.drain_surplus()
        self.start_missing()

    def finish(self) -> None:
        if self.now >= self.table.drain_at:
            for row in self.of_phase(Phase.STARTING, Phase.READY):
                self.leave(row, "stopped")
        if not self.rows:
            self.actions.append(Exit(self.table.exit_code))

    def is_stale(self, row: Row) -> bool:
        return bool(row.retiring) or row.generation != self.table.generation

    def start_missing(self) -> None:
        if self.now < self.table.not_before:
            return
        alive = self.of_phase(Phase.STARTING, Phase.READY)
        fresh = [row for row in alive if not self.is_stale(row)]
        missing = self.table.target - len(fresh)
        room = self.table.target + self.surge(alive) - len(alive)
        for _ in range(min(missing, room)):
            self.start()

    def surge(self, alive: list[Row]) -> int:
        """How many more than the target there may be."""
        if any(row.generation != self.table.generation for row in alive):
            return max(1, int(self.table.target * self.policy.surge))
        if any(row.retiring for row in alive):
            # One at a time: the last one that was recycled must have gone.
            is_under_way = any(row.retiring for row in self.of_phase(Phase.LEAVING))
            return 0 if is_under_way else 1
        return 0

    def start(self) -> None:
        serial = self.table.last_serial + 1
        policy = self.policy
        share = serial * GOLDEN % 1.0
        requests = policy.max_requests and policy.max_requests + round(
            share * policy.requests_jitter
        )
        self.set(last_serial=serial)
        self.rows[serial] = Row(
            serial,
            self.table.generation,
            Phase.STARTING,
            self.now,
            self.now,
            max_requests=requests,
            max_age=policy.max_age * (1.0 + AGE_JITTER * share),
        )
        self.actions.append(Start(serial, self.table.generation))

    def drain_surplus(self) -> None:
        """Tell those to leave that are one too many: first who is not wanted any more, then who
        has been there longest."""
        for row in self.of_phase(Phase.STARTING):
            # It serves nobody yet, and never will.
            if row.generation < self.table.generation:
                self.leave(row, "replaced")
        alive = self.of_phase(Phase.STARTING, Phase.READY)
        fresh = [row for row in alive if not self.is_stale(row)]
        excess = max(0, len(fresh) - self.table.target)
        for row in [row for row in reversed(fresh) if row.phase is Phase.STARTING][:excess]:
            self.leave(row, "not needed any more")
        ready = self.of_phase(Phase.READY)
        ready.sort(key=lambda row: (not self.is_stale(row), row.serial))
        for row in ready[: max(0, len(ready) - self.table.target)]:
            self.leave(row, self.why_leaving(row))

    def why_leaving(self, row: Row) -> str:
        if row.generation != self.table.generation:
            return "replaced by new code"
        return f"it {row.retiring}" if row.retiring else "not needed any more"

    def leave(self, row: Row, why: str) -> None:
        self.change(
            row,
            phase=Phase.LEAVING,
            since=self.now,
            leaving=why,
            kill_at=self.now + self.policy.drain_within,
        )
        self.actions.append(Drain(row.serial))
        if self.table.hurried:
            self.actions.append(Hurry(row.serial))
            self.change(self.rows[row.serial], kill_at=self.now + self.policy.dying)


def reason_to_retire(row: Row, seen: Seen, now: float, policy: Policy) -> str:
    """Why a worker that works is to be replaced; "" for no reason."""
    if row.max_requests and seen.requests >= row.max_requests:
        return f"has served {seen.requests} requests"
    if row.max_age and now - row.since >= row.max_age:
        return f"has served for {now - row.since:.0f} s"
    if seen.stuck:
        return f"has {seen.stuck} call{'' if seen.stuck == 1 else 's'} that cannot be ended"
    if policy.max_rss and seen.rss >= policy.max_rss:
        return f"takes {seen.rss / 2**20:.0f} MiB of memory"
    return ""
