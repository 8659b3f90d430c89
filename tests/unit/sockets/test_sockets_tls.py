"""TLS contexts from valid and invalid files, and the description of a connection."""

import itertools
import logging
import os
import ssl
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from bascule.errors import UsageError
from bascule.sockets.tls import (
    LOOK_EVERY,
    TLSFiles,
    WatchedContext,
    server_context,
    tls_environ,
    tls_extension,
)

AUTHORITY = trustme.CA()
SERVER = AUTHORITY.issue_cert("localhost")
OTHER = AUTHORITY.issue_cert("localhost")
ELLIPTIC = AUTHORITY.issue_cert("localhost", key_type=trustme.KeyType.ECDSA)
RSA = AUTHORITY.issue_cert("localhost", key_type=trustme.KeyType.RSA)
CLIENT_AUTHORITY = trustme.CA()
MIDDLE_AUTHORITY = CLIENT_AUTHORITY.create_child_ca()
CLIENT = MIDDLE_AUTHORITY.issue_cert("ann@example.test", common_name="Ann, B.")


@pytest.fixture
def files(tmp_path):
    """Write PEM files, and give their paths."""

    def write(**contents):
        paths = {}
        for name, content in contents.items():
            path = tmp_path / f"{name}.pem"
            path.write_bytes(content)
            paths[name] = str(path)
        return TLSFiles(**{"certfile": paths.pop("certfile", None), **paths})

    return write


def chain(leaf):
    return b"".join(blob.bytes() for blob in leaf.cert_chain_pems)


def key(leaf):
    return leaf.private_key_pem.bytes()


def encrypted(pem, password=b"secret", style=PrivateFormat.PKCS8):
    return load_pem_private_key(pem, None).private_bytes(
        Encoding.PEM, style, BestAvailableEncryption(password)
    )


def with_password(made, password):
    return TLSFiles(made.certfile, made.keyfile, password)


def refusal(made):
    with pytest.raises(UsageError) as refused:
        server_context(made, ["http/1.1"])
    return str(refused.value)


def connect(server, client=None):
    """Shake hands in memory; returns both ends, the server's first."""
    client = client or client_context()
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        server.wrap_bio(up, down, server_side=True),
        client.wrap_bio(down, up, server_hostname="localhost"),
    ]
    left = list(reversed(ends))
    for _ in range(10):
        for end in list(left):
            try:
                end.do_handshake()
                left.remove(end)
            except ssl.SSLWantReadError:
                pass
    assert not left
    return ends


def client_context(**options):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    AUTHORITY.configure_trust(context)
    for name, value in options.items():
        setattr(context, name, value)
    return context


# The context


@pytest.mark.parametrize("together", [True, False])
def test_a_certificate_and_its_key(files, together):
    if together:
        made = files(certfile=key(SERVER) + chain(SERVER))
    else:
        made = files(certfile=chain(SERVER), keyfile=key(SERVER))
    server, client = connect(server_context(made, ["http/1.1"]))
    assert server.version() == "TLSv1.3"
    assert client.getpeercert(True) == ssl.PEM_cert_to_DER_cert(chain(SERVER).decode())


