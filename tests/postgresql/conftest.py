"""A PostgreSQL, and what is needed to ask it."""

from collections.abc import Callable, Iterator

import pytest

from support.needs import missing
from support.postgresql import binaries, postgresql_running


@pytest.fixture(scope="session")
def database() -> Iterator[str]:
    """The HOST of its clients."""
    programs = binaries()
    if programs is None:
        missing("PostgreSQL (on Debian: apt-get install postgresql)")
    try:
        import psycopg  # noqa: F401
    except ImportError:
        missing("psycopg (pip install --group postgresql)")
    with postgresql_running(programs) as host:
        yield host


@pytest.fixture
def connections(database: str) -> Iterator[Callable[[], int]]:
    """Counts the connections of the project, as PostgreSQL sees them."""
    import psycopg

    query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'activity'"
    with psycopg.connect(host=database, user="postgres", autocommit=True) as watching:

        def count() -> int:
            row = watching.execute(query).fetchone()
            assert row is not None
            number: int = row[0]
            return number

        yield count
