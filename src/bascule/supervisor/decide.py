"""The actions of the supervisor, as a function of table, event and time.

Rules:

1. A worker that is READY is never told to leave while that would leave fewer READY than the
   target; the only exceptions are a stop and a worker that cannot serve any more.
2. A replacement is READY before the one it replaces drains. So there may be more than the target
   for a while, by `surge` in a reload, and by one when workers are recycled, one after the other.
3. Code that has never started replaces nothing: at the beginning the supervisor ends with the
   worker's exit code, in a reload the old workers keep serving.
4. Workers that keep ending unasked are started again after pauses that double.
5. A worker that hangs is asked for its stacks before it is killed.

Nothing here has effects, reads a clock or draws a number. The jitter of limits is a share of the
serial number (the golden ratio's multiples), which spreads them more evenly than chance would.
"""

import logging
from dataclasses import replace

from bascule.errors import EXIT_STARTUP, EXIT_USAGE
from bascule.supervisor.table import (
    DrainWorker,
    Exit,
    ForkServerEnded,
    KillWorker,
    Phase,
    Policy,
    ReloadRequested,
    ScaleRequested,
    ShowStacks,
    StartWorker,
    StopRequested,
    StopWorker,
    SupervisorAction,
    SupervisorEvent,
    SupervisorReplaced,
    SupervisorStarted,
    WorkerEnded,
    WorkerReady,
    WorkerRow,
    WorkersChecked,
    WorkerStatus,
    WorkerTable,
    WriteLog,
    workers,
)

GOLDEN = 0.6180339887498949
# Seconds. A supervisor that has not checked for so long was stopped itself, or its machine was:
# the workers were stopped as well, and their silence says nothing about them.
OWN_GAP = 5.0
# The jitter of a limit of age, as a part of it. That of a limit of requests is a setting.
AGE_JITTER = 0.1


def decide(
    table: WorkerTable, event: SupervisorEvent, now: float, policy: Policy
) -> tuple[WorkerTable, list[SupervisorAction]]:
    """Return the table after the event, and the actions to carry out, in this order.

    now: seconds of the monotonic clock that the table uses.
    """
    decision = Decision(table, now, policy)
    decision.take(event)
    decision.settle()
    return decision.result(), decision.actions


