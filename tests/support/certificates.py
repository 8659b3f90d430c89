"""Certificates made for a test run; nothing of them is kept."""

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trustme


@dataclass(frozen=True)
class Certificates:
    """Those of a server at 127.0.0.1 and of a client, by one authority; the files are PEM."""

    certfile: str
    keyfile: str
    ca_certs: str
    server_pem: str
    client_pem: str
    authority: trustme.CA
    client: trustme.LeafCert

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of a server that shows its certificate."""
        return {"ssl_certfile": self.certfile, "ssl_keyfile": self.keyfile}

    def context(self, *, with_client: bool = False, alpn: tuple[str, ...] = ()) -> ssl.SSLContext:
        """A client's context, which trusts the authority and shows the client's certificate."""
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        if with_client:
            self.client.configure_cert(context)
        if alpn:
            context.set_alpn_protocols(alpn)
        return context


def make_certificates(folder: Path) -> Certificates:
    """Make them in `folder`."""
    authority = trustme.CA()
    server = authority.issue_cert("127.0.0.1", "localhost")
    client = authority.issue_cert(
        "client@example.org", common_name="A client", organization_name="Example, Inc."
    )
    paths = [folder / name for name in ("server.pem", "server.key", "authority.pem")]
    server.cert_chain_pems[0].write_to_path(paths[0])
    server.private_key_pem.write_to_path(paths[1])
    authority.cert_pem.write_to_path(paths[2])
    return Certificates(
        *map(str, paths),
        server_pem=server.cert_chain_pems[0].bytes().decode(),
        client_pem=client.cert_chain_pems[0].bytes().decode(),
        authority=authority,
        client=client,
    )
