"""The kinds of settings that only a web server has: addresses, response fields, the root path."""

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any, cast, get_args

from bascule.address import (
    Address,
    ListenAddress,
    parse_address,
    parse_listen_address,
    parse_port,
    parse_tcp_address,
)
from bascule.mounting import MountPoint, parse_mount_point
from bascule.protocols.peers import TrustedPeers
from bascule.settings.kinds import NONE, Kind, Listing, Path, Text, Whole, Words
from bascule.types import ANNOUNCED, AsgiExtension

TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110 section 5.6.2
FORBIDDEN_IN_VALUE = re.compile(r"[^\t\x20-\x7e\x80-\xff]")  # RFC 9110 section 5.5

# Connection management and framing (RFC 9112 sections 6 and 9, RFC 9110 section 7.6.1) belong to
# each message; one value for every response would corrupt them.
SERVERS_OWN_FIELDS = frozenset(
    {
        "connection",
        "content-length",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)

# A port, or a host with a port.
AN_ADDRESS = re.compile(r"(?:[^/]*:)?[0-9]+")

HeaderField = tuple[bytes, bytes]


class BindAddress(Kind[Address]):
    """HOST:PORT, unix:PATH or fd://N."""

    metavar = "ADDRESS"

    def parse(self, value: object) -> Address:
        if not isinstance(value, str):
            raise ValueError("is not an address; give HOST:PORT, unix:PATH or fd://N")
        try:
            return parse_address(value)
        except ValueError as error:
            raise ValueError(f"is not an address: {error}") from None

    def plain(self, value: Any) -> str:
        return str(value)


class Listener(Kind[tuple[ListenAddress, str]]):
    """An address with its scheme and the application there, written "ADDRESS=TARGET"; "=TARGET"
    is left out for the main application."""

    metavar = "ADDRESS=TARGET"

    def parse(self, value: object) -> tuple[ListenAddress, str]:
        if not isinstance(value, str):
            raise ValueError("is not an address and an application; give tcp://HOST:PORT=TARGET")
        address, equals, target = (part.strip() for part in value.partition("="))
        if equals and not target:
            raise ValueError("names no application behind the =")
        try:
            return parse_listen_address(address), target
        except ValueError as error:
            raise ValueError(f"is not an address: {error}") from None

    def plain(self, value: Any) -> str:
        address, target = value
        return f"{address}={target}" if target else str(address)


class AsgiExtensions(Words[AsgiExtension]):
    """Names of ASGI extensions: a list of them, or changes (+NAME, -NAME) to the default."""

    all = "all"

    def __init__(self) -> None:
        self.names: tuple[AsgiExtension, ...] = get_args(AsgiExtension)
        super().__init__(cast("Kind[AsgiExtension]", Text("NAME")), ",")

    def parse(self, value: object) -> tuple[AsgiExtension, ...]:
        said = [str(word).strip().lower() for word in self._items(value)]
        if said == [NONE]:
            return ()
        if said == [self.all]:
            return self.names
        changes = [word for word in said if word[:1] in ("+", "-")]
        if changes and changes != said:
            raise ValueError("mixes names with and without + or -; use one kind")
        for word in said:
            if word.lstrip("+-") not in self.names:
                raise ValueError(
                    f"has {word!r}, which is no ASGI extension; give some of "
                    f"{', '.join(self.names)}, or {self.all}, or {NONE}"
                )
        wanted: set[str] = {*ANNOUNCED} if changes else {*said}
        for word in changes:
            if word[0] == "+":
                wanted.add(word[1:])
            else:
                wanted.discard(word[1:])
        return tuple(name for name in self.names if name in wanted)

    def plain(self, value: Any) -> Any:
        return list(value) or [NONE]


class Mount(Kind[tuple[MountPoint, str]]):
    """A mount point and the application there, written "WHERE=TARGET"."""

    metavar = "WHERE=TARGET"
    # For errors.
    written = "a mount; give WHERE=TARGET, such as /api=api.asgi:app"
    noun = "a mount"
    content = "application"

    def parse(self, value: object) -> tuple[MountPoint, str]:
        if not isinstance(value, str) or "=" not in value:
            raise ValueError(f"is not {self.written}")
        where, _, content = (part.strip() for part in value.partition("="))
        if not content:
            raise ValueError(f"names no {self.content} behind the =")
        try:
            return parse_mount_point(where), content
        except ValueError as error:
            raise ValueError(f"is not {self.noun}: {error}") from None

    def plain(self, value: Any) -> str:
        point, content = value
        return f"{point}={content}"


class StaticDirectory(Mount):
    """A mount point and the directory whose files are served there, written "WHERE=DIRECTORY"."""

    metavar = "WHERE=DIRECTORY"
    written = "WHERE=DIRECTORY, such as /static=./staticfiles"
    noun = "a mount point and a directory"
    content = "directory"

    def parse(self, value: object) -> tuple[MountPoint, str]:
        point, directory = super().parse(value)
        if "\0" in directory:
            raise ValueError("has a NUL character, which no path can have")
        return point, directory


class StaticDirectories(Listing[tuple[MountPoint, str]]):
    """Directories by their mount points; from Python and TOML also as a mapping."""

    def __init__(self) -> None:
        super().__init__(StaticDirectory(), ",")
        self.annotation = "str | Sequence[str] | Mapping[str, str | PathLike[str]]"

    def _items(self, value: object) -> Sequence[object]:
        if isinstance(value, Mapping):
            return [f"{where}={os.fspath(directory)}" for where, directory in value.items()]
        return super()._items(value)


class CacheControl(Kind[tuple[str, bytes]]):
    """A shell pattern of paths and their Cache-Control, written "PATTERN=VALUE"."""

    metavar = "PATTERN=VALUE"

    def parse(self, value: object) -> tuple[str, bytes]:
        if not isinstance(value, str) or "=" not in value:
            raise ValueError("is not PATTERN=VALUE, such as *.html=no-cache")
        pattern, _, directives = (part.strip() for part in value.partition("="))
        if not pattern or not directives:
            raise ValueError("is not PATTERN=VALUE, such as *.html=no-cache")
        if FORBIDDEN_IN_VALUE.search(directives):
            raise ValueError("has a character that no header field can have")
        return pattern, directives.encode("latin-1")

    def plain(self, value: Any) -> str:
        pattern, directives = value
        return f"{pattern}={directives.decode('latin-1')}"


class Host(Kind[str]):
    """A host name or an IP address; the port has an option of its own."""

    metavar = "HOST"

    def parse(self, value: object) -> str:
        if not isinstance(value, str) or not value:
            raise ValueError(
                "is not a host; give a name or an IP address, 0.0.0.0 for all interfaces"
            )
        if value.count(":") > 1 and not value.startswith("["):
            return value
        if value.startswith(("unix:", "fd:")):
            raise ValueError(f"is not a host; give --bind {value}")
        if value.isdigit():
            raise ValueError(f"is a number; for a port give --port {value}")
        try:
            address = parse_tcp_address(value)
        except ValueError as error:
            raise ValueError(f"is not a host: {error}") from None
        if value not in (address.host, f"[{address.host}]"):
            raise ValueError(
                f"has a port in it; give --host {address.host} and --port {address.port}"
            )
        return address.host


class Port(Whole):
    """A TCP port."""

    def __init__(self) -> None:
        super().__init__(0, 65535, metavar="PORT")

    def parse(self, value: object) -> int:
        host, colon, port = value.rpartition(":") if isinstance(value, str) else ("", "", "")
        if not colon or not port.isdigit():
            return super().parse(value)
        if host:
            raise ValueError(f"has a host in it; give --bind {value}")
        raise ValueError(f"has a colon in it; give --port {parse_port(port)}")


class SocketPath(Path):
    """The path of a UNIX socket, or "@" and a name in Linux's abstract namespace."""

    def parse(self, value: object) -> str:
        path = super().parse(value)
        if path.startswith("unix:"):
            # As --bind has it; no user wants a file of that name.
            path = path.removeprefix("unix:").removeprefix("//")
        if path in ("", "@"):
            raise ValueError("has no name; give a path, or @ and a name")
        return path


class PidPath(Path):
    """The path of a file for a number, which is no number itself: -p is the port elsewhere."""

    def __init__(self) -> None:
        super().__init__("FILE")

    def parse(self, value: object) -> str:
        path = super().parse(str(value) if type(value) is int else value)
        found = AN_ADDRESS.fullmatch(path)
        if found is not None:
            how = f"--bind {path}" if ":" in path else f"--port {path}"
            raise ValueError(
                f"looks like an address, and would be the name of a file; to listen there give "
                f"{how}, for a file of that name ./{path}"
            )
        return path


class TrustedPeer(Kind[str]):
    """A trusted proxy: an address, a network, "unix" or "*"."""

    metavar = "PEER"

    def parse(self, value: object) -> str:
        if not isinstance(value, str):
            raise ValueError("is not text; give 192.0.2.7, 10.0.0.0/8, unix or *")
        word = value.strip().lower()
        TrustedPeers([word])
        return word


class ResponseField(Kind[HeaderField]):
    """A header field for every response, written "Name: value" (RFC 9110 section 5)."""

    metavar = '"NAME: VALUE"'
    annotation = "str | tuple[str | bytes, str | bytes]"

    def parse(self, value: object) -> HeaderField:
        name, text = self._split(value)
        if not TOKEN.fullmatch(name):
            raise ValueError(
                f"has no field name before the colon; {name!r} is not a token (RFC 9110)"
            )
        if FORBIDDEN_IN_VALUE.search(text):
            raise ValueError("has characters that a field value cannot have")
        if name.lower() in SERVERS_OWN_FIELDS:
            raise ValueError(f"is not yours to set: {name} depends on each response")
        return name.encode("ascii"), text.encode("latin-1")

    def _split(self, value: object) -> tuple[str, str]:
        if isinstance(value, list | tuple) and len(value) == 2:
            name, text = (_decoded(part) for part in value)
        elif isinstance(value, str) and ":" in value:
            name, _, text = value.partition(":")
        else:
            raise ValueError('is not a header field; give "Name: value"')
        return name.strip(" \t"), text.strip(" \t")

    def plain(self, value: Any) -> str:
        name, text = value
        return f"{name.decode('ascii')}: {text.decode('latin-1')}"


def _decoded(part: object) -> str:
    return part.decode("latin-1") if isinstance(part, bytes) else str(part)


class RootPath(Kind[str]):
    """The path an application is mounted under: empty, or "/prefix" without a slash at the end."""

    metavar = "PATH"

    def parse(self, value: object) -> str:
        if not isinstance(value, str) or (value and not value.startswith("/")):
            raise ValueError("does not begin with a slash; give a path such as /shop")
        return value.rstrip("/")


class RequestPath(Kind[str]):
    """The path of a request, with its query if it has one."""

    metavar = "PATH"

    def parse(self, value: object) -> str:
        if not isinstance(value, str) or not value.startswith("/"):
            raise ValueError("does not begin with a slash; give a path such as /healthz")
        if not value.isascii() or not value.isprintable() or set(value) & set(' #"<>'):
            raise ValueError("has characters that a URL has percent-encoded, such as %20")
        return value
