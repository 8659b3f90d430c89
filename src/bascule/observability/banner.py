"""The lines that a server logs when it starts: the applications, the addresses, the versions."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from bascule.version import __version__

PYTHON = ".".join(map(str, sys.version_info[:3]))

INTERFACES = {"wsgi": "WSGI", "asgi2": "ASGI 2", "asgi3": "ASGI 3"}


@dataclass(frozen=True, slots=True)
class BothSides:
    """A project of a framework, called by both interfaces.

    framework: its name.
    websockets: the application that handles its WebSockets, "" for none.
    """

    framework: str
    websockets: str


def banner(
    *,
    applications: Sequence[tuple[str, str | BothSides, str]],
    addresses: Sequence[str],
    threads: int,
    loop: str,
    compiled: bool,
    pid: int,
    forced_pure: bool = False,
    static: Sequence[str] = (),
    python: str = PYTHON,
) -> list[str]:
    """Return the lines to log at start-up.

    applications: for each its TARGET, "" if it was given as an object; "wsgi", "asgi2" or "asgi3",
        or that it has both sides; and the place it is mounted at, "" for everywhere.
    addresses: URLs and unix:PATH, as clients reach them.
    threads: of WSGI applications; 0 means on the loop's own thread.
    loop: its name.
    compiled: whether the hot modules are.
    forced_pure: they would be, but BASCULE_PURE=1 asked for the source.
    static: a line for each directory of files.
    """
    speed = "compiled" if compiled else "not compiled"
    lines = [
        f"bascule {__version__} ({speed}, Python {python}, {loop}, pid {pid})",
        *(_serving(*application, threads) for application in applications),
        *static,
        *(f"listening on {address}" for address in addresses),
    ]
    if not compiled and not forced_pure:
        lines.append("running uncompiled: install with a C compiler for full speed")
    return lines


def _serving(target: str, interface: str | BothSides, place: str, threads: int) -> str:
    if isinstance(interface, BothSides):
        where = f" {place}" if place else ""
        return f"serving {target}{where} as {_both_sides(interface, threads)}"
    line = f"serving {target or 'the application'} as {_interface(interface, threads)}"
    return f"{line} {place}" if place else line


def _both_sides(sides: BothSides, threads: int) -> str:
    words = [f"{sides.framework}: {_interface('wsgi', threads)}", "ASGI on the loop"]
    if sides.websockets:
        words.append(f"WebSockets by {sides.websockets}")
    return ", ".join(words)


def _interface(interface: str, threads: int) -> str:
    name = INTERFACES.get(interface, interface)
    if interface != "wsgi":
        return name
    if threads == 0:
        return f"{name} on the event loop's thread, one request at a time"
    return f"{name} in {threads} thread{'s' if threads > 1 else ''}"
