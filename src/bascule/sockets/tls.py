"""The server's TLS context, and the description of TLS connections for applications.

Everything is checked when the context is made, so that a wrong file is one readable line at the
start and not a failed handshake later.
"""

import logging
import os
import re
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from bascule.errors import UsageError
from bascule.sockets.names import distinguished_name

logger = logging.getLogger("bascule")

CERTIFICATE = re.compile(
    r"-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----.+?-----END [^-]+-----\n?", re.DOTALL
)
PRIVATE_KEY = re.compile(r"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----")

CERT_REQS = {
    "none": ssl.CERT_NONE,
    "optional": ssl.CERT_OPTIONAL,
    "required": ssl.CERT_REQUIRED,
}

# Numbers of the protocol versions (RFC 5246, RFC 8446) under the names that OpenSSL gives them.
VERSIONS = {"TLSv1": 0x0301, "TLSv1.1": 0x0302, "TLSv1.2": 0x0303, "TLSv1.3": 0x0304}

# OpenSSL's names for a key that is not the certificate's; the last for another kind of key.
FOREIGN_KEY = ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED")

# Seconds from one check of the files to the next. A check is three system calls.
LOOK_EVERY = 2.0


@dataclass(frozen=True, slots=True)
class TLSFiles:
    """The settings for TLS.

    certfile: the certificate and its chain, PEM.
    keyfile: the private key, PEM; None: it is in certfile.
    keyfile_password: for an encrypted key.
    ca_certs: certificates that sign those of clients, PEM.
    cert_reqs: "none", "optional" or "required" certificates of clients.
    """

    certfile: str
    keyfile: str | None = None
    keyfile_password: str | None = field(default=None, repr=False)
    ca_certs: str | None = None
    cert_reqs: str = "none"


class ServerContext(ssl.SSLContext):
    """An SSLContext that knows its own certificate, which OpenSSL does not give out."""

    certificate: str
    cipher_numbers: dict[str, int]


def server_context(files: TLSFiles, alpn: Sequence[str]) -> ServerContext:
    """Make the context for listening: TLS 1.2 and later, without compression or renegotiation.

    alpn: protocols by the server's preference, such as ["h2", "http/1.1"] (RFC 7301).
    Raises UsageError that names the file and what is wrong with it; never asks on the terminal.
    """
    context = ServerContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # Costs the server ten times what it costs the client (CVE-2011-1473); nothing needs it.
    context.options |= ssl.OP_NO_RENEGOTIATION
    if alpn:
        context.set_alpn_protocols(list(alpn))
    context.certificate = _read_certificate(files.certfile)
    _load_key(context, files)
    _check_clients(context, files)
    # OpenSSL numbers ciphers as SSL 2.0 did; the lower 16 bits are TLS's own number.
    context.cipher_numbers = {one["name"]: one["id"] & 0xFFFF for one in context.get_ciphers()}
    return context


# The identity of a file, links followed: it changes when the file is written anew or replaced,
# when a link leads to another (as certbot and Kubernetes do it), and when its permissions are
# corrected.
_Identity = tuple[int, int, int, int, int]


