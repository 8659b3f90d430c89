"""Arguments of `bascule.serve` and `bascule.Server` that would have no effect there.

They are refused with the reason: a caller who gives one expects that it does something. A test
goes through the table of options, so that each new one is either effective or listed here.
"""

import socket
from collections.abc import Mapping, Sequence

from bascule.errors import UsageError
from bascule.loading.detect import is_a
from bascule.settings import OPTIONS, Settings
from bascule.settings.values import NEED_SUPERVISOR
from bascule.worker.applications import ApplicationSource

Reasons = Mapping[str, str]

RELOADS = "restarts the process when files change, which `bascule dev` does"
LOGS = "has no effect: Server leaves logging to you; its loggers are named bascule"
HOOKS = "has no effect: call your function before start() and after stop()"
PROCESS = "is for a process of its own; Server is part of yours"
SUPERVISOR = (
    "needs a supervisor, a process of its own; Server is part of yours. bascule.serve can do it"
)
GIVEN = "is for a TARGET; pass the application itself instead"
SOCKETS = "has no effect together with sockets"

# The options that say where to listen.
ADDRESSES = ("bind", "host", "port", "uds", "fd")
# The options that change the process. Server refuses them even in a file that `config` names.
CHANGE_PROCESS = ("user", "group", "umask", "pid")

IN_SERVE: Reasons = {"reload": RELOADS, "reload_dir": RELOADS}
IN_SERVER: Reasons = {
    "reload": f"{RELOADS}; Server is part of your process",
    "reload_dir": RELOADS,
    "loop": "has no effect: Server runs on the loop that is running",
    "access_log": "has no effect: Server writes no access log",
    "log_level": LOGS,
    "log_format": LOGS,
    "log_config": LOGS,
    "timeout": "is for workers under a supervisor, and Server has no supervisor",
    "max_requests_jitter": "is for workers under a supervisor, and Server has no supervisor",
    "on_worker_start": HOOKS,
    "on_worker_exit": HOOKS,
    "shutdown_delay": "has no effect: wait that long before you call stop()",
}
# Without a supervisor, `serve` refuses these.
WITHOUT_WORKERS: Reasons = {
    "timeout": "is for workers under a supervisor; give workers=1 or more as well",
    "max_requests_jitter": "has no effect without max_requests",
}


def check_serve(
    settings: Settings,
    options: Mapping[str, object],
    source: ApplicationSource,
    sockets: Sequence[socket.socket] | None,
) -> None:
    """Raise UsageError for an argument that has no effect in `serve`."""
    reasons = {**IN_SERVE, **_reasons_of_call(settings, source, sockets)}
    if settings.supervised is None:
        reasons |= WITHOUT_WORKERS
    elif not settings.max_requests:
        reasons["max_requests_jitter"] = WITHOUT_WORKERS["max_requests_jitter"]
    _refuse(settings, options, reasons)


def check_server(
    settings: Settings,
    options: Mapping[str, object],
    source: ApplicationSource,
    sockets: Sequence[socket.socket] | None,
) -> None:
    """Raise UsageError for an argument that has no effect in a `Server`, and for settings of a
    process or a supervisor wherever they come from."""
    _refuse(settings, options, {**IN_SERVER, **_reasons_of_call(settings, source, sockets)})
    for name in CHANGE_PROCESS:
        if getattr(settings, name) is not None:
            raise UsageError(f"{name} {PROCESS}")
    if settings.supervised is not None:
        asking = [name for name in NEED_SUPERVISOR if getattr(settings, name)]
        raise UsageError(f"{asking[0] if asking else 'workers'} {SUPERVISOR}")


def _reasons_of_call(
    settings: Settings, source: ApplicationSource, sockets: Sequence[socket.socket] | None
) -> dict[str, str]:
    """Return the options that other arguments of the same call leave without effect."""
    reasons: dict[str, str] = {}
    if source.is_loaded:
        reasons |= dict.fromkeys(("target", "factory"), GIVEN)
        if not _imports_more(settings, source):
            reasons["app_dir"] = GIVEN
    if sockets is not None:
        reasons |= dict.fromkeys(ADDRESSES, SOCKETS)
    return reasons


def _imports_more(settings: Settings, source: ApplicationSource) -> bool:
    """Whether a TARGET or a function is imported, besides the main application."""
    others = (*source.mounts.values(), source.websocket)
    return bool(
        settings.mount
        or (settings.websocket and source.websocket is None)
        or settings.on_worker_start
        or settings.on_worker_exit
        or any(is_a(other, str) for other in others)
    )


def _refuse(settings: Settings, options: Mapping[str, object], reasons: Reasons) -> None:
    """Raise UsageError for an option with a reason against it.

    An option whose value asks for nothing, or is the default, does no harm.
    """
    for name, reason in reasons.items():
        if name not in options:
            continue
        value = getattr(settings, name)
        option = OPTIONS[name]
        # A flag that is off asks for nothing, whatever the default is.
        if value if option.stands_alone else value != option.default:
            raise UsageError(f"{name} {reason}")
