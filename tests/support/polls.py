"""The example project, prepared for tests."""

import os
import subprocess
import sys
from pathlib import Path

POLLS = Path(__file__).parents[2] / "examples" / "polls"
DEMO = {"username": "demo", "password": "demo-bascule"}


def prepared(folder: Path) -> dict[str, str]:
    """A database and a folder for pictures in `folder`, as `manage.py demo` leaves them.

    Returns the variables that lead the project there.
    """
    env = {"POLLS_DATABASE": f"{folder}/polls.sqlite3", "POLLS_MEDIA": f"{folder}/media"}
    manage(env, "demo")
    return env


def manage(env: dict[str, str], command: str) -> None:
    run(env, "manage.py", command)


def run(env: dict[str, str], *args: str) -> None:
    """Run Python in the project's folder; it must succeed."""
    done = subprocess.run(
        [sys.executable, *args],
        cwd=POLLS,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert done.returncode == 0, done.stderr
