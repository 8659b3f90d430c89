"""A Redis for tests, of their own and without anything on disk."""

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.server import Server


@contextmanager
def redis_running(program: str, folder: Path) -> Iterator[str]:
    """Run `program`, a redis-server, on 127.0.0.1; yields its URL."""
    port = _free_port()
    options = {"port": str(port), "bind": "127.0.0.1", "save": "", "appendonly": "no"}
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    process = subprocess.Popen(
        [program, *words, "--dir", str(folder)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    redis = Server(process, port, "redis")
    try:
        redis.wait_for_output("Ready to accept connections")
        yield f"{redis.base_url}/0"
        redis.stop()
    except BaseException as error:
        redis.kill()
        error.add_note(f"--- output of Redis ---\n{redis.output()}")
        raise


def _free_port() -> int:
    """A port that was free a moment ago. Redis takes no socket from us as Bascule does."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]
