"""A process that supervises workers, from its settings to its exit code."""

import logging
import os
import signal
import socket
import sys
from collections.abc import Sequence
from functools import partial

from bascule import directory
from bascule.address import UnixAddress
from bascule.errors import UsageError
from bascule.observability import logs
from bascule.settings import Settings
from bascule.settings.options import MOST_WORKERS
from bascule.sockets.bind import close_listeners, describe, open_listeners
from bascule.sockets.channel import MOST_DESCRIPTORS
from bascule.sockets.systemd import Notifier
from bascule.sockets.unix import open_unix_listener
from bascule.supervisor.exit_calls import ExitCallForked, call_exit_hook
from bascule.supervisor.fork_server import ForkServerForked
from bascule.supervisor.fork_server_process import Prepare
from bascule.supervisor.master import Master
from bascule.supervisor.processes import describe_failure
from bascule.supervisor.spawner import WorkerForked
from bascule.supervisor.table import Policy
from bascule.supervisor.upgrade import Listeners, inherited_services
from bascule.worker.applications import ApplicationSource
from bascule.worker.ending import end_within_reason
from bascule.worker.listeners import listening_sockets
from bascule.worker.patched import PROCESSES, refuse_patched
from bascule.worker.pidfile import PidFile
from bascule.worker.plan import tls_context
from bascule.worker.privileges import wanted_identity
from bascule.worker.role import Loaded, Supervised
from bascule.worker.run import occupy_standard_descriptors, preload, run

logger = logging.getLogger("bascule")

# The backlog of the sockets for probes and operators.
REQUESTS_WAITING = 64
# Seconds beyond the graceful shutdown, in which the process ends.
SPARE = 5.0


def supervise(
    settings: Settings, source: ApplicationSource, sockets: Sequence[socket.socket] | None = None
) -> int:
    """Serve with several workers until a signal ends it; return the exit code.

    Workers end with SystemExit.

    source: the applications, which workers import.
    sockets: listening sockets to use instead of the settings' addresses; the supervisor closes
        them.
    Raises UsageError.
    """
    # Workers share an application that is imported already without a fork server.
    prepare = None
    if settings.preload and not source.is_loaded:
        prepare = partial(preload, settings, source)
    refuse_patched(PROCESSES)
    occupy_standard_descriptors()
    start = directory.settle()
    if settings.umask is not None:
        os.umask(settings.umask)
    logs.configure(settings.log_level, settings.log_format, settings.log_config, settings.debug)
    listeners = open_all(settings, sockets)
    pid_file = PidFile(settings.pid) if settings.pid is not None else None
    link = fork_server = None
    ended = 0
    try:
        if prepare is not None and len(listeners.served) >= MOST_DESCRIPTORS:
            raise UsageError(
                f"--preload works with fewer than {MOST_DESCRIPTORS} addresses to listen on, "
                f"not with {len(listeners.served)}"
            )
        # Each worker makes its own context. A mistake in the settings is found here, before that.
        tls_context(settings)
        master = Master(
            settings.supervised or usable_processors(),
            policy_of(settings),
            listeners,
            [sys.executable, *sys.orig_argv[1:]],
            logs.reopen,
            Notifier.of(os.environ, os.getpid()),
            partial(replace_predecessor, pid_file),
            prepare is not None,
            start,
            settings.on_worker_exit is not None,
        )
        if pid_file is not None and not master.upgrade.is_successor:
            pid_file.write()
        for sock in listeners.health:
            logger.info("probes: %s/live and /ready", describe(sock, "http"))
        return master.run()
    except WorkerForked as forked:
        link = forked.link
    except ForkServerForked as forked:
        fork_server = forked.process
    except ExitCallForked as forked:
        ended = forked.pid
    finally:
        close_listeners(listeners.all if link is None else [*listeners.health, *listeners.control])
        if pid_file is not None:
            # A forked process leaves the file.
            pid_file.remove()
    # Outside of the clauses above, so that errors of the worker have no context of the fork.
    if link is not None:
        sys.exit(serve_as_worker(settings, source, Supervised(link, listeners.served), start))
    if ended:
        call_exit_hook(settings, ended, start)
    assert fork_server is not None
    assert prepare is not None
    role = fork_server.run(partial(prepared, prepare, start))
    sys.exit(serve_as_worker(settings, source, role))


def prepared(prepare: Prepare, start: str) -> Loaded:
    """Import the applications of the release that the start directory leads to now."""
    directory.come_back(start)
    return prepare()


def replace_predecessor(pid_file: PidFile | None) -> None:
    """Write the number of this process into the PID file. An error is logged only: the upgrade is
    complete already."""
    if pid_file is not None:
        try:
            pid_file.write(replacing=os.getppid())
        except UsageError as error:
            logger.error("%s", error)


def open_all(settings: Settings, sockets: Sequence[socket.socket] | None) -> Listeners:
    """Open the listening sockets that no predecessor or caller has opened.

    sockets: those of the workers; None to open them too.
    """
    health, control = inherited_services(os.environ)
    opened: list[socket.socket] = []
    try:
        if sockets is None:
            identity = wanted_identity(settings.user, settings.group)
            sockets = listening_sockets(settings, identity)
            opened += sockets
        if settings.health_bind is not None and not health:
            health = open_listeners([settings.health_bind], REQUESTS_WAITING)
            opened += health
        if settings.control is not None and not control:
            control = [open_control(settings.control)]
            opened += control
    except BaseException:
        close_listeners(opened)
        raise
    return Listeners(sockets, health, control)


def open_control(path: str) -> socket.socket:
    """Open the control socket, with permissions for this user alone from the first moment."""
    before = os.umask(0o177)
    try:
        return open_unix_listener(UnixAddress(path), REQUESTS_WAITING)
    finally:
        os.umask(before)


def serve_as_worker(
    settings: Settings, source: ApplicationSource, role: Supervised, start: str | None = None
) -> int:
    """Serve as a worker; return the exit code. An error is reported to the supervisor, which logs
    it.

    start: the directory to import the application from; None where it is imported already.
    """
    role.link.open()
    try:
        if start is not None:
            directory.come_back(start)
        code = run(settings, source, role)
    except Exception as error:
        text, code = describe_failure(error)
        role.link.report_failure(text)
    end_within_reason(code, (signal.SIGQUIT,))
    return code


def policy_of(settings: Settings) -> Policy:
    """Return the part of the settings that the supervisor's decisions depend on."""
    return Policy(
        hung_after=settings.timeout or 0.0,
        drain_within=2 * settings.timeout_graceful_shutdown + SPARE,
        shutdown_delay=settings.shutdown_delay,
        max_requests=settings.max_requests,
        requests_jitter=settings.max_requests_jitter,
        max_age=settings.workers_lifetime or 0.0,
        max_rss=(settings.workers_max_rss or 0) * 2**20,
        most_workers=MOST_WORKERS,
    )


# The share of processors that a container may use (control groups, version 2): "50000 100000" is
# half of one.
CPU_MAX = "/sys/fs/cgroup/cpu.max"


def usable_processors(cpu_max: str = CPU_MAX) -> int:
    """Return the number of processors that this process may use, at least 1."""
    if hasattr(os, "sched_getaffinity"):
        count = len(os.sched_getaffinity(0))
    else:
        count = os.cpu_count() or 1
    try:
        with open(cpu_max, encoding="ascii") as file:
            quota, period = file.read().split()
        if quota != "max":
            count = min(count, -(-int(quota) // int(period)))
    except (OSError, ValueError):
        pass
    return max(1, count)
