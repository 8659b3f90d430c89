"""The WSGI environ (PEP 3333, "environ Variables") of an ASGI scope."""

import sys
from typing import Any
from urllib.parse import unquote_to_bytes

from bascule.types import Environ, Scope
from bascule.wrapper import FileWrapper

REMEMBERED_KEYS = 1024

# Keys of header names, "" for those that are dropped: with an underscore a name would pass for
# another one, and "Proxy" for a setting (CVE-2016-5385).
KEYS: dict[bytes, str] = {
    b"content-length": "CONTENT_LENGTH",
    b"content-type": "CONTENT_TYPE",
    b"proxy": "",
}

URL_SCHEMES = {"ws": "http", "wss": "https"}


def scope_environ(scope: Scope, multithread: bool) -> Environ:
    """The environ, without what needs the call (`wsgi.input` and callables)."""
    scheme = scope.get("scheme", "http")
    scheme = URL_SCHEMES.get(scheme, scheme)
    root_path = scope.get("root_path", "").rstrip("/")
    # PEP 3333: text in environ is latin-1, so that no octet is lost.
    root = root_path if root_path.isascii() else root_path.encode().decode("latin-1")
    environ: Environ = {
        "REQUEST_METHOD": scope.get("method", "GET"),
        "SCRIPT_NAME": root,
        "PATH_INFO": strip_root(whole_path(scope, root_path), root),
        "QUERY_STRING": scope.get("query_string", b"").decode("latin-1"),
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "443" if scheme == "https" else "80",
        "SERVER_PROTOCOL": "HTTP/" + scope.get("http_version", "1.1"),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scheme,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": multithread,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "wsgi.file_wrapper": FileWrapper,
        "wsgi.input_terminated": True,
        "asgi.scope": scope,
    }
    stopping = scope.get("extensions", {}).get("bascule.stopping")
    if stopping is not None and "event" in stopping:
        environ["bascule.stopping"] = stopping["event"]
    server = scope.get("server")
    if server is not None and server[1] is not None:
        environ["SERVER_NAME"] = server[0]
        environ["SERVER_PORT"] = str(server[1])
    client = scope.get("client")
    if client is not None:
        environ["REMOTE_ADDR"] = client[0]
        environ["REMOTE_PORT"] = str(client[1])
    if scheme == "https":
        environ["HTTPS"] = "on"
    add_fields(environ, scope["headers"])
    return environ


def whole_path(scope: Scope, root_path: str) -> str:
    """The decoded path, SCRIPT_NAME included, with each octet as a character.

    ASGI's `path` has lost the octets that are no UTF-8. `raw_path` has them, but only counts
    where nobody on the way has changed `path`; some servers leave the root out of it.
    """
    path: str = scope["path"]
    if path.isascii():
        return path
    raw_path = scope.get("raw_path")
    if raw_path:
        octets = unquote_to_bytes(raw_path.partition(b"?")[0])
        text = octets.decode("utf-8", "replace")
        if text == path:
            return octets.decode("latin-1")
        if root_path + text == path:
            return (root_path.encode() + octets).decode("latin-1")
    return path.encode("utf-8", "surrogateescape").decode("latin-1")


def strip_root(path: str, root: str) -> str:
    """The path below the root, whether `path` has it, as ASGI says, or not."""
    if root and (path == root or path.startswith(root + "/")):
        return path[len(root) :]
    return path


def add_fields(environ: Environ, fields: Any) -> None:
    """Header fields as HTTP_ variables; repeated ones joined (RFC 9110 section 5.3, RFC 6265
    section 5.4)."""
    for name, value in fields:
        key = KEYS.get(name)
        if key is None:
            key = learn_key(name)
        if not key:
            continue
        text = value.decode("latin-1")
        if key in environ:
            text = environ[key] + ("; " if key == "HTTP_COOKIE" else ",") + text
        environ[key] = text


def learn_key(name: bytes) -> str:
    text = bytes(name).decode("latin-1").lower()
    if "_" in text:
        key = ""
    else:
        key = KEYS.get(text.encode("latin-1"), "HTTP_" + text.upper().replace("-", "_"))
    if len(KEYS) < REMEMBERED_KEYS:
        KEYS[name] = key
    return key
