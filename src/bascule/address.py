"""Addresses to listen on: parsed once from what the operator typed, formatted once for people.

HOST:PORT      127.0.0.1:8000, [::1]:8000, :8000 (all interfaces), localhost (port 8000)
unix:PATH      a UNIX socket; unix:@NAME is in Linux's abstract namespace
fd://N         a listening socket that somebody opened before us
"""

from dataclasses import dataclass

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8000


@dataclass(frozen=True, slots=True)
class TCPAddress:
    """A TCP endpoint; `host` is a name, an IPv4 or an IPv6 literal without brackets."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class UnixAddress:
    """A UNIX socket in the file system, or with a leading @ in the abstract namespace."""

    path: str

    def __str__(self) -> str:
        return f"unix:{self.path}"


@dataclass(frozen=True, slots=True)
class FDAddress:
    """A listening socket inherited as file descriptor `fd`."""

    fd: int

    def __str__(self) -> str:
        return f"fd://{self.fd}"


Address = TCPAddress | UnixAddress | FDAddress


def parse_address(text: str) -> Address:
    """Parse one `--bind` value.

    Raises ValueError with a sentence that says what is wrong with it.
    """
    if text.startswith("unix:"):
        path = text.removeprefix("unix:").removeprefix("//")
        if not path or path == "@":
            raise ValueError(f"{text!r} has no path after 'unix:'")
        return UnixAddress(path)
    if text.startswith("fd://"):
        number = text.removeprefix("fd://")
        if not (number.isascii() and number.isdigit()):
            raise ValueError(f"{text!r} needs a number after 'fd://', such as fd://3")
        return FDAddress(int(number))
    return parse_tcp_address(text)


def parse_tcp_address(text: str) -> TCPAddress:
    """Parse HOST:PORT, where either half may be left out. Raises ValueError with a sentence."""
    if "://" in text:
        raise ValueError(f"{text!r} is a URL; give HOST:PORT, unix:PATH or fd://N")
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise ValueError(f"{text!r} is not [IPV6]:PORT")
        port = rest[1:]
    elif text.count(":") > 1:
        raise ValueError(f"{text!r} has several colons; write an IPv6 address as [{text}]:PORT")
    else:
        host, _, port = text.partition(":")
        if not host:
            host = "0.0.0.0"
    if not host:
        raise ValueError(f"{text!r} has no host")
    return TCPAddress(host, parse_port(port) if port else DEFAULT_PORT)


def parse_port(text: str) -> int:
    """Parse a TCP port, 0 to 65535; 0 lets the system choose. Raises ValueError with a
    sentence."""
    if not (text.isascii() and text.isdigit()) or int(text) > 65535:
        raise ValueError(f"{text!r} is not a port; a port is a number from 0 to 65535")
    return int(text)
