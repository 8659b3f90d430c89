"""Programs that have put gevent or eventlet in the place of Python's threads and sockets.

A patched thread is a greenlet, which runs when the loop of gevent or eventlet does. Here the loop
is uvloop's or asyncio's, so threads that are to run requests, look after the loop or hold the line
to a supervisor never do, and every client waits. That is said at the start instead.

This works although it is patched, as measured with gevent 26 and eventlet 0.4: one process whose
application runs on the loop's thread, ASGI or WSGI with --threads 0. Rejected: undoing the patch.
Modules have taken patched names by then, and the application has been written for them.
"""

import logging
import sys
from collections.abc import Sequence

from bascule.errors import UsageError
from bascule.interfaces.hybrid import Hybrid
from bascule.loading.application import Application
from bascule.settings import Settings

logger = logging.getLogger("bascule")

WHY = (
    "{library} has replaced Python's threads (monkey patching, by the application or a "
    "sitecustomize), and its loop does not run in Bascule: {what} would wait forever.\n"
    "Remove the patching; Bascule runs requests in threads instead (--threads)."
)
THREADS = "requests"
PROCESSES = "workers and their supervisor"
RELOADER = "the reloader"
ALTERNATIVE = " Or serve one request at a time: --threads 0, without --workers or --reload."


def patched_by(entirely: bool = True) -> str:
    """ "gevent" or "eventlet", where it stands in for threads; "" mostly. Imports neither.

    entirely: not where it has only begun to, because it failed.
    """
    gevent = sys.modules.get("gevent.monkey")
    if gevent is not None and (
        gevent.is_module_patched("threading") or (not entirely and gevent.is_anything_patched())
    ):
        return "gevent"
    eventlet = sys.modules.get("eventlet.patcher")
    if eventlet is not None and (
        eventlet.is_monkey_patched("thread") or (not entirely and eventlet.already_patched)
    ):
        return "eventlet"
    return ""


def refuse_patched(what: str) -> None:
    """Raise UsageError where threads have been replaced. what: would wait forever."""
    library = patched_by()
    if library:
        raise UsageError(WHY.format(library=library, what=what))


def refuse_failed_patch(settings: Settings) -> None:
    """Raise UsageError where an application did not load and had begun to patch: gevent fails with
    an error about a lock where a thread runs already, such as that which waits for a supervisor or
    a reloader."""
    library = patched_by(entirely=False)
    if library and (settings.supervised is not None or settings.reload):
        what = RELOADER if settings.reload else PROCESSES
        raise UsageError(WHY.format(library=library, what=what) + ALTERNATIVE)


def check_patches(applications: Sequence[Application], settings: Settings) -> None:
    """Refuse applications that would never answer. Raises UsageError."""
    library = patched_by()
    if not library:
        return
    if settings.supervised is not None:
        raise UsageError(WHY.format(library=library, what=PROCESSES) + ALTERNATIVE)
    in_threads = any(
        isinstance(one.app, Hybrid) or one.interface == "wsgi" for one in applications
    )
    if in_threads and settings.threads:
        raise UsageError(WHY.format(library=library, what=THREADS) + ALTERNATIVE)
    logger.warning(
        "%s has replaced Python's threads, and its loop does not run in Bascule: code that starts "
        "threads will wait forever",
        library,
    )
