"""`bascule ctl`: send a command to a running server, and print the response."""

import json
import socket
from collections.abc import Sequence
from typing import Any

from bascule.errors import EXIT_FAILED, EXIT_OK, UsageError

COLUMNS = (
    "worker", "pid", "state", "age", "requests", "running", "connections", "memory", "generation",
    "why",
)  # fmt: skip
READ = 65536


def ask(path: str, command: str, arguments: Sequence[str], as_json: bool) -> int:
    """Send a command, print the response, and return the exit code. Raises UsageError."""
    answer = exchange(path, {"command": command, "argument": " ".join(arguments)})
    if as_json:
        print(json.dumps(answer, indent=2))
    elif "error" in answer:
        raise UsageError(answer["error"])
    else:
        print(answer["text"].rstrip("\n"))
        if answer.get("workers"):
            print(table(answer["workers"]))
    return EXIT_FAILED if "error" in answer else EXIT_OK


def exchange(path: str, question: dict[str, str]) -> dict[str, Any]:
    """Return the response of the server.

    Waits without a limit: a reload takes as long as a start.
    """
    data = b""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.connect(path)
            sock.sendall(json.dumps(question).encode() + b"\n")
            while piece := sock.recv(READ):
                data += piece
    except OSError as error:
        raise UsageError(
            f"cannot connect to the server at {path}: {error.strerror or error}"
        ) from None
    if not data:
        raise UsageError(f"the server at {path} ended before it responded")
    try:
        return json.loads(data)  # type: ignore[no-any-return]  # what json gives
    except ValueError:
        raise UsageError(
            f"the program at {path} is not a supervisor of Bascule; give --control the PATH that "
            "the server was given"
        ) from None


def table(workers: Sequence[dict[str, Any]]) -> str:
    """Return a line for each worker, under a heading; numbers are aligned to the right."""
    rows = [COLUMNS, *(cells(worker) for worker in workers)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    lines = []
    for row in rows:
        line = "  ".join(
            cell.ljust(width) if name in ("state", "why") else cell.rjust(width)
            for name, cell, width in zip(COLUMNS, row, widths, strict=True)
        )
        lines.append(line.rstrip())
    return "\n".join(lines)


def cells(worker: dict[str, Any]) -> tuple[str, ...]:
    shown = {**worker, "age": age(worker["age"]), "memory": f"{worker['rss'] / 2**20:.0f} MiB"}
    return tuple(str(shown[name]) for name in COLUMNS)


def age(seconds: float) -> str:
    """Return a duration in its two largest units: 2d 3h, 5m 10s."""
    parts: list[str] = []
    rest = int(seconds)
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, rest = divmod(rest, size)
        if count or (unit == "s" and not parts):
            parts.append(f"{count}{unit}")
    return " ".join(parts[:2])
