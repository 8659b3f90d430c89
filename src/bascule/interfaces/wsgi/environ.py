"""The WSGI environ (PEP 3333, "environ Variables") of one request.

What does not change on a connection is prepared once and copied; names of header fields are turned
into keys once.
"""

import sys
from urllib.parse import unquote_to_bytes

from bascule.interfaces.endpoint import Endpoint
from bascule.protocols.events import Request
from bascule.types import Environ
from bascule.wrapper import FileWrapper

REMEMBERED_KEYS = 1024
PERCENT = 0x25
KEYS: dict[bytes, str] = {b"content-length": "CONTENT_LENGTH", b"content-type": "CONTENT_TYPE"}


def connection_environ(endpoint: Endpoint, multithread: bool, multiprocess: bool) -> Environ:
    """What is the same for every request of a connection."""
    client = endpoint.client
    server = endpoint.server
    environ: Environ = {
        "SERVER_SOFTWARE": "bascule",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "443" if endpoint.scheme == "https" else "80",
        "REMOTE_ADDR": client[0] if client else "",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": endpoint.scheme,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": multithread,
        "wsgi.multiprocess": multiprocess,
        "wsgi.run_once": False,
        "wsgi.file_wrapper": FileWrapper,
        "wsgi.input_terminated": True,
    }
    if client and client[1]:
        environ["REMOTE_PORT"] = str(client[1])
    if server is not None and server[1] is not None:
        environ["SERVER_NAME"] = server[0]
        environ["SERVER_PORT"] = str(server[1])
    if endpoint.tls_environ:
        environ.update(endpoint.tls_environ)
    if endpoint.scheme == "https":
        environ["HTTPS"] = "on"
    else:
        # A proxy that is spoken to by TLS says that its client is not.
        environ.pop("HTTPS", None)
    return environ


def request_environ(base: Environ, request: Request, root_path: str, mounted: str) -> Environ:
    """The environ of one request, without what needs the exchange (`wsgi.input` and callables).

    root_path: the prefix that a proxy has stripped, or not, where the request does not tell one.
    mounted: the prefix that stands for the application here.
    """
    environ = base.copy()
    root_path = request.root_path or root_path
    path = request.path
    if PERCENT in path:
        path = unquote_to_bytes(path)
    # PEP 3333: text in environ is latin-1, so that no octet is lost.
    path_info = path.decode("latin-1")
    if root_path:
        path_info = strip_root(path_info, root_path)
    if mounted:
        path_info = strip_root(path_info, mounted)
    environ["REQUEST_METHOD"] = request.method
    environ["SCRIPT_NAME"] = root_path + mounted
    environ["PATH_INFO"] = path_info
    environ["QUERY_STRING"] = request.query.decode("latin-1")
    environ["RAW_URI"] = environ["REQUEST_URI"] = request.target.decode("latin-1")
    environ["SERVER_PROTOCOL"] = "HTTP/" + request.http_version
    add_fields(environ, request.fields)
    return environ


def strip_root(path: str, root_path: str) -> str:
    """The path below the root, whether a proxy has stripped the prefix already or not."""
    if path == root_path or path.startswith(root_path + "/"):
        return path[len(root_path) :]
    return path


def add_fields(environ: Environ, fields: list[tuple[bytes, bytes]]) -> None:
    """Header fields as HTTP_ variables; repeated ones joined (RFC 9110 section 5.3, RFC 6265
    section 5.4)."""
    for name, value in fields:
        key = KEYS.get(name)
        if key is None:
            key = learn_key(name)
        text = value.decode("latin-1")
        if key in environ:
            text = environ[key] + ("; " if key == "HTTP_COOKIE" else ",") + text
        environ[key] = text


def learn_key(name: bytes) -> str:
    key = "HTTP_" + name.decode("latin-1").upper().replace("-", "_")
    if len(KEYS) < REMEMBERED_KEYS:
        KEYS[name] = key
    return key