class WatchedContext:
    """The context for new connections, made anew when a file that it came from changes.

    `context` is replaced, never changed: a new pair that does not fit would leave a context that
    is in use without a key. Connections keep the one they began with.
    """

    def __init__(
        self,
        files: TLSFiles,
        alpn: Sequence[str],
        secret: bytes | None = None,
        tcp_alpn: Sequence[str] | None = None,
    ) -> None:
        """Make the first one. Raises UsageError as `server_context` does.

        secret: from which all workers derive the same keys for session tickets; None: each context
            has its own.
        tcp_alpn: the protocols of `tcp_context`; None without such addresses.
        """
        self._tcp_alpn = tcp_alpn
        self.tcp_context: ServerContext | None = None
        self._files = files
        self._alpn = alpn
        self._secret = secret
        self._used = self._identities()
        self._settling = self._used
        self._due = float("-inf")
        self.context = self._make(self._alpn)
        if tcp_alpn is not None:
            self.tcp_context = self._make_tcp(tcp_alpn)

    def _make_tcp(self, alpn: Sequence[str]) -> ServerContext:
        """Make the context of `--listen tls+tcp://`. A session of one context is not resumed with
        the other."""
        context = self._make(alpn, b"tcp")
        context.sni_callback = note_server_name
        return context

    def _make(self, alpn: Sequence[str], *purpose: bytes) -> ServerContext:
        files = self._files
        context = server_context(files, alpn)
        if self._secret is not None:
            from bascule.sockets.tickets import share_tickets

            named = [path for path in (files.certfile, files.ca_certs) if path is not None]
            parts = [_read("TLS", path).encode() for path in named]
            share_tickets(context, self._secret, files.cert_reqs.encode(), *parts, *purpose)
        return context

    def look(self, now: float) -> bool:
        """Check the files, when it is time to; True when there is a new context.

        Changed files are read when they have stayed the same from one check to the next, because
        certificate and key are seldom written at once. When they cannot be used, a log line gives
        the reason, and the context stays.

        now: of a clock that never goes back, in seconds. To be called as often as one likes.
        """
        if now < self._due:
            return False
        self._due = now + LOOK_EVERY
        found = self._identities()
        settled = found == self._settling
        self._settling = found
        if found == self._used or not settled:
            return False
        self._used = found
        try:
            context = self._make(self._alpn)
            tcp_alpn = self._tcp_alpn
            tcp_context = self._make_tcp(tcp_alpn) if tcp_alpn is not None else None
        except UsageError as error:
            reason = str(error).replace("\n", " ")
            logger.error("the changed TLS files are not used, the former stay in use: %s", reason)
            return False
        self.context = context
        self.tcp_context = tcp_context
        logger.info("new connections get the changed certificate: %s", self._files.certfile)
        return True

    def _identities(self) -> list[_Identity | None]:
        files = self._files
        named = (files.certfile, files.keyfile, files.ca_certs)
        return [_identity(path) for path in named if path is not None]


def _identity(path: str) -> _Identity | None:
    """Return the identity of a file; None where there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size


def _read_certificate(path: str) -> str:
    """The first certificate of a PEM file, which is the server's own."""
    found = CERTIFICATE.search(_read("--ssl-certfile", path))
    if found is None:
        raise UsageError(
            f"--ssl-certfile {path}: holds no certificate in PEM "
            '("-----BEGIN CERTIFICATE-----").\n'
            f"If it is DER: openssl x509 -inform DER -in {path} -out certificate.pem"
        )
    return found[0]


def _read(option: str, path: str) -> str:
    try:
        with open(path, encoding="latin-1") as file:
            return file.read()
    except OSError as exc:
        raise UsageError(f"{option} {path}: cannot be read: {exc.strerror or exc}") from None


def _load_key(context: ssl.SSLContext, files: TLSFiles) -> None:
    option = "--ssl-keyfile" if files.keyfile else "--ssl-certfile"
    path = files.keyfile or files.certfile
    if PRIVATE_KEY.search(_read(option, path)) is None:
        advice = "" if files.keyfile else " Give it with --ssl-keyfile."
        raise UsageError(f"{option} {path}: holds no private key in PEM.{advice}")
    password = _Password(files.keyfile_password)
    try:
        context.load_cert_chain(files.certfile, files.keyfile, password)
    except (ssl.SSLError, _PasswordNeeded, ValueError) as exc:
        raise UsageError(f"{option} {path}: {_key_trouble(exc, password, files)}") from None


class _PasswordNeeded(Exception):
    pass


class _Password:
    """Gives OpenSSL the password when it asks, which without one it would do on the terminal."""

    def __init__(self, password: str | None) -> None:
        self._password = password
        self.asked = False

    def __call__(self) -> str:
        self.asked = True
        if self._password is None:
            raise _PasswordNeeded
        return self._password


