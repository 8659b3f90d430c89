"""What the supervisor knows of its workers, what can happen, and what it can do about it.

Plain values: `decide` takes a table and an event, and gives the next table and actions.
"""

from dataclasses import dataclass
from enum import Enum

from bascule.settings.options import MOST_WORKERS


class Phase(Enum):
    """Of a worker.

    STARTING    the application is being imported, by it or by what it will be forked from
    READY       it serves
    LEAVING     told to drain, or about to be killed; it is not counted on any more
    """

    STARTING = "starting"
    READY = "ready"
    LEAVING = "leaving"


@dataclass(frozen=True, slots=True)
class Row:
    """One worker.

    serial: its number, never given twice. generation: which code it was started for. since: when
    its phase began, forked_at: when it was started; both in seconds of the supervisor's monotonic
    clock. retiring: why it is to be replaced although it works; "" for no reason. leaving: why it
    leaves. pid: of its process, once it is known. kill_at: when it is killed if it is still there,
    while LEAVING. shown: its stacks have been asked for in this phase. max_requests, max_age: its
    share of the limits, with its jitter; 0 for none.
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
    shown: bool = False
    max_requests: int = 0
    max_age: float = 0.0

    @property
    def name(self) -> str:
        """What it is called in the log."""
        return f"worker {self.serial}" + (f" (pid {self.pid})" if self.pid else "")


@dataclass(frozen=True, slots=True)
class Table:
    """All of them, and what is wanted of them.

    target: how many are to serve. generation: of the code that is wanted. last_serial: the highest
    that was given. failures: how many in a row ended unasked before they had served for a while;
    not_before: no start before that. settled: whether a worker has ever been ready. looked_at:
    when their state was last looked at. stopping: no worker is started any more. drain_at: when
    they are told to drain, once it is stopping; hurried: they were told to stop at once.
    exit_code: of the supervisor, when the last of them has gone.
    """

    target: int
    rows: tuple[Row, ...] = ()
    generation: int = 1
    last_serial: int = 0
    failures: int = 0
    not_before: float = 0.0
    settled: bool = False
    looked_at: float = 0.0
    stopping: bool = False
    drain_at: float = 0.0
    hurried: bool = False
    exit_code: int = 0

    @property
    def ready(self) -> int:
        """How many serve."""
        return sum(row.phase is Phase.READY for row in self.rows)

    def row(self, serial: int) -> Row | None:
        return next((row for row in self.rows if row.serial == serial), None)


@dataclass(frozen=True, slots=True)
class Policy:
    """The settings that decisions rest on; seconds, unless said otherwise.

    hung_after: without a sign of life, 0 for never. drain_within: how long a worker may take to
    leave. shutdown_delay: between being told to stop and the drain. slow_start: a start that
    takes longer is looked into. dying: from the order for stacks of a hung worker to its end.
    steady: who has served this long ends a row of failures. first_pause, longest_pause: between
    starts that fail, doubling. max_requests, requests_jitter: in requests, 0 for no limit.
    max_age: 0 for no limit. max_rss: octets, 0 for no limit. surge: how many above the target may
    be there during a reload, as a part of the target. most_workers: the highest target.
    """

    hung_after: float = 30.0
    drain_within: float = 35.0
    shutdown_delay: float = 0.0
    slow_start: float = 30.0
    dying: float = 2.0
    steady: float = 10.0
    first_pause: float = 0.5
    longest_pause: float = 30.0
    max_requests: int = 0
    requests_jitter: int = 0
    max_age: float = 0.0
    max_rss: int = 0
    surge: float = 0.25
    most_workers: int = MOST_WORKERS


def workers(count: int) -> str:
    """So many of them, in words."""
    return f"{count} worker{'' if count == 1 else 's'}"


# Events.


@dataclass(frozen=True, slots=True)
class Began:
    """The supervisor begins."""


@dataclass(frozen=True, slots=True)
class BecameReady:
    """A worker serves."""

    serial: int
    pid: int = 0


@dataclass(frozen=True, slots=True)
class Ended:
    """A worker's process has ended. how: in words. code: its exit code, None for a signal."""

    serial: int
    how: str
    code: int | None = None


@dataclass(frozen=True, slots=True)
class NurseryEnded:
    """The process that workers were forked from has ended, and they are about to leave, since
    nobody looks after them. serials: theirs. how: in words."""

    serials: tuple[int, ...]
    how: str


@dataclass(frozen=True, slots=True)
class Seen:
    """What can be seen of a worker from outside.

    silent_for: seconds since its last sign of life, None before the first. requests: it has
    served. rss: octets in memory. stuck: calls of the application that were told to end, and have
    not.
    """

    serial: int
    silent_for: float | None = None
    requests: int = 0
    rss: int = 0
    stuck: int = 0


@dataclass(frozen=True, slots=True)
class Looked:
    """The state of all workers was looked at."""

    seen: tuple[Seen, ...] = ()


@dataclass(frozen=True, slots=True)
class ReloadWanted:
    """All workers are to be replaced, one after the other."""


@dataclass(frozen=True, slots=True)
class ScaleWanted:
    """There are to be so many more workers, or fewer."""

    by: int


@dataclass(frozen=True, slots=True)
class StopWanted:
    """Finish; where that was said before, or with `hurry`, at once."""

    hurry: bool = False


@dataclass(frozen=True, slots=True)
class Replaced:
    """Another supervisor serves in the place of this one."""


Event = (
    Began
    | BecameReady
    | Ended
    | NurseryEnded
    | Looked
    | ReloadWanted
    | ScaleWanted
    | StopWanted
    | Replaced
)

# Actions.


@dataclass(frozen=True, slots=True)
class Start:
    """Fork a worker."""

    serial: int
    generation: int


@dataclass(frozen=True, slots=True)
class Drain:
    """Tell a worker to finish what it does and to end."""

    serial: int


@dataclass(frozen=True, slots=True)
class Hurry:
    """Tell a worker that drains to stop at once."""

    serial: int


@dataclass(frozen=True, slots=True)
class Kill:
    """End a worker."""

    serial: int


@dataclass(frozen=True, slots=True)
class ShowStacks:
    """Write to the log what a worker does, before anything is done to it."""

    serial: int


@dataclass(frozen=True, slots=True)
class Say:
    """A line for the log. level: as of logging."""

    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Exit:
    """The supervisor is done."""

    code: int


Action = Start | Drain | Hurry | Kill | ShowStacks | Say | Exit