class Decision:
    """A decision in progress: a table that may still be changed, and the actions so far."""

    def __init__(self, table: WorkerTable, now: float, policy: Policy) -> None:
        self.table = table
        self.now = now
        self.policy = policy
        self.rows = {row.serial: row for row in table.rows}
        self.actions: list[SupervisorAction] = []

    def result(self) -> WorkerTable:
        return replace(self.table, rows=tuple(self.rows.values()))

    def change(self, row: WorkerRow, **fields: object) -> WorkerRow:
        self.rows[row.serial] = changed = replace(row, **fields)  # type: ignore[arg-type]
        return changed

    def set(self, **fields: object) -> None:
        self.table = replace(self.table, **fields)  # type: ignore[arg-type]

    def log(self, level: int, text: str) -> None:
        self.actions.append(WriteLog(level, text))

    def of_phase(self, *phases: Phase) -> list[WorkerRow]:
        return [row for row in self.rows.values() if row.phase in phases]

    # Events.

    def take(self, event: SupervisorEvent) -> None:
        match event:
            case SupervisorStarted():
                self.set(checked_at=self.now)
            case WorkerReady(serial, pid):
                self.became_ready(serial, pid)
            case WorkerEnded():
                self.ended(event)
            case ForkServerEnded(serials, how):
                self.fork_server_ended(serials, how)
            case WorkersChecked(statuses):
                self.workers_checked(statuses)
            case ReloadRequested():
                self.reload()
            case ScaleRequested(by):
                self.scale(by)
            case StopRequested(at_once):
                self.stop(at_once)
            case SupervisorReplaced():
                self.replaced()

    def became_ready(self, serial: int, pid: int) -> None:
        row = self.rows.get(serial)
        if row is None or row.phase is not Phase.STARTING:
            return
        row = self.change(row, phase=Phase.READY, since=self.now, stacks_shown=False, pid=pid)
        self.set(settled=True)
        took = self.now - row.forked_at
        self.log(logging.INFO, f"{row.name} is ready after {took:.1f} s")

    def ended(self, event: WorkerEnded) -> None:
        row = self.rows.pop(event.serial, None)
        if row is None:
            return
        if row.phase is Phase.LEAVING:
            self.log(logging.INFO, f"{row.name} has ended ({row.leaving})")
            return
        if self.table.stopping:
            return
        if row.phase is Phase.STARTING:
            self.failed_to_start(f"{row.name} {event.how} before it was ready", event.code)
        else:
            self.log(logging.ERROR, f"{row.name} {event.how}; it is replaced")
            self.count_failure(self.now - row.since)

    def fork_server_ended(self, serials: tuple[int, ...], how: str) -> None:
        """Its workers drain already. However many they are, it counts as one failure."""
        rows = [row for row in self.of_phase(Phase.STARTING, Phase.READY) if row.serial in serials]
        for row in rows:
            self.change(
                row,
                phase=Phase.LEAVING,
                since=self.now,
                leaving="its fork server had ended",
                kill_at=self.now + self.policy.drain_within,
            )
        if not rows or self.table.stopping:
            return
        ready = [row.since for row in rows if row.phase is Phase.READY]
        if ready:
            self.log(logging.ERROR, f"{how}; its {workers(len(rows))} must be replaced")
            self.count_failure(self.now - min(ready))
        else:
            self.failed_to_start(f"{how} before one of its workers was ready", None)

    def failed_to_start(self, what: str, code: int | None) -> None:
        if not self.table.settled:
            code = code if code in (EXIT_USAGE, EXIT_STARTUP) else EXIT_STARTUP
            self.log(logging.CRITICAL, f"{what}; stopping")
            self.set(stopping=True, exit_code=code, drain_at=self.now)
            return
        ready = self.of_phase(Phase.READY)
        older = [row for row in ready if row.generation < self.table.generation]
        newer = [row for row in ready if row.generation == self.table.generation]
        if older and not newer:
            self.log(
                logging.ERROR,
                f"reload given up: {what}; the old code keeps serving in {workers(len(older))}",
            )
            for row in self.of_phase(Phase.STARTING):
                self.leave(row, "its reload was given up")
            self.set(generation=max(row.generation for row in older))
            return
        self.log(logging.ERROR, what)
        self.count_failure(0.0)

    def count_failure(self, served: float) -> None:
        """Count a worker that ended unasked. The first is replaced at once; then pauses double.

        served: seconds for which it did.
        """
        failures = 1 if served >= self.policy.steady_after else self.table.failures + 1
        pause = 0.0
        if failures > 1:
            pause = min(self.policy.first_pause * 2.0 ** (failures - 2), self.policy.longest_pause)
            self.log(
                logging.ERROR,
                f"{failures} workers in a row have ended soon after their start; "
                f"the next start is in {pause:g} s",
            )
        self.set(failures=failures, not_before=self.now + pause)

    def workers_checked(self, statuses: tuple[WorkerStatus, ...]) -> None:
        gap = self.now - self.table.checked_at
        self.set(checked_at=self.now)
        for status in statuses:
            row = self.rows.get(status.serial)
            if row is None:
                continue
            if row.phase is Phase.READY:
                self.check_ready(row, status, gap)
            elif row.phase is Phase.STARTING:
                self.check_starting(row)
        for row in self.of_phase(Phase.LEAVING):
            if self.now >= row.kill_at:
                self.log(logging.WARNING, f"{row.name} is killed ({row.leaving})")
                self.actions.append(KillWorker(row.serial))
                # Killed once more if it has not ended by then.
                self.change(row, kill_at=self.now + self.policy.kill_grace)

    def check_ready(self, row: WorkerRow, status: WorkerStatus, gap: float) -> None:
        policy = self.policy
        if row.since + policy.steady_after <= self.now and self.table.failures:
            self.set(failures=0)
        silent = status.silent_for or 0.0
        if policy.hung_after and silent >= policy.hung_after and gap < OWN_GAP:
            self.replace_hung(row, f"its event loop has not turned for {silent:.0f} s")
        elif not row.retiring:
            why = reason_to_retire(row, status, self.now, policy)
            if why:
                self.change(row, retiring=why)
                self.log(logging.INFO, f"{row.name} is to be replaced: it {why}")

    def check_starting(self, row: WorkerRow) -> None:
        if not row.stacks_shown and self.now - row.since >= self.policy.slow_start:
            seconds = f"{self.policy.slow_start:g} s"
            self.log(logging.WARNING, f"{row.name} is still starting after {seconds}")
            self.actions.append(ShowStacks(row.serial))
            self.change(row, stacks_shown=True)

    def replace_hung(self, row: WorkerRow, why: str) -> None:
        """Replace a worker that does not serve any more, log its stacks, and kill it."""
        self.log(logging.CRITICAL, f"{row.name} hangs: {why}; it is replaced")
        self.actions.append(ShowStacks(row.serial))
        self.change(
            row,
            phase=Phase.LEAVING,
            since=self.now,
            leaving=f"hung: {why}",
            kill_at=self.now + self.policy.kill_grace,
        )
        self.count_failure(self.now - row.since)

    def reload(self) -> None:
        if self.table.stopping:
            return
        self.set(generation=self.table.generation + 1, failures=0, not_before=self.now)
        self.log(logging.INFO, "reloading: each worker is replaced when its successor is ready")

    def scale(self, by: int) -> None:
        target = min(max(1, self.table.target + by), self.policy.most_workers)
        if not self.table.stopping and target != self.table.target:
            self.set(target=target)
            self.log(logging.INFO, f"{workers(target)} from now on")

    def stop(self, at_once: bool) -> None:
        if not self.table.stopping:
            self.set(stopping=True, drain_at=self.now + self.policy.shutdown_delay)
            self.log(logging.INFO, "stopping: finishing what is in flight")
            if not at_once:
                return
        if not self.table.stopping_at_once:
            self.set(stopping_at_once=True, drain_at=self.now, exit_code=1)
            self.log(logging.WARNING, "stopping at once")
            for row in self.of_phase(Phase.LEAVING):
                self.actions.append(StopWorker(row.serial))
                self.change(row, kill_at=min(row.kill_at, self.now + self.policy.kill_grace))

    def replaced(self) -> None:
        """Drain without --shutdown-delay: another supervisor serves the clients already."""
        if not self.table.stopping:
            self.set(stopping=True)
            self.log(logging.INFO, "replaced: finishing what is in flight")
        self.set(drain_at=self.now)

    # Consequences of the table, after any event.

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

    def is_stale(self, row: WorkerRow) -> bool:
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

    def surge(self, alive: list[WorkerRow]) -> int:
        """Return how many more than the target there may be."""
        if any(row.generation != self.table.generation for row in alive):
            return max(1, int(self.table.target * self.policy.surge))
        if any(row.retiring for row in alive):
            # One at a time: the last worker that was recycled must have ended.
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
        self.rows[serial] = WorkerRow(
            serial,
            self.table.generation,
            Phase.STARTING,
            self.now,
            self.now,
            max_requests=requests,
            max_age=policy.max_age * (1.0 + AGE_JITTER * share),
        )
        self.actions.append(StartWorker(serial, self.table.generation))

    def drain_surplus(self) -> None:
        """Drain the workers that are too many: first those that are not wanted any more, then
        those that have served longest."""
        for row in self.of_phase(Phase.STARTING):
            # It does not serve yet, and never will.
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

    def why_leaving(self, row: WorkerRow) -> str:
        if row.generation != self.table.generation:
            return "replaced by new code"
        return f"it {row.retiring}" if row.retiring else "not needed any more"

    def leave(self, row: WorkerRow, why: str) -> None:
        self.change(
            row,
            phase=Phase.LEAVING,
            since=self.now,
            leaving=why,
            kill_at=self.now + self.policy.drain_within,
        )
        self.actions.append(DrainWorker(row.serial))
        if self.table.stopping_at_once:
            self.actions.append(StopWorker(row.serial))
            self.change(self.rows[row.serial], kill_at=self.now + self.policy.kill_grace)


def reason_to_retire(row: WorkerRow, status: WorkerStatus, now: float, policy: Policy) -> str:
    """Return why a worker that works is to be replaced; "" for no reason."""
    if row.max_requests and status.requests >= row.max_requests:
        return f"has served {status.requests} requests"
    if row.max_age and now - row.since >= row.max_age:
        return f"has served for {now - row.since:.0f} s"
    if status.stuck:
        return f"has {status.stuck} call{'' if status.stuck == 1 else 's'} that cannot be ended"
    if policy.max_rss and status.rss >= policy.max_rss:
        return f"takes {status.rss / 2**20:.0f} MiB of memory"
    return ""
