"""The description of the machine and the versions, for the results."""

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path

from harness.environment import PYTHON
from harness.serving import app_environment

PACKAGES = (
    "bascule", "uvicorn", "granian", "gunicorn", "gunicorn_h1c", "hypercorn", "daphne", "waitress",
    "fastwsgi", "peregrine-server", "h2corn", "freastal", "django", "asgiref", "uvloop",
    "httptools", "aiofastnet", "websockets", "wsproto", "autobahn", "picows", "h2",
)  # fmt: skip


def describe() -> dict[str, object]:
    return {
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load_before": os.getloadavg()[0],
    }


def cpu_model() -> str:
    """The processor's name where Linux tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def versions() -> dict[str, str]:
    """Of the distributions installed in bench/.venv, in which this runs, and of wrk and h2load."""
    found = {"wrk": wrk_version(), "h2load": h2load_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def wrk_version() -> str:
    # wrk has no option that succeeds: -v prints the version and the usage, and exits with 1.
    done = subprocess.run(["wrk", "-v"], capture_output=True, text=True, check=False)
    return done.stdout.split(" [")[0].removeprefix("wrk ") or "unknown"


def h2load_version() -> str:
    done = subprocess.run(["h2load", "--version"], capture_output=True, text=True, check=False)
    return done.stdout.strip().removeprefix("h2load nghttp2/") or "unknown"


def bascule_says() -> str:
    """The line of `bascule --version`: compiled or pure, Python, loop."""
    done = subprocess.run(
        [str(PYTHON), "-m", "bascule", "--version"],
        capture_output=True, text=True, check=False, env=app_environment(),
    )  # fmt: skip
    first = done.stdout.strip().splitlines()
    return first[0] if done.returncode == 0 and first else "Bascule is not installed"
