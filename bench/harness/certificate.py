"""The certificate of the TLS scenarios: made for this run, for 127.0.0.1, thrown away after a
day.
"""

import subprocess

from harness.environment import WORK

CERT = WORK / "cert.pem"
KEY = WORK / "key.pem"


def create() -> None:
    """Write a P-256 key (PKCS#8, the only form Granian reads) and its certificate into
    bench/work.
    """
    WORK.mkdir(parents=True, exist_ok=True)
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 "
        "-subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1 "
        "-addext basicConstraints=critical,CA:FALSE"
    )
    subprocess.run(
        [*command.split(), "-keyout", str(KEY), "-out", str(CERT)], check=True, capture_output=True
    )
