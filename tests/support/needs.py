"""Requirements of tests that pip does not install: programs, and IPv6.

Where a program is missing its tests are skipped, with the reason. CI must not pass by leaving them
out: it sets TEST_REQUIRE_ALL=1, and then a missing one is a failure. (A variable that began with
BASCULE_ would be an unknown setting to the servers that tests start.)
"""

import os
import shutil
import socket
from typing import NoReturn

import pytest

REQUIRED = "TEST_REQUIRE_ALL"


def program(*names: str, package: str = "", path: str | None = None) -> str:
    """The path of the first of `names` that is there. package: Debian's, if it differs. path:
    where to look, in place of PATH."""
    for name in names:
        if found := shutil.which(name, path=path):
            return found
    return missing(f"{names[0]} (on Debian: apt-get install {package or names[0]})")


def missing(what: str) -> NoReturn:
    """Skip this test, or fail it."""
    if os.environ.get(REQUIRED) == "1":
        pytest.fail(f"{REQUIRED}=1, and there is no {what}", pytrace=False)
    pytest.skip(f"there is no {what}")


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 loopback")
