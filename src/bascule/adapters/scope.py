"""The ASGI scope of a WSGI environ."""

import asyncio
from typing import Any
from urllib.parse import quote_from_bytes, unquote_to_bytes

from bascule.pep3333 import field_name
from bascule.types import Environ, Headers, Scope

ASGI_VERSION = "3.0"
# With a later version, frameworks that stream no longer watch for the client's disconnect.
HTTP_SPEC_VERSION = "2.3"
WEBSOCKET_SPEC_VERSION = "2.5"
# Seconds between two checks of an event that only threads can wait for.
LOOK_EVERY = 0.2

# RFC 3986 section 3.3: the characters of a path that need no quoting.
PATH_SAFE = "/!$&'()*+,;=:@~"

WEBSOCKET_SCHEMES = {"http": "ws", "https": "wss"}


def environ_scope(environ: Environ, state: dict[str, Any] | None, pathsend: bool = False) -> Scope:
    """The scope of an HTTP request (ASGI HTTP specification 2.3)."""
    root = environ.get("SCRIPT_NAME", "")
    encoded = (root + environ.get("PATH_INFO", "")).encode("latin-1")
    extensions: dict[str, Any] = {}
    scope: Scope = {
        "type": "http",
        "asgi": {"version": ASGI_VERSION, "spec_version": HTTP_SPEC_VERSION},
        "http_version": http_version(environ.get("SERVER_PROTOCOL", "HTTP/1.1")),
        "method": environ["REQUEST_METHOD"].upper(),
        "scheme": environ.get("wsgi.url_scheme", "http"),
        "path": encoded.decode("utf-8", "replace"),
        "raw_path": raw_path(environ, encoded),
        "query_string": environ.get("QUERY_STRING", "").encode("latin-1"),
        "root_path": root if root.isascii() else root.encode("latin-1").decode("utf-8", "replace"),
        "headers": fields(environ),
        "client": address(environ.get("REMOTE_ADDR"), environ.get("REMOTE_PORT")),
        "server": address(environ.get("SERVER_NAME"), environ.get("SERVER_PORT")),
        "extensions": extensions,
    }
    if pathsend and "wsgi.file_wrapper" in environ:
        extensions["http.response.pathsend"] = {}
    if "wsgi.early_hints" in environ:
        extensions["http.response.early_hint"] = {}
    if "bascule.stopping" in environ:
        extensions["bascule.stopping"] = stopping_extension(environ["bascule.stopping"])
    if state is not None:
        scope["state"] = state.copy()
    return scope


def websocket_scope(environ: Environ, state: dict[str, Any] | None) -> Scope:
    """The scope of a WebSocket (ASGI WebSocket specification 2.5)."""
    scope = environ_scope(environ, state)
    scope["type"] = "websocket"
    scope["asgi"]["spec_version"] = WEBSOCKET_SPEC_VERSION
    scope["scheme"] = WEBSOCKET_SCHEMES.get(scope["scheme"], scope["scheme"])
    extensions = scope["extensions"]
    scope["extensions"] = {"websocket.http.response": {}}
    if "bascule.stopping" in extensions:
        scope["extensions"]["bascule.stopping"] = extensions["bascule.stopping"]
    offered = environ.get("HTTP_SEC_WEBSOCKET_PROTOCOL", "")
    scope["subprotocols"] = [name.strip() for name in offered.split(",") if name.strip()]
    del scope["method"]
    return scope


def stopping_extension(event: Any) -> dict[str, Any]:
    """The extension of `bascule.interfaces.stopping`, made of the event that WSGI gets. Nothing
    wakes this loop when the event is set, so `wait` polls."""

    async def wait() -> None:
        while not event.is_set():
            await asyncio.sleep(LOOK_EVERY)

    return {"is_set": event.is_set, "wait": wait, "event": event}


def http_version(protocol: str) -> str:
    version = protocol.removeprefix("HTTP/")
    return version.removesuffix(".0") if version.startswith(("2", "3")) else version


def raw_path(environ: Environ, encoded: bytes) -> bytes:
    """Return the path as the client sent it, if the server has it and no middleware changed it."""
    target = environ.get("RAW_URI") or environ.get("REQUEST_URI")
    if target and "%" in target and target.startswith("/"):
        path: bytes = target.partition("?")[0].encode("latin-1")
        if unquote_to_bytes(path) == encoded:
            return path
    return quote_from_bytes(encoded, PATH_SAFE).encode("ascii")


def fields(environ: Environ) -> Headers:
    """Return the header fields. Fields that WSGI has joined stay joined."""
    found = []
    for key, value in environ.items():
        name = field_name(key)
        # An empty CONTENT_TYPE is how CGI says that there is none.
        if name and (value or key.startswith("HTTP_")):
            found.append((name, value.encode("latin-1")))
    return found


def address(host: str | None, port: Any) -> tuple[str, int] | None:
    if not host:
        return None
    return (host, int(port) if port and str(port).isdigit() else 0)
