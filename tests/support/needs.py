"""Programs that tests need and that pip does not bring.

Where one is missing its tests are skipped, with the reason. CI must not pass by leaving them out:
it sets TEST_REQUIRE_BROWSER=1, and then a missing one is a failure. (A variable that began with
BASCULE_ would be an unknown setting to the servers that tests start.)
"""

import os
import shutil
from typing import NoReturn

import pytest


def program(*names: str) -> str:
    """The path of the first of `names` that is there."""
    for name in names:
        if path := shutil.which(name):
            return path
    return missing(f"{names[0]} (on Debian: apt-get install {names[0]})")


def missing(what: str) -> NoReturn:
    """Skip this test, or fail it."""
    if os.environ.get("TEST_REQUIRE_BROWSER") == "1":
        pytest.fail(f"TEST_REQUIRE_BROWSER=1, and there is no {what}", pytrace=False)
    pytest.skip(f"there is no {what}")
