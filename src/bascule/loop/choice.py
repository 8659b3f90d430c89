"""Which event loop, and the names under which the banner and `bascule --version` show it.

uvloop is used where it is installed: in our measurements it serves about twice the requests of
asyncio's own loop.
"""

import asyncio
from collections.abc import Callable
from typing import cast

from bascule.errors import UsageError


def new_event_loop(kind: str) -> asyncio.AbstractEventLoop:
    """Make a loop: "auto" means uvloop where it can be imported, asyncio elsewhere.

    Raises UsageError when uvloop is asked for by name and is not there.
    """
    return loop_factory(kind)()


def loop_factory(kind: str) -> Callable[[], asyncio.AbstractEventLoop]:
    """Import what makes such a loop, as of `new_event_loop`, without making one."""
    if kind == "asyncio":
        return asyncio.new_event_loop
    try:
        import uvloop
    except ImportError as exc:
        if kind == "auto":
            return asyncio.new_event_loop
        raise UsageError(
            f"--loop uvloop: uvloop cannot be imported ({exc}).\n"
            "Install it (pip install uvloop), or use --loop asyncio."
        ) from None
    return cast(Callable[[], asyncio.AbstractEventLoop], uvloop.new_event_loop)


def loop_name(loop: asyncio.AbstractEventLoop) -> str:
    """ "uvloop", "asyncio", or the package of a loop that is neither."""
    return type(loop).__module__.partition(".")[0]
