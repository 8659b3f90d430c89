"""Reports to the service manager about the workers as a whole."""

from bascule.sockets.systemd import Notifier
from bascule.supervisor.table import Phase, WorkerTable, workers

READY, RELOADING, STOPPING = "ready", "reloading", "stopping"


class ServiceReporter:
    """Tells a service manager each change of state, once. notifier: the way to it."""

    def __init__(self, notifier: Notifier) -> None:
        self.notifier = notifier
        self.state = ""

    def report(self, table: WorkerTable) -> None:
        """Report the state that the table shows, unless it was reported last."""
        state = state_of(table) or self.state
        if state == self.state:
            return
        self.state = state
        if state == STOPPING:
            self.notifier.stopping("finishing what is in flight")
        elif state == RELOADING:
            self.notifier.reloading("replacing the workers")
        else:
            self.notifier.ready(f"{table.ready} of {workers(table.target)} ready")

    def report_upgraded(self, pid: int) -> None:
        """Tell that this process is the service's from now on, and nothing after that: the new
        supervisor reports for itself."""
        self.notifier.ready("upgraded", pid)
        self.notifier = Notifier()

    def beat(self, now: float) -> None:
        """Tell the service manager's watchdog that the supervisor runs."""
        self.notifier.beat(now)


def state_of(table: WorkerTable) -> str:
    """Return the service manager's word for the state; "" where it has none, such as for a worker
    that is missing."""
    if table.stopping:
        return STOPPING
    generations = [row.generation for row in table.rows if row.phase is Phase.READY]
    if table.settled and min(generations, default=table.generation) < table.generation:
        return RELOADING
    return READY if len(generations) >= table.target else ""
