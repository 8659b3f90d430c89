"""Addresses, hosts, response fields and root paths as settings."""

from typing import Any

import pytest

from bascule.address import FDAddress, TCPAddress, UnixAddress
from bascule.mounting import MountPoint
from bascule.settings.kinds import Kind
from bascule.settings.web_kinds import (
    SERVERS_OWN_FIELDS,
    AsgiExtensions,
    BindAddress,
    Host,
    Mount,
    PidPath,
    Port,
    ResponseField,
    RootPath,
    SocketPath,
    TrustedPeer,
)
from bascule.types import ANNOUNCED


def refusal(kind: Kind[Any], given: object) -> str:
    with pytest.raises(ValueError) as caught:  # noqa: PT011  callers compare the whole message
        kind.parse(given)
    return str(caught.value)


@pytest.mark.parametrize(
    "address",
    [TCPAddress("::1", 8443), TCPAddress("0.0.0.0", 80), UnixAddress("/run/a"), FDAddress(3)],
)
def test_bind_address_is_read_as_it_is_shown(
    address: TCPAddress | UnixAddress | FDAddress,
) -> None:
    assert BindAddress().parse(BindAddress().show(address)) == address


def test_bind_address_is_refused_with_the_reason() -> None:
    assert refusal(BindAddress(), "h:x").startswith("is not an address: 'x' is not a port;")
    assert "give HOST:PORT, unix:PATH or fd://N" in refusal(BindAddress(), 80)


@pytest.mark.parametrize(
    ("given", "host"),
    [
        ("localhost", "localhost"),
        ("0.0.0.0", "0.0.0.0"),
        ("::", "::"),
        ("fe80::1%eth0", "fe80::1%eth0"),
        ("[::1]", "::1"),
    ],
)
def test_host(given: str, host: str) -> None:
    assert Host().parse(given) == host


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("", "is not a host; give a name or an IP address, 0.0.0.0 for all interfaces"),
        (None, "is not a host; give a name or an IP address, 0.0.0.0 for all interfaces"),
        ("a:80", "has a port in it; give --host a and --port 80"),
        ("9197", "is a number; for a port give --port 9197"),
        ("unix:/a", "is not a host; give --bind unix:/a"),
        ("[::1]:80", "has a port in it; give --host ::1 and --port 80"),
    ],
)
def test_host_is_refused(given: object, sentence: str) -> None:
    assert refusal(Host(), given) == sentence


def test_url_is_no_host() -> None:
    assert refusal(Host(), "http://x").startswith("is not a host: 'http://x' is a URL")


@pytest.mark.parametrize(
    "given",
    ["X-A: b", "X-A:b", " X-A : \tb ", ("X-A", "b"), [b"X-A", b"b"]],
)
def test_response_field(given: object) -> None:
    assert ResponseField().parse(given) == (b"X-A", b"b")


def test_response_field_may_have_colons_and_latin_letters_in_its_value() -> None:
    field = ResponseField().parse("Link: <https://a/é>")
    assert field == (b"Link", "<https://a/é>".encode("latin-1"))
    assert ResponseField().parse(ResponseField().show(field)) == field


@pytest.mark.parametrize(
    ("given", "part"),
    [
        ("no colon", 'is not a header field; give "Name: value"'),
        (3, 'is not a header field; give "Name: value"'),
        ((1, 2, 3), 'is not a header field; give "Name: value"'),
        (": x", "'' is not a token"),
        ("X Y: x", "'X Y' is not a token"),
        ("Ä: x", "'Ä' is not a token"),
        ("X: a\r\nY: b", "has characters that a field value cannot have"),
        ("X: \0", "has characters that a field value cannot have"),
        ("X: €", "has characters that a field value cannot have"),
    ],
)
def test_response_field_is_refused(given: object, part: str) -> None:
    assert part in refusal(ResponseField(), given)


@pytest.mark.parametrize("name", sorted(SERVERS_OWN_FIELDS))
def test_fields_of_each_message_are_refused_for_all(name: str) -> None:
    assert "is not yours to set" in refusal(ResponseField(), f"{name.title()}: 1")


@pytest.mark.parametrize(
    ("given", "path"), [("", ""), ("/", ""), ("/shop", "/shop"), ("/a/b//", "/a/b")]
)
def test_root_path(given: str, path: str) -> None:
    assert RootPath().parse(given) == path


@pytest.mark.parametrize("given", ["shop", "http://a/", 3])
def test_root_path_is_refused(given: object) -> None:
    assert "does not begin with a slash" in refusal(RootPath(), given)


