"""Database connections, where workers are forked from a process that has imported the project."""

import sys


def close_databases() -> None:
    """Close what was connected to while the project was imported.

    Two processes that talk over one connection garble it. Workers connect anew.
    """
    if "django.db" not in sys.modules:
        return
    from django.conf import settings
    from django.db import connections

    if not settings.configured:
        return
    for connection in connections.all(initialized_only=True):
        connection.close()
        close_pool = getattr(connection, "close_pool", None)
        if close_pool is not None:
            close_pool()
