"""A PostgreSQL for tests, of their own, in a temporary folder and on a UNIX socket alone."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support.server import Server

# It refuses to run as root.
UNPRIVILEGED = ("postgres", "nobody")
# Nothing needs to survive here, so nothing waits for the disk.
OPTIONS = {"listen_addresses": "", "fsync": "off", "full_page_writes": "off", "jit": "off"}


def binaries() -> Path | None:
    """Where initdb and postgres are: on PATH, or where Debian puts those of each version."""
    on_path = shutil.which("initdb")
    folders = [Path(on_path).parent] if on_path else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in folders if (folder / "initdb").exists()), None)


@contextmanager
def postgresql_running(programs: Path) -> Iterator[str]:
    """Run a server; yields the folder of its socket, which is the HOST of its clients. Their user
    and their database are postgres."""
    folder = Path(tempfile.mkdtemp(prefix="postgresql-"))
    try:
        account = unprivileged()
        if "user" in account:
            os.chown(folder, account["user"], account["group"])
        data = folder / "data"
        done = subprocess.run(
            [programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "--no-sync"],
            cwd=folder,
            env={**os.environ, "LC_ALL": "C"},
            capture_output=True,
            text=True,
            timeout=50,
            **account,
        )
        assert done.returncode == 0, done.stderr
        with serving([programs / "postgres", "-D", data, "-k", folder], folder, account):
            yield str(folder)
    finally:
        shutil.rmtree(folder)


@contextmanager
def serving(command: list[Any], folder: Path, account: dict[str, Any]) -> Iterator[None]:
    options = [word for name, value in OPTIONS.items() for word in ("-c", f"{name}={value}")]
    process = subprocess.Popen(
        [*command, *options],
        cwd=folder,
        env={**os.environ, "LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        **account,
    )
    server = Server(process, 0, "postgresql")
    try:
        server.wait_for_output("ready to accept connections")
        yield
        # Its "fast" shutdown, which does not wait for clients.
        server.signal(signal.SIGINT)
        assert server.wait() == 0, server.output()
    except BaseException as error:
        server.kill()
        error.add_note(f"--- output of PostgreSQL ---\n{server.output()}")
        raise


def unprivileged() -> dict[str, Any]:
    """Whom to run as, for subprocess: this user, or one without privileges in place of root."""
    if os.geteuid() != 0:
        return {}
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    entry = next(names[name] for name in UNPRIVILEGED if name in names)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
