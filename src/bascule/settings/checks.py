"""Checks of several values together: missing files, options that need or contradict each other.

Each check yields complaints; a complaint whose options could not even be parsed is dropped,
because it would only repeat the first one in other words.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bascule.settings.findings import DEFAULT, Source, finding
from bascule.settings.options import OPTIONS
from bascule.settings.values import Values

FILES = ("ssl_certfile", "ssl_keyfile", "ssl_ca_certs", "log_config")
LOG_CONFIG_SUFFIXES = (".json", ".toml", ".ini", ".conf", ".yaml", ".yml")
NEEDS_CERTIFICATE = ("ssl_keyfile", "ssl_keyfile_password", "ssl_ca_certs", "ssl_cert_reqs")


@dataclass(frozen=True, slots=True)
class Complaint:
    """A mistake: the first name is the wrong setting, the others are those that show it."""

    names: tuple[str, ...]
    text: str


Examination = Callable[[Values], Iterator[Complaint]]


def check_files(settings: Values) -> Iterator[Complaint]:
    """Files that are named can be opened."""
    for name in FILES:
        path = getattr(settings, name)
        problem = why_unreadable(path) if path is not None else ""
        if problem:
            yield Complaint((name,), f"{path!r} {problem}")


def why_unreadable(path: str) -> str:
    """Return the reason why a file cannot be opened for reading, or nothing."""
    try:
        with open(path, "rb"):
            return ""
    except FileNotFoundError:
        return "does not exist"
    except OSError as error:
        return f"cannot be read: {error.strerror}"


def check_control(settings: Values) -> Iterator[Complaint]:
    """The socket of operators is guarded by the permissions of its file."""
    if settings.control is not None and settings.control.startswith("@"):
        text = "has no file, whose permissions keep others out; give a path"
        yield Complaint(("control",), f"{settings.control!r} {text}")


def check_directories(settings: Values) -> Iterator[Complaint]:
    """Directories that are named are there."""
    if settings.app_dir and not os.path.isdir(settings.app_dir):
        yield Complaint(("app_dir",), f"{settings.app_dir!r} is not a directory")
    for path in settings.reload_dir:
        if not os.path.isdir(path):
            yield Complaint(("reload_dir",), f"{path!r} is not a directory")


def check_log_config(settings: Values) -> Iterator[Complaint]:
    """The suffix tells the format, so it must be one of ours."""
    path = settings.log_config
    if path is not None and not path.endswith(LOG_CONFIG_SUFFIXES):
        suffixes = " or ".join(LOG_CONFIG_SUFFIXES)
        yield Complaint(
            ("log_config",), f"{path!r} has a suffix that tells no format; give {suffixes}"
        )


def check_tls(settings: Values) -> Iterator[Complaint]:
    """Each setting of TLS has an effect, and client certificates that are required are checked."""
    if settings.ssl_certfile is None:
        for name in NEEDS_CERTIFICATE:
            if getattr(settings, name) != OPTIONS[name].default:
                text = "has no use without a certificate; give --ssl-certfile as well"
                yield Complaint((name, "ssl_certfile"), text)
        return
    if settings.ssl_cert_reqs != "none" and settings.ssl_ca_certs is None:
        text = f"{settings.ssl_cert_reqs!r} needs --ssl-ca-certs, to check client certificates by"
        yield Complaint(("ssl_cert_reqs", "ssl_ca_certs"), text)
    if settings.ssl_cert_reqs == "none" and settings.ssl_ca_certs is not None:
        text = "checks nothing while clients are not asked; add --ssl-cert-reqs required"
        yield Complaint(("ssl_ca_certs", "ssl_cert_reqs"), text)


def check_fields(settings: Values) -> Iterator[Complaint]:
    """A response has one Server and one Date field (RFC 9110 section 5.3)."""
    added = {name.lower() for name, _ in settings.header}
    for name, option in ((b"server", "server_header"), (b"date", "date_header")):
        if name in added and getattr(settings, option):
            flag = OPTIONS[option].flag.replace("--", "--no-")
            text = f"adds a second {name.decode().title()} field; give {flag} as well"
            yield Complaint(("header", option), text)


def check_addresses(settings: Values) -> Iterator[Complaint]:
    """An address is listened on once; port 0 is a new address each time."""
    seen = set()
    for address in settings.bind:
        if address in seen and not str(address).endswith(":0"):
            yield Complaint(("bind",), f"has {address} twice")
        seen.add(address)


def check_listen(settings: Values) -> Iterator[Complaint]:
    """Each address has one application, and TLS has a certificate."""
    seen = set()
    for address, _ in settings.listen:
        if address in seen:
            yield Complaint(("listen",), f"has {address} twice")
        if address.is_encrypted and settings.ssl_certfile is None:
            text = f"has {address}, which needs a certificate; give --ssl-certfile as well"
            yield Complaint(("listen", "ssl_certfile"), text)
        seen.add(address)
    if settings.tcp_alpn and not any(one.is_encrypted for one, _ in settings.listen):
        text = "has no use without an address of --listen that begins with tls+tcp://"
        yield Complaint(("tcp_alpn", "listen"), text)


def check_mounts(settings: Values) -> Iterator[Complaint]:
    """Each request has one application."""
    seen = set()
    for point, _ in settings.mount:
        if point in seen:
            yield Complaint(("mount",), f"has {point} twice")
        elif str(point) == "/" and settings.target:
            text = "has / beside TARGET, which is served there; leave one of them out"
            yield Complaint(("mount", "target"), text)
        seen.add(point)


def check_static(settings: Values) -> Iterator[Complaint]:
    """Each path has one directory."""
    seen = set()
    for point, _ in settings.static:
        if point in seen:
            yield Complaint(("static",), f"has {point} twice")
        seen.add(point)


CHECKS: tuple[Examination, ...] = (
    check_files,
    check_control,
    check_directories,
    check_log_config,
    check_tls,
    check_fields,
    check_addresses,
    check_listen,
    check_mounts,
    check_static,
)


def check(settings: Values, sources: dict[str, Source], broken: set[str]) -> list[str]:
    """Return the findings of all checks."""
    return [
        finding(sources.get(complaint.names[0], DEFAULT), complaint.text)
        for examine in CHECKS
        for complaint in examine(settings)
        if broken.isdisjoint(complaint.names)
    ]
