"""Which modules are compiled, whether they are now, and how to run without.

The source of a hot module is a plain .py file with a .pxd beside it that adds C types. Cython
compiles the pair when the package is installed; where that was not possible the same .py runs as
it is. `BASCULE_PURE=1` in the environment forces the .py files even where compiled modules lie
beside them, which is how the whole test suite is run both ways on one install.

This file imports nothing of the package: setup.py reads HOT_MODULES from it.
"""

import os
import sys
from importlib.machinery import FileFinder, ModuleSpec, SourceFileLoader
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

HOT_MODULES = (
    "bascule.pep3333",
    "bascule.protocols.events",
    "bascule.protocols.headers",
    "bascule.protocols.response_fields",
    "bascule.protocols.websocket.frames",
    "bascule.protocols.websocket.deflate",
    "bascule.protocols.websocket.engine",
    "bascule.protocols.http2.huffman",
    "bascule.protocols.http2.hpack_table",
    "bascule.protocols.http2.hpack",
    "bascule.protocols.http1.head",
    "bascule.protocols.http1.chunked",
    "bascule.protocols.http1.response",
    "bascule.protocols.http1.engine",
    "bascule.protocols.http2.frames",
    "bascule.protocols.http2.flow",
    "bascule.protocols.http2.budget",
    "bascule.protocols.http2.frame_reader",
    "bascule.protocols.http2.stream",
    "bascule.protocols.http2.priority",
    "bascule.protocols.http2.outbox",
    "bascule.protocols.http2.streams",
    "bascule.protocols.http2.settings_exchange",
    "bascule.protocols.http2.request_head",
    "bascule.protocols.http2.requests",
    "bascule.protocols.http2.response",
    "bascule.protocols.http2.engine",
    "bascule.observability.access",
    "bascule.loop.poller",
    "bascule.loop.plain",
    "bascule.loop.files",
    "bascule.interfaces.endpoint",
    "bascule.interfaces.exchange",
    "bascule.interfaces.answers",
    "bascule.interfaces.composite",
    "bascule.interfaces.responding",
    "bascule.interfaces.asgi.awaitables",
    "bascule.interfaces.asgi.first_step",
    "bascule.interfaces.asgi.call",
    "bascule.interfaces.asgi.http",
    "bascule.interfaces.asgi.interface",
    "bascule.interfaces.session",
    "bascule.interfaces.asgi.websocket",
    "bascule.interfaces.wsgi.environ",
    "bascule.interfaces.wsgi.pool",
    "bascule.interfaces.wsgi.call",
    "bascule.interfaces.wsgi.threaded",
    "bascule.interfaces.wsgi.inline",
    "bascule.interfaces.wsgi.interface",
    "bascule.interfaces.wsgi.websocket",
    "bascule.interfaces.hybrid",
    "bascule.interfaces.static.conditions",
    "bascule.interfaces.static.files",
    "bascule.interfaces.static.ranges",
    "bascule.interfaces.static.front",
    "bascule.interfaces.static.http",
    "bascule.connections.hub",
    "bascule.connections.write_watch",
    "bascule.connections.transport",
    "bascule.connections.request_carrier",
    "bascule.connections.files",
    "bascule.connections.websocket",
    "bascule.connections.http2_stream",
    "bascule.connections.http2",
    "bascule.connections.http1",
    "bascule.connections.negotiation",
)


class SourceOnlyFinder:
    """A meta path finder that finds the .py of a hot module, never the compiled file beside it."""

    def find_spec(
        self, fullname: str, path: "Sequence[str] | None", target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The source of a hot module; None, which asks the next finder, for every other."""
        if fullname not in HOT_MODULES or path is None:
            return None
        return FileFinder(next(iter(path)), (SourceFileLoader, [".py"])).find_spec(fullname)


def is_pure_forced() -> bool:
    """BASCULE_PURE=1 asks for the source, whether compiled modules are there or not."""
    return os.environ.get("BASCULE_PURE") == "1"


def force_pure_if_asked() -> None:
    """Put `SourceOnlyFinder` first when BASCULE_PURE=1; called once, before any hot module is
    imported."""
    if is_pure_forced():
        sys.meta_path.insert(0, SourceOnlyFinder())


def is_compiled() -> bool:
    """True when the hot modules of this process are compiled code."""
    from importlib import import_module

    origin = import_module(HOT_MODULES[0]).__file__ or ""
    return not origin.endswith(".py")
