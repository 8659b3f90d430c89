"""Rules of PEP 3333 (WSGI) that servers and adapters have in common.

    read_status, status_line     "200 OK" taken apart, and made of 200
    encode_field                 a header of start_response as bytes
    base_environ, add_fields     the environ, and the keys of header fields in it
    field_name                   the field of such a key
    join, close                  the pieces of a result, and its end
    FileWrapper, kernel_file     `wsgi.file_wrapper`, and the file behind it

Text in an environ and in headers is latin-1 ("Unicode Issues"): every byte is one character, so
that no byte is lost. Status lines and names of fields repeat, so their translations are
remembered, up to a limit: clients can choose names.
"""

import io
import os
import stat
import sys
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from bascule.errors import ResponseError
from bascule.types import Environ, Headers

REMEMBERED = 1024

STATUSES: dict[str, tuple[int, bytes]] = {}
STATUS_LINES: dict[int, str] = {}
ENCODED_NAMES: dict[str, bytes] = {}
# Keys of header fields, and fields of keys. CONTENT_LENGTH and CONTENT_TYPE have no HTTP_
# ("environ Variables"); "" stands for a key that is no field.
KEYS: dict[bytes, str] = {b"content-length": "CONTENT_LENGTH", b"content-type": "CONTENT_TYPE"}
FIELD_NAMES: dict[str, bytes] = {
    "CONTENT_LENGTH": b"content-length",
    "CONTENT_TYPE": b"content-type",
    "HTTP_CONTENT_LENGTH": b"",
    "HTTP_CONTENT_TYPE": b"",
}


# "The start_response() Callable"


def read_status(status: str) -> tuple[int, bytes]:
    """Return the code of "200 OK" and its reason phrase, empty for the usual one of the code.
    Raises ResponseError."""
    known = STATUSES.get(status)
    return learn_status(status) if known is None else known


def learn_status(status: str) -> tuple[int, bytes]:
    if not isinstance(status, str):
        raise ResponseError(f"status is {type(status).__name__}, not a string such as '200 OK'")
    digits, _, reason = status.partition(" ")
    if not (len(digits) == 3 and digits.isascii() and digits.isdigit()):
        raise ResponseError(f"status {status!r} does not begin with three digits")
    code = int(digits)
    reason = reason.strip()
    try:
        known = (code, b"" if reason == usual_reason(code) else reason.encode("latin-1"))
    except UnicodeEncodeError:
        raise ResponseError(f"status {status!r} is not latin-1") from None
    if len(STATUSES) < REMEMBERED:
        STATUSES[status] = known
    return known


def usual_reason(code: int) -> str:
    """Return the reason phrase of RFC 9110 section 15; "" for a code that has none there."""
    try:
        return HTTPStatus(code).phrase
    except ValueError:
        return ""


def status_line(code: int) -> str:
    """Return "200 OK" for 200: start_response requires a reason phrase."""
    line = STATUS_LINES.get(code)
    if line is None:
        line = STATUS_LINES[code] = f"{code} {usual_reason(code) or 'Unknown'}"
    return line


def encode_field(name: str, value: str) -> tuple[bytes, bytes]:
    """Return a header as bytes. Raises ResponseError."""
    encoded = ENCODED_NAMES.get(name)
    try:
        if encoded is None:
            encoded = name.encode("latin-1")
            if len(ENCODED_NAMES) < REMEMBERED:
                ENCODED_NAMES[name] = encoded
        if type(value) is str:
            text = value
            data = text.encode("latin-1")
        else:
            data = value.encode("latin-1")
    except (AttributeError, UnicodeEncodeError):
        raise ResponseError(f"header {name!r}: {value!r} is not latin-1 text") from None
    if 10 in data or 13 in data or 0 in data:
        raise ResponseError(f"value of header {name!r} has a line break or a NUL: {value!r}")
    return encoded, data


# "environ Variables"


def base_environ(
    scheme: str,
    server: tuple[str, int | None] | None,
    client: tuple[str, int] | None,
    multithread: bool,
    multiprocess: bool,
) -> Environ:
    """Return the variables that do not depend on the request."""
    environ: Environ = {
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "443" if scheme == "https" else "80",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scheme,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": multithread,
        "wsgi.multiprocess": multiprocess,
        "wsgi.run_once": False,
        "wsgi.file_wrapper": FileWrapper,
        "wsgi.input_terminated": True,
    }
    if server is not None and server[1] is not None:
        environ["SERVER_NAME"] = server[0]
        environ["SERVER_PORT"] = str(server[1])
    if client is not None:
        environ["REMOTE_ADDR"] = client[0]
        if client[1]:
            environ["REMOTE_PORT"] = str(client[1])
    if scheme == "https":
        environ["HTTPS"] = "on"
    return environ


def strip_root(path: str, root: str) -> str:
    """Return the path below SCRIPT_NAME, whether `path` begins with it or not."""
    if path == root or path.startswith(root + "/"):
        return path[len(root) :]
    return path


def add_fields(environ: Environ, fields: Headers) -> None:
    """Add header fields, their names in lower case, as HTTP_ variables. Repeated fields are joined
    (RFC 9110 section 5.3, RFC 6265 section 5.4)."""
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
    if len(KEYS) < REMEMBERED:
        KEYS[name] = key
    return key


def field_name(key: str) -> bytes:
    """Return the name of the field that a key of an environ stands for; b"" for other keys."""
    name = FIELD_NAMES.get(key)
    if name is None:
        if not key.startswith("HTTP_"):
            return b""
        name = key[5:].lower().replace("_", "-").encode("latin-1")
        if len(FIELD_NAMES) < REMEMBERED:
            FIELD_NAMES[key] = name
    return name


# The result of the application


def join(pieces: Iterable[bytes]) -> bytes:
    """Return the pieces of a list as one. Raises ResponseError."""
    try:
        return b"".join(pieces)
    except TypeError as error:
        raise ResponseError(f"body pieces must be bytes: {error}") from None


def close(iterable: object) -> None:
    """Call close() of a result, if it has one: at the end of every request, also of one that has
    failed."""
    closer = getattr(iterable, "close", None)
    if closer is not None:
        closer()


class FileWrapper:
    """`wsgi.file_wrapper` ("Optional Platform-Specific File Handling")."""

    def __init__(self, filelike: Any, block_size: int = 65536) -> None:
        self.filelike = filelike
        self.block_size = block_size
        if hasattr(filelike, "close"):
            self.close = filelike.close

    def __iter__(self) -> "FileWrapper":
        return self

    def __next__(self) -> bytes:
        data: bytes = self.filelike.read(self.block_size)
        if not data:
            raise StopIteration
        return data


def kernel_file(file: Any) -> Any:
    """Return the file that the kernel can send in place of `file`, or None.

    A fileno() is not enough: the file of a GzipFile is compressed, and a pipe has neither a size
    nor a position.
    """
    while hasattr(file, "file"):
        # Wrappers of tempfile and of Django.
        file = file.file
    if not isinstance(getattr(file, "raw", file), io.FileIO):
        return None
    try:
        return file if stat.S_ISREG(os.fstat(file.fileno()).st_mode) else None
    except (OSError, ValueError):
        # Closed, or without a descriptor: reading it will raise the right error.
        return None
