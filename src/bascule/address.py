"""Addresses to listen on: one parser for the operator's input, one format for people.

    HOST:PORT      127.0.0.1:8000, [::1]:8000, :8000 (all interfaces), localhost (port 8000)
    unix:PATH      a UNIX socket; unix:@NAME is in Linux's abstract namespace
    fd://N         a listening socket that this process inherits

    tcp://HOST:PORT, tls+tcp://HOST:PORT, unix+tcp:PATH, fd+tcp://N, udp://HOST:PORT, fd+udp://N
                   the same for what does not speak HTTP

A text that is nearly an address is refused with a hint at the right one. A name server or the
kernel would interpret it in another way, and report another error.
"""

import re
from dataclasses import dataclass
from ipaddress import IPv6Address

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8000


@dataclass(frozen=True, slots=True)
class TCPAddress:
    """A TCP endpoint.

    host: a name, an IPv4 address, or an IPv6 address without brackets.
    """

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
    """A listening socket, inherited as the file descriptor `fd`."""

    fd: int

    def __str__(self) -> str:
        return f"fd://{self.fd}"


Address = TCPAddress | UnixAddress | FDAddress

# The schemes of `ListenAddress`, each with the way in which its address is written.
TCP = "tcp"
TLS_TCP = "tls+tcp"
UNIX_TCP = "unix+tcp"
FD_TCP = "fd+tcp"
UDP = "udp"
FD_UDP = "fd+udp"
SCHEMES = (TCP, TLS_TCP, UNIX_TCP, FD_TCP, UDP, FD_UDP)


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """A place where clients are served that do not speak HTTP.

    scheme: one of SCHEMES.
    """

    scheme: str
    address: Address

    def __str__(self) -> str:
        address = self.address
        if isinstance(address, UnixAddress):
            return f"{self.scheme}:{address.path}"
        if isinstance(address, FDAddress):
            return f"{self.scheme}://{address.fd}"
        return f"{self.scheme}://{address}"

    @property
    def has_datagrams(self) -> bool:
        """Whether clients send datagrams, and do not connect."""
        return self.scheme in (UDP, FD_UDP)

    @property
    def is_encrypted(self) -> bool:
        """Whether clients begin with a TLS handshake."""
        return self.scheme == TLS_TCP


# Characters that no host name contains, not even an international one. They show that the text is
# a path or a list.
NOT_IN_HOSTS = re.compile(r"[\s,;/\\@?#\"'<>|]")


def parse_address(text: str) -> Address:
    """Parse one `--bind` value.

    Raises ValueError with a message for the operator.
    """
    if text.startswith("unix:"):
        path = text.removeprefix("unix:").removeprefix("//")
        if not path or path == "@":
            raise ValueError(f"{text!r} has no path after 'unix:'")
        return UnixAddress(path)
    if text.startswith("fd:"):
        number = text.removeprefix("fd:").removeprefix("//")
        if not (number.isascii() and number.isdigit()):
            raise ValueError(f"{text!r} needs a number after 'fd://', such as fd://3")
        if not text.startswith("fd://"):
            raise ValueError(f"{text!r} is not fd://N; give fd://{number}")
        return FDAddress(int(number))
    if text.startswith("@") or (text.startswith(("/", "./", "../", "~")) and len(text) > 1):
        raise ValueError(f"{text!r} has no host; for a UNIX socket give unix:{text}")
    return parse_tcp_address(text)


def parse_listen_address(text: str) -> ListenAddress:
    """Parse the address of a `--listen` value.

    Raises ValueError with a message for the operator.
    """
    scheme, colon, rest = text.partition(":")
    if not colon or scheme not in SCHEMES:
        raise ValueError(
            f"{text!r} does not begin with a scheme; give tcp://HOST:PORT, tls+tcp://HOST:PORT, "
            "unix+tcp:PATH, fd+tcp://N, udp://HOST:PORT or fd+udp://N"
        )
    if scheme in (UNIX_TCP, FD_TCP, FD_UDP):
        return ListenAddress(scheme, parse_address(f"{scheme.partition('+')[0]}:{rest}"))
    if not rest.startswith("//"):
        raise ValueError(f"{text!r} is not {scheme}://HOST:PORT")
    address = parse_tcp_address(rest[2:])
    if not rest.endswith(f":{address.port}"):
        raise ValueError(f"{text!r} has no port; give {scheme}://{address.host}:PORT")
    return ListenAddress(scheme, address)


def parse_tcp_address(text: str) -> TCPAddress:
    """Parse HOST:PORT, HOST or :PORT. Raises ValueError with a message for the operator."""
    if "://" in text:
        raise ValueError(f"{text!r} is a URL; give {_of_url(text)}")
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise ValueError(f"{text!r} is not [IPV6]:PORT")
        port = rest[1:]
    elif text.count(":") > 1:
        raise ValueError(
            f"{text!r} has several colons; write an IPv6 address as {_in_brackets(text)}"
        )
    else:
        host, _, port = text.partition(":")
        if not host and port:
            host = "0.0.0.0"
        _check_host(text, host, port)
    if not host:
        raise ValueError(f"{text!r} has no host")
    return TCPAddress(host, parse_port(port) if port else DEFAULT_PORT)


def _check_host(text: str, host: str, port: str) -> None:
    """Raise ValueError for a host that was probably meant as something else: the system would use
    the address 0.0.35.237 for 9197."""
    if host.isdigit() and host != "0":
        if port and "." in port:
            raise ValueError(f"{text!r} has the port in front; give {port}:{host}")
        number = port if port.isdigit() else host
        raise ValueError(
            f"{text!r} has no host; give :{number} for all interfaces, or "
            f"{DEFAULT_HOST}:{number} for this machine only"
        )
    found = NOT_IN_HOSTS.search(host)
    if found is not None:
        raise ValueError(f"{host!r} is not a host: no name has {found[0]!r} in it")


def _of_url(url: str) -> str:
    """Return the address to type instead of a URL."""
    scheme, _, rest = url.partition("://")
    address = re.split("[/?#]", rest, maxsplit=1)[0].rpartition("@")[2]
    if scheme not in ("http", "https", "tcp", "ws", "wss") or not address:
        return "HOST:PORT, unix:PATH or fd://N"
    tls = "; --ssl-certfile turns TLS on" if scheme in ("https", "wss") else ""
    return f"{address}{tls}"


def _in_brackets(text: str) -> str:
    """Return the right form of an IPv6 address, with or without a port."""
    host, _, port = text.rpartition(":")
    # After "::1:" a number of four digits can be either. In an address to listen on it is a port.
    if re.fullmatch("[0-9]{4,5}", port) and _is_ipv6(host):
        return f"[{host}]:{port}"
    return f"[{text}]:{DEFAULT_PORT}" if _is_ipv6(text) else "[IPV6]:PORT"


def _is_ipv6(text: str) -> bool:
    try:
        IPv6Address(text)
    except ValueError:
        return False
    return True


def parse_port(text: str) -> int:
    """Parse a TCP port, 0 to 65535; 0 lets the system choose one. Raises ValueError with a message
    for the operator."""
    if not (text.isascii() and text.isdigit()) or int(text) > 65535:
        raise ValueError(f"{text!r} is not a port; a port is a number from 0 to 65535")
    return int(text)