def _key_trouble(exc: Exception, password: _Password, files: TLSFiles) -> str:
    if isinstance(exc, _PasswordNeeded):
        return "the private key is encrypted. Give its password with --ssl-keyfile-password."
    reason = getattr(exc, "reason", None) or str(exc)
    if reason in FOREIGN_KEY:
        return f"the private key does not belong to the certificate in {files.certfile}."
    if password.asked:
        return f"the password of the private key is wrong ({reason})."
    return f"the certificate or its private key cannot be used ({reason})."


def _check_clients(context: ssl.SSLContext, files: TLSFiles) -> None:
    if files.ca_certs is None:
        if files.cert_reqs != "none":
            raise UsageError(
                f"--ssl-cert-reqs {files.cert_reqs}: --ssl-ca-certs must name the certificates "
                "that those of clients are checked by."
            )
        return
    if CERTIFICATE.search(_read("--ssl-ca-certs", files.ca_certs)) is None:
        raise UsageError(f"--ssl-ca-certs {files.ca_certs}: holds no certificate in PEM.")
    try:
        context.load_verify_locations(files.ca_certs)
    except ssl.SSLError as exc:
        raise UsageError(
            f"--ssl-ca-certs {files.ca_certs}: cannot be used ({exc.reason or exc})."
        ) from None
    context.verify_mode = CERT_REQS[files.cert_reqs]
    if files.cert_reqs == "none":
        logger.warning(
            "--ssl-ca-certs has no effect without --ssl-cert-reqs: no client is checked"
        )


def note_server_name(ssl_object: Any, name: str | None, context: ssl.SSLContext) -> None:
    """Keep the name that the client asks for (SNI, RFC 6066 section 3), which OpenSSL gives out
    in this callback alone."""
    ssl_object.requested_name = name


def server_name(ssl_object: Any) -> str | None:
    """Return the name that the client has asked for; None without."""
    name: str | None = getattr(ssl_object, "requested_name", None)
    return name


def tls_extension(ssl_object: Any) -> dict[str, object]:
    """The `tls` entry of an ASGI scope's extensions (ASGI TLS extension 0.2).

    ssl_object: of the transport, after the handshake. For one call per connection.
    `client_cert_error` is always None: a client whose certificate is wrong gets no connection.
    """
    context, chain = ssl_object.context, _client_chain(ssl_object)
    name, _, _ = ssl_object.cipher()
    known = isinstance(context, ServerContext)
    return {
        "server_cert": context.certificate if known else None,
        "client_cert_chain": chain,
        "client_cert_name": _client_name(ssl_object) if chain else None,
        "client_cert_error": None,
        "tls_version": VERSIONS.get(ssl_object.version()),
        "cipher_suite": context.cipher_numbers.get(name) if known else None,
    }


def tls_environ(ssl_object: Any) -> dict[str, str]:
    """Return the TLS variables of a WSGI environ, named as by Apache's mod_ssl (PEP 3333)."""
    chain = _client_chain(ssl_object)
    environ = {
        "HTTPS": "on",
        "SSL_PROTOCOL": ssl_object.version(),
        "SSL_CIPHER": ssl_object.cipher()[0],
        "SSL_CLIENT_VERIFY": "SUCCESS" if chain else "NONE",
    }
    if chain:
        environ["SSL_CLIENT_CERT"] = chain[0]
        environ["SSL_CLIENT_S_DN"] = _client_name(ssl_object)
    return environ


def _client_chain(ssl_object: Any) -> list[str]:
    """The certificates that the client sent, its own first; only that before Python 3.13."""
    leaf = ssl_object.getpeercert(True)
    if leaf is None:
        return []
    chain = getattr(ssl_object, "get_unverified_chain", lambda: None)() or [leaf]
    return [ssl.DER_cert_to_PEM_cert(der) for der in chain]


def _client_name(ssl_object: Any) -> str:
    return distinguished_name(ssl_object.getpeercert()["subject"])
