"""The benchmark's own virtual environment: the peers, and Bascule built from this checkout.

Runs under whatever Python started `run.py`, so it needs the standard library only.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).resolve().parents[1]
CHECKOUT = BENCH.parent
VENV = BENCH / ".venv"
PYTHON = VENV / "bin" / "python"
WORK = BENCH / "work"
REQUIREMENTS = BENCH / "requirements.txt"

# The files that decide how Bascule is built. README.md and LICENSE are named in its metadata.
SOURCES = ("pyproject.toml", "setup.py", "README.md", "LICENSE", "src")
LEFTOVERS = shutil.ignore_patterns("__pycache__", "*.so", "*.c", "*.egg-info")

TOOLS = {
    "wrk": "wrk drives the servers: apt-get install wrk",
    "h2load": "h2load does so over HTTP/2: apt-get install nghttp2-client",
    "taskset": "taskset pins processes to a core: apt-get install util-linux",
    "openssl": "openssl makes the certificate of the TLS scenarios: apt-get install openssl",
}


class CannotRun(Exception):
    """The machine lacks something; the text says what, and how to get it."""


def check_machine(server_core: int, client_core: int) -> None:
    """Raise `CannotRun` unless Python is new enough, both cores may be used and every tool is
    there.
    """
    if sys.version_info < (3, 11):  # noqa: UP036 (any Python may start run.py)
        raise CannotRun(f"Python 3.11 or later is needed, this is {sys.version.split()[0]}")
    usable = os.sched_getaffinity(0)
    absent = sorted({server_core, client_core} - usable)
    if absent or server_core == client_core:
        raise CannotRun(
            f"server and client need a core each; {server_core} and {client_core} were asked "
            f"for, this process may use {sorted(usable)} (see --server-core and --client-core)"
        )
    missing = [advice for tool, advice in TOOLS.items() if shutil.which(tool) is None]
    if missing:
        raise CannotRun("missing: " + "; ".join(missing))


def install() -> None:
    """Create or complete bench/.venv. Only what changed since the last run is installed again.

    Raises `CannotRun` when pip or the venv module fails; their own output is on the terminal.
    """
    if not (VENV / "bin" / "pip").exists():  # a venv without pip is what a failed attempt leaves
        call(
            [sys.executable, "-m", "venv", "--clear", str(VENV)],
            "create bench/.venv (apt-get install python3-venv)",
        )
    install_once("peers", digest([REQUIREMENTS]), ["--upgrade", "-r", str(REQUIREMENTS)])
    source = copy_source()
    install_once(
        "bascule", digest([source]), ["--force-reinstall", "--no-deps", str(source)], [str(source)]
    )


def install_once(name: str, fingerprint: str, *runs: list[str]) -> None:
    stamp = VENV / f"{name}.installed"
    if stamp.exists() and stamp.read_text() == fingerprint:
        return
    print(f"installing {name} into bench/.venv", flush=True)
    for arguments in runs:
        call([str(PYTHON), "-m", "pip", "install", "--quiet", *arguments], f"install {name}")
    stamp.write_text(fingerprint)


def copy_source() -> Path:
    """A copy without build leftovers: setuptools would put stale modules of the checkout's
    build/ into it.
    """
    target = WORK / "source"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for name in SOURCES:
        path = CHECKOUT / name
        if path.is_dir():
            shutil.copytree(path, target / name, ignore=LEFTOVERS)
        elif path.exists():
            shutil.copy2(path, target / name)
    return target


def digest(paths: list[Path]) -> str:
    """A fingerprint of files and folders: names and contents, not times."""
    total = hashlib.sha256()
    for root in paths:
        files = sorted(root.rglob("*")) if root.is_dir() else [root]
        for path in files:
            if path.is_file():
                total.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes())
    return total.hexdigest()


def call(command: list[str], purpose: str) -> None:
    try:
        subprocess.run(command, check=True, env=clean_environment())
    except (OSError, subprocess.CalledProcessError) as error:
        raise CannotRun(f"could not {purpose}: {error}") from error


def clean_environment(**more: str) -> dict[str, str]:
    """Only what a program needs: a stray PYTHONPATH or WEB_CONCURRENCY would change what is
    measured.
    """
    kept = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "SSL_CERT_FILE")
    pip = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    return {name: os.environ[name] for name in kept if name in os.environ} | pip | more
