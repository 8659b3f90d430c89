"""The limit of open files: every connection is one in the server and one in the client, which both
have the limit of this process.
"""

import contextlib
import resource

from harness.measure import MeasurementFailed
from harness.scenarios import Scenario

SPARE = 500  # for what a server has open besides connections, and for those still closing


def raise_limit(wanted: int) -> None:
    """As far as the system lets this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted <= hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    elif soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        # Past the hard limit only with privileges; check_limit tells when it was needed.
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, wanted))


def needed(scenario: Scenario) -> int:
    return scenario.connections + SPARE


def check_limit(scenario: Scenario) -> None:
    """Raise `MeasurementFailed` when the scenario has more connections than may be open."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit < needed(scenario):
        raise MeasurementFailed(
            f"{needed(scenario):,} open files are needed, {limit:,} are allowed, and the limit "
            "could not be raised (see ulimit -n)"
        )
