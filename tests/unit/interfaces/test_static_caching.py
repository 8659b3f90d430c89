"""Cache-Control and Content-Type of files."""

import pytest

from bascule.interfaces.static.caching import FOREVER, CachePolicy
from bascule.interfaces.static.media_types import media_type


@pytest.mark.parametrize(
    ("path", "hashed"),
    [
        (b"assets/index-CfX8fQ3k.js", True),
        (b"assets/index-B4dF_9-a.css", True),
        (b"main.4f2a9c1be03d.css", True),
        (b"static/js/2.8f3a1b2c.chunk.js", True),
        (b"main.8f3a1b2c.js.map", True),
        (b"runtime-8f3a1b2c9d0e.js", True),
        (b"index.html", False),
        (b"my-component.js", False),
        (b"jquery-3.7.1.min.js", False),
        (b"a-beautiful.js", False),
        (b"logo-facebook.svg", False),
        (b"x.deadbeef.css", False),
        (b"font-awesome.css", False),
        (b"site-defaults.css", False),
    ],
)
def test_names_with_a_hash_by_their_form(path: bytes, hashed: bool) -> None:
    assert CachePolicy().is_hashed(path) is hashed


def test_a_manifest_counts_and_nothing_else() -> None:
    policy = CachePolicy(hashed={b"css/a.0123456789ab.css"})
    assert policy.field(b"css/a.0123456789ab.css") == FOREVER
    assert policy.field(b"css/b.0123456789ab.css") == b"public, max-age=60"


def test_max_age_and_patterns() -> None:
    policy = CachePolicy(5, patterns=[("*.html", b"no-store"), ("api/*", b"private")])
    assert policy.field(b"a/index.html") == b"no-store"
    assert policy.field(b"api/x.json") == b"private"
    assert policy.field(b"a.css") == b"public, max-age=5"
    assert CachePolicy(0).field(b"a.css") == b"no-cache"


@pytest.mark.parametrize(
    ("suffix", "expected"),
    [
        (".css", b"text/css; charset=utf-8"),
        (".JS", b"text/javascript; charset=utf-8"),
        (".mjs", b"text/javascript; charset=utf-8"),
        (".json", b"application/json"),
        (".html", b"text/html; charset=utf-8"),
        (".svg", b"image/svg+xml"),
        (".woff2", b"font/woff2"),
        (".wasm", b"application/wasm"),
        (".webp", b"image/webp"),
        (".mp4", b"video/mp4"),
        ("", b"application/octet-stream"),
        (".nothing", b"application/octet-stream"),
    ],
)
def test_media_types(suffix: str, expected: bytes) -> None:
    assert media_type(suffix) == expected