@pytest.mark.parametrize(
    ("given", "point", "target"),
    [
        ("/api=api.asgi:app", MountPoint("", "/api"), "api.asgi:app"),
        ("shop.example = shop.wsgi", MountPoint("shop.example", ""), "shop.wsgi"),
        ("/=legacy.wsgi:application", MountPoint("", ""), "legacy.wsgi:application"),
    ],
)
def test_mount(given: str, point: MountPoint, target: str) -> None:
    assert Mount().parse(given) == (point, target)
    assert Mount().parse(Mount().show((point, target))) == (point, target)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("/api", "is not a mount; give WHERE=TARGET, such as /api=api.asgi:app"),
        (3, "is not a mount; give WHERE=TARGET, such as /api=api.asgi:app"),
        ("/api=", "names no application behind the ="),
        ("=a:b", "is not a mount: is empty; give / for everything"),
        ("h:80=a:b", "is not a mount: 'h:80' is not a host without a port"),
    ],
)
def test_mount_is_refused(given: object, sentence: str) -> None:
    assert refusal(Mount(), given) == sentence


@pytest.mark.parametrize("peer", ["127.0.0.1", "::1", "10.0.0.0/8", "fd00::/8", "unix", "*"])
def test_peer_is_read_as_it_is_shown(peer: str) -> None:
    assert TrustedPeer().parse(peer) == TrustedPeer().show(peer) == peer


def test_peer_is_read_without_white_space_and_capitals() -> None:
    assert TrustedPeer().parse(" UNIX ") == "unix"
    assert TrustedPeer().parse("2001:DB8::/32") == "2001:db8::/32"


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("localhost", "is neither an address nor a network; give 192.0.2.7, 10.0.0.0/8, unix"),
        ("10.0.0.1/8", "has bits behind its prefix; the network is 10.0.0.0/8"),
        (127, "is not text; give 192.0.2.7, 10.0.0.0/8, unix or *"),
    ],
)
def test_peer_is_refused_with_the_reason(given: object, sentence: str) -> None:
    assert refusal(TrustedPeer(), given).startswith(sentence)


@pytest.mark.parametrize(("given", "port"), [("8000", 8000), (0, 0), (65535, 65535)])
def test_port(given: object, port: int) -> None:
    assert Port().parse(given) == port


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (":80", "has a colon in it; give --port 80"),
        ("localhost:80", "has a host in it; give --bind localhost:80"),
        ("http", "is not a whole number; give 0 to 65535"),
        ("65536", "is out of range; give 0 to 65535"),
        ("tcp://10.0.0.1", "is not a whole number; give 0 to 65535"),
    ],
)
def test_port_is_refused(given: object, sentence: str) -> None:
    assert refusal(Port(), given) == sentence


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ("/run/a.sock", "/run/a.sock"),
        ("@name", "@name"),
        # Never a file that is called "unix:@name".
        ("unix:@name", "@name"),
        ("unix:/run/a.sock", "/run/a.sock"),
        ("unix:///run/a.sock", "/run/a.sock"),
    ],
)
def test_path_of_a_socket(given: str, path: str) -> None:
    assert SocketPath().parse(given) == path


@pytest.mark.parametrize("given", ["unix:", "unix:@", "@", ""])
def test_path_of_a_socket_is_refused(given: str) -> None:
    assert "no name" in refusal(SocketPath(), given) or "empty" in refusal(SocketPath(), given)


@pytest.mark.parametrize("given", ["app.pid", "/run/app.pid", "./9250", "run/9250", "app-1"])
def test_pid_file(given: str) -> None:
    assert PidPath().parse(given) == given


@pytest.mark.parametrize(
    ("given", "how"),
    [
        ("9250", "--port 9250"),
        (9250, "--port 9250"),
        (":9250", "--bind :9250"),
        ("0.0.0.0:9250", "--bind 0.0.0.0:9250"),
    ],
)
def test_a_pid_file_is_no_port(given: object, how: str) -> None:
    assert refusal(PidPath(), given) == (
        f"looks like an address, and would be the name of a file; to listen there give {how}, "
        f"for a file of that name ./{given}"
    )


NAMES = ("http.response.trailers", "tls")


@pytest.mark.parametrize(
    ("said", "value"),
    [
        ("tls,http.response.trailers", NAMES),
        (["TLS", "http.response.trailers"], NAMES),
        ([" tls , tls,http.response.trailers"], NAMES),
        ("none", ()),
        ([], ()),
        ("all", AsgiExtensions().names),
        ("+tls", ANNOUNCED),
        ("-tls", tuple(name for name in ANNOUNCED if name != "tls")),
    ],
)
def test_asgi_extensions(said: object, value: tuple[str, ...]) -> None:
    kind = AsgiExtensions()
    assert kind.parse(said) == value
    assert kind.parse(kind.plain(value)) == value


def test_asgi_extensions_that_are_added() -> None:
    assert set(AsgiExtensions().parse("+http.response.pathsend")) == {
        *ANNOUNCED,
        "http.response.pathsend",
    }


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("pathsend", "'pathsend', which is no ASGI extension"),
        ("+tls,http.response.trailers", "use one kind"),
        ("all,tls", "'all', which is no ASGI extension"),
        (3, "is not a list"),
    ],
)
def test_asgi_extensions_that_are_none(said: object, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        AsgiExtensions().parse(said)