@pytest.mark.parametrize("style", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_an_encrypted_key_with_its_password(files, style):
    made = files(certfile=chain(SERVER), keyfile=encrypted(key(SERVER), style=style))
    connect(server_context(with_password(made, "secret"), []))


def test_tls_1_2_is_the_least(files):
    context = server_context(files(certfile=key(SERVER) + chain(SERVER)), [])
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    old = client_context(maximum_version=ssl.TLSVersion.TLSv1_2)
    assert connect(context, old)[0].version() == "TLSv1.2"
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        older = client_context(
            minimum_version=ssl.TLSVersion.TLSv1_1, maximum_version=ssl.TLSVersion.TLSv1_1
        )
    older.set_ciphers("DEFAULT:@SECLEVEL=0")
    with pytest.raises(ssl.SSLError):
        connect(context, older)


def test_renegotiation_and_compression_are_off(files):
    context = server_context(files(certfile=key(SERVER) + chain(SERVER)), [])
    assert context.options & ssl.OP_NO_RENEGOTIATION
    assert context.options & ssl.OP_NO_COMPRESSION


@pytest.mark.parametrize(
    ("ours", "theirs", "chosen"),
    [
        (["h2", "http/1.1"], ["http/1.1", "h2"], "h2"),
        (["http/1.1"], ["h2", "http/1.1"], "http/1.1"),
        (["http/1.1"], ["spdy/3"], None),
        ([], ["http/1.1"], None),
    ],
)
def test_alpn_follows_the_server_s_preference(files, ours, theirs, chosen):
    context = server_context(files(certfile=key(SERVER) + chain(SERVER)), ours)
    client = client_context()
    client.set_alpn_protocols(theirs)
    assert connect(context, client)[0].selected_alpn_protocol() == chosen


def test_a_password_is_not_shown():
    assert "secret" not in repr(TLSFiles("a", "b", "secret"))


# Wrong files


def test_files_that_cannot_be_read(files, tmp_path):
    missing = str(tmp_path / "missing.pem")
    good = files(certfile=chain(SERVER))
    assert refusal(TLSFiles(missing)) == (
        f"--ssl-certfile {missing}: cannot be read: No such file or directory"
    )
    assert refusal(TLSFiles(good.certfile, missing)) == (
        f"--ssl-keyfile {missing}: cannot be read: No such file or directory"
    )
    both = files(certfile=key(SERVER) + chain(SERVER))
    assert refusal(TLSFiles(both.certfile, ca_certs=str(tmp_path))) == (
        f"--ssl-ca-certs {tmp_path}: cannot be read: Is a directory"
    )


def test_a_certificate_that_is_not_pem(files):
    message = refusal(files(certfile=ssl.PEM_cert_to_DER_cert(chain(SERVER).decode())))
    assert "holds no certificate in PEM" in message
    assert "openssl x509 -inform DER" in message


def test_a_key_that_is_missing(files):
    message = refusal(files(certfile=chain(SERVER)))
    assert message.startswith("--ssl-certfile ")
    assert "holds no private key in PEM. Give it with --ssl-keyfile." in message


def test_a_key_file_without_a_key(files):
    message = refusal(files(certfile=chain(SERVER), keyfile=chain(SERVER)))
    assert message.startswith("--ssl-keyfile ")
    assert message.endswith("holds no private key in PEM.")


@pytest.mark.parametrize(
    ("certificate", "private"), [(SERVER, OTHER), (RSA, ELLIPTIC), (ELLIPTIC, RSA)]
)
def test_a_key_of_another_certificate(files, certificate, private):
    made = files(certfile=chain(certificate), keyfile=key(private))
    assert f"does not belong to the certificate in {made.certfile}" in refusal(made)


@pytest.mark.parametrize("style", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_passwords_needed_and_wrong(files, style):
    made = files(certfile=chain(SERVER), keyfile=encrypted(key(SERVER), style=style))
    assert "Give its password with --ssl-keyfile-password" in refusal(made)
    assert "the password of the private key is wrong" in refusal(with_password(made, "guess"))
    assert "the password of the private key is wrong" in refusal(with_password(made, "x" * 5000))


def test_damaged_files(files):
    damaged = b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
    assert "cannot be used (" in refusal(files(certfile=chain(SERVER), keyfile=damaged))
    certificate = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    assert "cannot be used (" in refusal(files(certfile=certificate + key(SERVER)))
    made = files(certfile=key(SERVER) + chain(SERVER), ca_certs=certificate)
    assert refusal(made).startswith(f"--ssl-ca-certs {made.ca_certs}: cannot be used (")
    made = files(certfile=key(SERVER) + chain(SERVER), ca_certs=b"nothing")
    assert refusal(made) == f"--ssl-ca-certs {made.ca_certs}: holds no certificate in PEM."


# Client certificates


def authority_pem():
    return CLIENT_AUTHORITY.cert_pem.bytes()


def mutual(files, cert_reqs):
    made = files(certfile=key(SERVER) + chain(SERVER), ca_certs=authority_pem())
    return server_context(
        TLSFiles(made.certfile, ca_certs=made.ca_certs, cert_reqs=cert_reqs), ["http/1.1"]
    )


def ann(maximum=ssl.TLSVersion.TLSv1_3):
    context = client_context(maximum_version=maximum)
    CLIENT.configure_cert(context)
    return context


@pytest.mark.parametrize("cert_reqs", ["optional", "required"])
def test_certificates_of_clients_need_something_to_check_them_by(files, cert_reqs):
    made = files(certfile=key(SERVER) + chain(SERVER))
    message = refusal(TLSFiles(made.certfile, cert_reqs=cert_reqs))
    assert message.startswith(f"--ssl-cert-reqs {cert_reqs}: --ssl-ca-certs must name")


def test_a_required_certificate_is_required(files):
    context = mutual(files, "required")
    connect(context, ann())
    with pytest.raises(ssl.SSLError, match="PEER_DID_NOT_RETURN_A_CERTIFICATE"):
        connect(context)


def test_an_optional_certificate_is_checked_when_shown(files):
    context = mutual(files, "optional")
    connect(context)
    connect(context, ann())
    stranger = client_context()
    trustme.CA().issue_cert("x@example.test").configure_cert(stranger)
    with pytest.raises(ssl.SSLError, match="CERTIFICATE_VERIFY_FAILED"):
        connect(context, stranger)


def test_authorities_without_asking_for_certificates_are_pointed_out(files, caplog):
    context = mutual(files, "none")
    assert "--ssl-ca-certs has no effect without --ssl-cert-reqs" in caplog.text
    server, _ = connect(context, ann())
    assert tls_extension(server)["client_cert_chain"] == []


# The description for applications


def test_the_extension_without_a_client_certificate(files):
    context = server_context(files(certfile=key(SERVER) + chain(SERVER)), ["http/1.1"])
    server, _ = connect(context)
    told = tls_extension(server)
    assert told.pop("cipher_suite") in (0x1301, 0x1302, 0x1303)
    assert told == {
        "server_cert": SERVER.cert_chain_pems[0].bytes().decode(),
        "client_cert_chain": [],
        "client_cert_name": None,
        "client_cert_error": None,
        "tls_version": 0x0304,
    }


def test_numbers_are_those_of_the_rfcs(files):
    context = server_context(files(certfile=key(RSA) + chain(RSA)), [])
    client = client_context(maximum_version=ssl.TLSVersion.TLSv1_2)
    client.set_ciphers("ECDHE-RSA-AES128-GCM-SHA256")
    told = tls_extension(connect(context, client)[0])
    assert told["tls_version"] == 0x0303
    assert told["cipher_suite"] == 0xC02F  # RFC 5289


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_the_extension_with_a_client_certificate(files, version):
    server, _ = connect(mutual(files, "required"), ann(version))
    told = tls_extension(server)
    leaf = CLIENT.cert_chain_pems[0].bytes().decode()
    assert told["client_cert_chain"][0] == leaf
    # Before Python 3.13 `ssl` does not tell the rest of the chain.
    assert told["client_cert_chain"][1:] in (
        [],
        [blob.bytes().decode() for blob in CLIENT.cert_chain_pems[1:]],
    )
    name = told["client_cert_name"]
    assert name.startswith(r"CN=Ann\, B.,OU=Testing cert #")
    assert name.endswith(",O=trustme v" + trustme.__version__)


def test_a_context_of_somebody_else_tells_what_it_can():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    SERVER.configure_cert(context)
    told = tls_extension(connect(context)[0])
    assert told["server_cert"] is None
    assert told["cipher_suite"] is None
    assert told["tls_version"] == 0x0304


def test_the_environ_without_a_client_certificate(files):
    context = server_context(files(certfile=key(SERVER) + chain(SERVER)), [])
    environ = tls_environ(connect(context)[0])
    assert environ.pop("SSL_CIPHER").startswith("TLS_")
    assert environ == {"HTTPS": "on", "SSL_PROTOCOL": "TLSv1.3", "SSL_CLIENT_VERIFY": "NONE"}


def test_the_environ_with_a_client_certificate(files):
    environ = tls_environ(connect(mutual(files, "required"), ann())[0])
    assert environ["SSL_CLIENT_VERIFY"] == "SUCCESS"
    assert environ["SSL_CLIENT_CERT"] == CLIENT.cert_chain_pems[0].bytes().decode()
    assert environ["SSL_CLIENT_S_DN"].startswith(r"CN=Ann\, B.,")
    assert all(type(value) is str for value in environ.values())


# A certificate that changes


class Watched:
    """A context that is watched, on a clock of the test's."""

    def __init__(self, made, alpn=("http/1.1",)):
        self.times = itertools.count(0.0, LOOK_EVERY)
        self.watched = WatchedContext(made, alpn)
        assert not self.look()

    def look(self):
        return self.watched.look(next(self.times))

    def renewed(self):
        """A look that sees the change, and one that finds it settled."""
        return self.look(), self.look()

    def shows(self, client=None):
        """The certificate that a client gets."""
        _, end = connect(self.watched.context, client)
        return ssl.DER_cert_to_PEM_cert(end.getpeercert(True))


def certificate(leaf):
    return leaf.cert_chain_pems[0].bytes().decode()


def put(path, content):
    """Replace a file at once, as one should."""
    Path(f"{path}.new").write_bytes(content)
    os.replace(f"{path}.new", path)


def complaints(caplog):
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def test_nothing_changes(files):
    watched = Watched(files(certfile=chain(SERVER), keyfile=key(SERVER)))
    before = watched.watched.context
    assert watched.renewed() == (False, False)
    assert watched.watched.context is before


def test_new_pair(files, caplog):
    made = files(certfile=chain(SERVER), keyfile=key(SERVER))
    watched = Watched(made)
    before = watched.watched.context
    put(made.certfile, chain(OTHER))
    put(made.keyfile, key(OTHER))
    assert watched.renewed() == (False, True)
    assert watched.shows() == certificate(OTHER)
    assert watched.watched.context.certificate == certificate(OTHER)
    assert before.certificate == certificate(SERVER)
    assert not watched.look()
    assert complaints(caplog) == []


def test_protocols_are_kept(files):
    made = files(certfile=key(SERVER) + chain(SERVER))
    watched = Watched(made)
    put(made.certfile, key(OTHER) + chain(OTHER))
    assert watched.renewed() == (False, True)
    client = client_context()
    client.set_alpn_protocols(["h2", "http/1.1"])
    server, _ = connect(watched.watched.context, client)
    assert server.selected_alpn_protocol() == "http/1.1"


def test_file_that_is_written_in_place(files):
    made = files(certfile=key(SERVER) + chain(SERVER))
    watched = Watched(made)
    Path(made.certfile).write_bytes(key(OTHER) + chain(OTHER))
    assert watched.renewed() == (False, True)
    assert watched.shows() == certificate(OTHER)


def test_pair_that_takes_a_while_is_waited_for(files, caplog):
    made = files(certfile=chain(SERVER), keyfile=key(SERVER))
    watched = Watched(made)
    put(made.certfile, chain(OTHER))
    assert not watched.look()
    put(made.keyfile, key(OTHER))
    assert watched.renewed() == (False, True)
    assert watched.shows() == certificate(OTHER)
    assert complaints(caplog) == []


def test_pair_that_does_not_fit_is_not_used(files, caplog):
    made = files(certfile=chain(SERVER), keyfile=key(SERVER))
    watched = Watched(made)
    put(made.certfile, chain(OTHER))
    assert watched.renewed() == (False, False)
    assert watched.shows() == certificate(SERVER)
    assert watched.renewed() == (False, False)
    assert complaints(caplog) == [
        "the changed TLS files are not used, the former stay in use: "
        f"--ssl-keyfile {made.keyfile}: "
        f"the private key does not belong to the certificate in {made.certfile}."
    ]
    put(made.keyfile, key(OTHER))
    assert watched.renewed() == (False, True)
    assert watched.shows() == certificate(OTHER)


@pytest.mark.parametrize("content", [b"", b"-----BEGIN CERTIFICATE-----\nAAAA\n", None])
def test_files_that_are_none(files, caplog, content):
    made = files(certfile=key(SERVER) + chain(SERVER))
    watched = Watched(made)
    if content is None:
        os.unlink(made.certfile)
    else:
        put(made.certfile, content)
    assert watched.renewed() == (False, False)
    assert watched.renewed() == (False, False)
    assert watched.shows() == certificate(SERVER)
    (line,) = complaints(caplog)
    assert line.startswith("the changed TLS files are not used")
    assert "\n" not in line
    put(made.certfile, key(OTHER) + chain(OTHER))
    assert watched.renewed() == (False, True)


def test_link_that_leads_elsewhere(tmp_path):
    """As Kubernetes does it: files are links through a directory that is one, and is replaced."""
    for name, leaf in (("first", SERVER), ("second", OTHER)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "tls.crt").write_bytes(chain(leaf))
        (tmp_path / name / "tls.key").write_bytes(key(leaf))
    (tmp_path / "data").symlink_to("first")
    for name in ("tls.crt", "tls.key"):
        (tmp_path / name).symlink_to(f"data/{name}")
    watched = Watched(TLSFiles(str(tmp_path / "tls.crt"), str(tmp_path / "tls.key")))
    (tmp_path / "data.new").symlink_to("second")
    os.replace(tmp_path / "data.new", tmp_path / "data")
    assert watched.renewed() == (False, True)
    assert watched.shows() == certificate(OTHER)


def test_encrypted_key_that_changes(files, caplog):
    made = files(certfile=chain(SERVER), keyfile=encrypted(key(SERVER)))
    watched = Watched(with_password(made, "secret"))
    put(made.certfile, chain(OTHER))
    put(made.keyfile, encrypted(key(OTHER)))
    assert watched.renewed() == (False, True)
    assert watched.shows() == certificate(OTHER)
    put(made.keyfile, encrypted(key(OTHER), b"another"))
    assert watched.renewed() == (False, False)
    (line,) = complaints(caplog)
    assert "the password of the private key is wrong" in line


def test_authority_of_clients_that_changes(files):
    authority = trustme.CA()
    made = files(certfile=key(SERVER) + chain(SERVER), ca_certs=CLIENT_AUTHORITY.cert_pem.bytes())
    watched = Watched(TLSFiles(made.certfile, None, None, made.ca_certs, "required"))
    client = client_context()
    authority.issue_cert("bob@example.test").configure_cert(client)
    with pytest.raises(ssl.SSLError):
        connect(watched.watched.context, client)
    put(made.ca_certs, authority.cert_pem.bytes())
    assert watched.renewed() == (False, True)
    assert connect(watched.watched.context, client)[0].getpeercert()["subjectAltName"]


def test_looks_are_not_too_frequent(files, monkeypatch):
    watched = WatchedContext(files(certfile=key(SERVER) + chain(SERVER)), [])
    looked = []
    stat = os.stat
    monkeypatch.setattr(os, "stat", lambda path: looked.append(path) or stat(path))
    for now in (0.0, LOOK_EVERY - 0.1, LOOK_EVERY, LOOK_EVERY + 0.1):
        watched.look(now)
    assert len(looked) == 2
