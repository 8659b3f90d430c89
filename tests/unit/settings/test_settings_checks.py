"""Checks between settings, and of the files they name."""

from pathlib import Path
from typing import Any

import pytest

from bascule.settings.checks import check
from bascule.settings.findings import Rank, Source
from bascule.settings.options import OPTIONS
from bascule.settings.values import Values


@pytest.fixture
def pem(tmp_path: Path) -> str:
    path = tmp_path / "some.pem"
    path.write_text("certificate")
    return str(path)


def findings(broken: set[str] | None = None, **values: Any) -> list[str]:
    """The findings about parsed values, without the places."""
    parsed = {name: OPTIONS[name].kind.parse(value) for name, value in values.items()}
    sources = {name: Source(Rank.SAID, "here", name) for name in values}
    found = check(Values(parsed, sources), sources, broken or set())
    assert all(line.startswith("here: ") for line in found)
    return [line.removeprefix("here: ") for line in found]


def test_defaults_are_right() -> None:
    assert check(Values(), {}, set()) == []


@pytest.mark.parametrize("name", ["ssl_certfile", "log_config"])
def test_missing_file(name: str) -> None:
    assert findings(**{name: "no/such.json"}) == [f"{name} 'no/such.json' does not exist"]


def test_unreadable_file(tmp_path: Path) -> None:
    path = str(tmp_path)
    assert findings(ssl_certfile=path) == [f"ssl_certfile {path!r} cannot be read: Is a directory"]


def test_directories(tmp_path: Path, pem: str) -> None:
    assert findings(app_dir=str(tmp_path), reload_dir=[str(tmp_path)]) == []
    assert findings(app_dir=pem, reload_dir=[str(tmp_path), "nowhere"]) == [
        f"app_dir {pem!r} is not a directory",
        "reload_dir 'nowhere' is not a directory",
    ]


def test_suffix_of_log_config(tmp_path: Path, pem: str) -> None:
    good = tmp_path / "log.toml"
    good.write_text("version = 1\n")
    assert findings(log_config=str(good)) == []
    assert findings(log_config=pem) == [
        f"log_config {pem!r} has a suffix that tells no format; give .json or .toml or .ini "
        "or .conf or .yaml or .yml"
    ]


def test_tls_without_a_certificate(pem: str) -> None:
    no_use = "has no use without a certificate; give --ssl-certfile as well"
    found = findings(
        ssl_keyfile=pem, ssl_ca_certs=pem, ssl_cert_reqs="required", ssl_keyfile_password="x"
    )
    assert found == [
        f"ssl_keyfile {no_use}",
        f"ssl_keyfile_password {no_use}",
        f"ssl_ca_certs {no_use}",
        f"ssl_cert_reqs {no_use}",
    ]


def test_client_certificates(pem: str) -> None:
    assert findings(ssl_certfile=pem, ssl_ca_certs=pem, ssl_cert_reqs="required") == []
    assert findings(ssl_certfile=pem, ssl_cert_reqs="optional") == [
        "ssl_cert_reqs 'optional' needs --ssl-ca-certs, to check client certificates by"
    ]
    assert findings(ssl_certfile=pem, ssl_ca_certs=pem) == [
        "ssl_ca_certs checks nothing while clients are not asked; add --ssl-cert-reqs required"
    ]


def test_fields_the_server_sends_itself() -> None:
    assert findings(header=["X-A: 1"]) == []
    assert findings(header=["Server: mine", "date: never"]) == [
        "header adds a second Server field; give --no-server-header as well",
        "header adds a second Date field; give --no-date-header as well",
    ]
    assert findings(header=["Server: mine"], server_header=False) == []


def test_address_twice() -> None:
    assert findings(bind=["a:1", "a:2", "a:0", "a:0"]) == []
    assert findings(bind=["a:1", "unix:x", "a:1"]) == ["bind has a:1 twice"]


def test_two_applications_at_one_place() -> None:
    assert findings(target="a:b", mount=["/x=a:b", "h/x=a:b"]) == []
    assert findings(mount=["/x=a:b", "/x/=c:d"]) == ["mount has /x twice"]
    assert findings(mount=["/=a:b", "/=c:d"]) == ["mount has / twice"]
    assert findings(target="a:b", mount=["/=c:d"]) == [
        "mount has / beside TARGET, which is served there; leave one of them out"
    ]


def test_what_rests_on_a_broken_option_is_not_complained_about(pem: str) -> None:
    assert findings(broken={"ssl_certfile"}, ssl_keyfile=pem) == []
