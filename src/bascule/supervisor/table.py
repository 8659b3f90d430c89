"""The table of the workers, the events that can happen, and the actions of the supervisor.

Plain values: `decide` takes a table and an event, and returns the next table and actions.
"""

from dataclasses import dataclass
from enum import Enum

from bascule.settings.options import MOST_WORKERS


class Phase(Enum):
    """The phase of a worker.

    STARTING    the application is being imported, by the worker or by its fork server
    READY       it serves
    LEAVING     it was asked to drain, or is about to be killed, and does not count any more
    """

    STARTING = "starting"
    READY = "ready"
    LEAVING = "leaving"


@dataclass(frozen=True, slots=True)
class WorkerRow:
    """One worker. Times are seconds of the supervisor's monotonic clock.

    serial: its number, never given twice.
    generation: of the code it was started for.
    since: when its phase began.
    forked_at: when it was started.
    retiring: why it is to be replaced although it works; "" for no reason.
    leaving: why it leaves.
    pid: of its process, once it is known.
    kill_at: while LEAVING, when it is killed if it has not ended.
    stacks_shown: its stacks have been asked for in this phase.
    max_requests: its limit of requests, jitter included; 0 for none.
    max_age: its limit of age in seconds, jitter included; 0 for none.
    """

    serial: int
    generation: int
    phase: Phase
    since: float
    forked_at: float
    retiring: str = ""
    leaving: str = ""
    pid: int = 0
    kill_at: float = 0.0
    stacks_shown: bool = False
    max_requests: int = 0
    max_age: float = 0.0

    @property
    def name(self) -> str:
        """Its name in the log."""
        return f"worker {self.serial}" + (f" (pid {self.pid})" if self.pid else "")


@dataclass(frozen=True, slots=True)
class WorkerTable:
    """All workers, and the target for them.

    target: how many are to serve.
    rows: the workers that have not ended.
    generation: of the code that is wanted.
    last_serial: the highest serial number given so far.
    failures: how many workers in a row ended unasked before they had served for a while.
    not_before: no worker is started before this time.
    settled: a worker has been ready at least once.
    checked_at: when the workers were checked last.
    stopping: no worker is started any more.
    drain_at: while stopping, when workers begin to drain.
    stopping_at_once: workers have to stop at once.
    exit_code: of the supervisor, when the last worker has ended.
    """

    target: int
    rows: tuple[WorkerRow, ...] = ()
    generation: int = 1
    last_serial: int = 0
    failures: int = 0
    not_before: float = 0.0
    settled: bool = False
    checked_at: float = 0.0
    stopping: bool = False
    drain_at: float = 0.0
    stopping_at_once: bool = False
    exit_code: int = 0

    @property
    def ready(self) -> int:
        """How many workers serve."""
        return sum(row.phase is Phase.READY for row in self.rows)


@dataclass(frozen=True, slots=True)
class Policy:
    """The settings that decisions rest on. Times are in seconds.

    hung_after: a worker without a sign of life for so long hangs; 0 for never.
    drain_within: a worker that leaves is killed after this time.
    shutdown_delay: between the request to stop and the drain.
    slow_start: the stacks of a worker that starts for longer are logged.
    kill_grace: between the request for the stacks of a hung worker and its end.
    steady_after: a worker that has served for so long ends a row of failures.
    first_pause: before the next start, when starts fail; it doubles with each failure.
    longest_pause: the most that it grows to.
    max_requests: requests that a worker serves; 0 for no limit.
    requests_jitter: the most that is added to it.
    max_age: time that a worker serves; 0 for no limit.
    max_rss: memory of a worker, in bytes; 0 for no limit.
    surge: how many workers above the target there may be in a reload, as a part of the target.
    most_workers: the highest target.
    """

    hung_after: float = 30.0
    drain_within: float = 35.0
    shutdown_delay: float = 0.0
    slow_start: float = 30.0
    kill_grace: float = 2.0
    steady_after: float = 10.0
    first_pause: float = 0.5
    longest_pause: float = 30.0
    max_requests: int = 0
    requests_jitter: int = 0
    max_age: float = 0.0
    max_rss: int = 0
    surge: float = 0.25
    most_workers: int = MOST_WORKERS


def workers(count: int) -> str:
    """Return a number of workers in words."""
    return f"{count} worker{'' if count == 1 else 's'}"


# Events.


@dataclass(frozen=True, slots=True)
class SupervisorStarted:
    """The supervisor begins."""


@dataclass(frozen=True, slots=True)
class WorkerReady:
    """A worker serves."""

    serial: int
    pid: int = 0


@dataclass(frozen=True, slots=True)
class WorkerEnded:
    """The process of a worker has ended.

    how: in words.
    code: its exit code, None for a signal.
    """

    serial: int
    how: str
    code: int | None = None


@dataclass(frozen=True, slots=True)
class ForkServerEnded:
    """A fork server has ended. Its workers are about to leave, since nothing reaps them any more.

    serials: of the workers.
    how: in words.
    """

    serials: tuple[int, ...]
    how: str


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """The facts that the supervisor can see of a worker.

    silent_for: seconds since its last sign of life, None before the first.
    requests: how many it has served.
    rss: its memory in bytes.
    stuck: calls of the application that were interrupted, and have not ended.
    """

    serial: int
    silent_for: float | None = None
    requests: int = 0
    rss: int = 0
    stuck: int = 0


@dataclass(frozen=True, slots=True)
class WorkersChecked:
    """The status of each worker was read."""

    statuses: tuple[WorkerStatus, ...] = ()


@dataclass(frozen=True, slots=True)
class ReloadRequested:
    """All workers are to be replaced, one after the other."""


@dataclass(frozen=True, slots=True)
class ScaleRequested:
    """There are to be so many more workers, or fewer."""

    by: int


@dataclass(frozen=True, slots=True)
class StopRequested:
    """The supervisor is to drain its workers and end.

    at_once: without draining. A second request means the same.
    """

    at_once: bool = False


@dataclass(frozen=True, slots=True)
class SupervisorReplaced:
    """Another supervisor serves in the place of this one."""


SupervisorEvent = (
    SupervisorStarted
    | WorkerReady
    | WorkerEnded
    | ForkServerEnded
    | WorkersChecked
    | ReloadRequested
    | ScaleRequested
    | StopRequested
    | SupervisorReplaced
)

# Actions.


@dataclass(frozen=True, slots=True)
class StartWorker:
    """Fork a worker."""

    serial: int
    generation: int


@dataclass(frozen=True, slots=True)
class DrainWorker:
    """Tell a worker to finish what is in flight, and end."""

    serial: int


@dataclass(frozen=True, slots=True)
class StopWorker:
    """Tell a worker that drains to stop at once."""

    serial: int


@dataclass(frozen=True, slots=True)
class KillWorker:
    """Kill the process of a worker."""

    serial: int


@dataclass(frozen=True, slots=True)
class ShowStacks:
    """Log what a worker does, before anything is done to it."""

    serial: int


@dataclass(frozen=True, slots=True)
class WriteLog:
    """Write a line to the log. level: as of logging."""

    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Exit:
    """End the supervisor."""

    code: int


SupervisorAction = (
    StartWorker | DrainWorker | StopWorker | KillWorker | ShowStacks | WriteLog | Exit
)
