"""Mount points: how they are written, what they serve, which of several wins."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.mounting import MountPoint, host_of, parse_mount_point


@pytest.mark.parametrize(
    ("text", "host", "prefix"),
    [
        ("/", "", ""),
        ("/api", "", "/api"),
        ("/api/", "", "/api"),
        ("/a/b.c", "", "/a/b.c"),
        ("/münchen", "", "/münchen"),
        ("api.example.com", "api.example.com", ""),
        ("API.Example.com/", "api.example.com", ""),
        ("api.example.com/v1", "api.example.com", "/v1"),
        ("*.example.com", "*.example.com", ""),
        ("[::1]/x", "[::1]", "/x"),
        ("127.0.0.1", "127.0.0.1", ""),
    ],
)
def test_what_is_read(text, host, prefix):
    assert parse_mount_point(text) == MountPoint(host, prefix)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "is empty"),
        ("example.com:80", "not a host without a port"),
        ("a b", "not a host"),
        ("*", "not a host"),
        ("a.*.b", "not a host"),
        ("//x", "not a path"),
        ("/a//b", "not a path"),
        ("/a?b", "not a path"),
        ("/a%20b", "not a path"),
        ("/a#b", "not a path"),
        ("/a b", "not a path"),
    ],
)
def test_what_is_refused(text, complaint):
    with pytest.raises(ValueError, match=complaint):
        parse_mount_point(text)


HOSTS = st.sampled_from(["", "a.example", "*.example", "[::1]"])
PREFIXES = st.sampled_from(["", "/a", "/a/b"])


@given(HOSTS, PREFIXES)
def test_what_is_written_is_read(host, prefix):
    point = MountPoint(host, prefix)
    assert parse_mount_point(str(point)) == point


@pytest.mark.parametrize(
    ("point", "host", "path", "serves"),
    [
        ("/", "any.example", "/x", True),
        ("/", "any.example", "*", True),
        ("/api", "h", "/api", True),
        ("/api", "h", "/api/x", True),
        ("/api", "h", "/apix", False),
        ("/api", "h", "/", False),
        ("/api", "h", "*", False),
        ("a.example", "a.example", "/", True),
        ("a.example", "b.a.example", "/", False),
        ("a.example", "", "/", False),
        ("*.example", "a.example", "/", True),
        ("*.example", "b.a.example", "/", True),
        ("*.example", "example", "/", False),
        ("*.example", "aexample", "/", False),
        ("a.example/x", "a.example", "/x/y", True),
        ("a.example/x", "a.example", "/y", False),
    ],
)
def test_what_is_its_own(point, host, path, serves):
    assert parse_mount_point(point).serves(host, path) is serves


def test_who_says_more_wins():
    texts = ["/", "/a", "/a/b", "*.example", "*.b.example", "b.example", "b.example/a"]
    points = sorted(map(parse_mount_point, texts), key=lambda point: point.precedence)
    assert list(map(str, points)) == [
        "b.example/a",
        "b.example",
        "*.b.example",
        "*.example",
        "/a/b",
        "/a",
        "/",
    ]


@pytest.mark.parametrize(
    ("authority", "host"),
    [
        ("Example.COM", "example.com"),
        ("example.com:8000", "example.com"),
        ("[::1]:8000", "[::1]"),
        ("[::1]", "[::1]"),
        ("", ""),
    ],
)
def test_the_host_of_a_host_field(authority, host):
    assert host_of(authority) == host
