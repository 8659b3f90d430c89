"""How much memory four workers take, with and without --preload.

    python -m studies.preload [--workers N] [--json FILE]

Run it with Bascule and Django installed, or with PYTHONPATH=src. The Django site of the
benchmarks is served, and each worker has answered before anything is read. PSS counts a page that
several processes share by its share in each, USS only pages that are not shared; both are sums,
from /proc/PID/smaps_rollup. No time is measured.
"""

import argparse
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BENCH = Path(__file__).resolve().parents[1]
DEADLINE = 60.0
POLL = 0.05
# Connections are spread over all workers, so each of them has some of these.
REQUESTS = 25
PATHS = ("/sync/", "/async/")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--json", help="a file for the numbers")
    options = parser.parse_args(arguments)
    rows = {
        "without --preload": measured(options.workers),
        "with --preload": measured(options.workers, "--preload"),
    }
    show(options.workers, rows)
    if options.json:
        with open(options.json, "w") as file:
            json.dump(rows, file, indent=1)
    return 0


def measured(workers: int, *args: str) -> dict[str, float]:
    """MB of a server's workers together, and of all its processes."""
    with tempfile.TemporaryFile() as log, tempfile.TemporaryDirectory() as work:
        socket_path = Path(work, "socket")
        command = [sys.executable, "-m", "bascule", "serve", "djangosite", "--app-dir", str(BENCH)]
        command += ["--uds", str(socket_path), "--workers", str(workers), "--log-level", "info"]
        process = subprocess.Popen(
            [*command, *args],
            cwd=work,
            env={**os.environ, "BENCH_WORK": work},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        try:
            wait_until_ready(process, log, workers)
            for _ in range(REQUESTS * workers):
                for path in PATHS:
                    ask(socket_path, path)
            processes = family(process.pid)
            # A process with children forks and does not serve.
            serving = [pid for pid in processes if len(family(pid)) == 1]
            assert len(serving) == workers, f"{len(serving)} workers, {workers} wanted"
            return {
                "workers_pss": total("Pss", serving),
                "workers_uss": total("Private_Clean", serving) + total("Private_Dirty", serving),
                "all_pss": total("Pss", processes),
            }
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(DEADLINE)


def wait_until_ready(process: subprocess.Popen, log, workers: int) -> None:
    until = time.monotonic() + DEADLINE
    while True:
        log.seek(0)
        said = log.read().decode()
        if said.count(" is ready after ") == workers:
            return
        if process.poll() is not None or time.monotonic() > until:
            raise SystemExit(f"the server does not start:\n{said}")
        time.sleep(POLL)


class UnixConnection(http.client.HTTPConnection):
    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.host)


def ask(socket_path: Path, path: str) -> None:
    connection = UnixConnection(str(socket_path), timeout=DEADLINE)
    connection.request("GET", path, headers={"Host": "localhost", "Connection": "close"})
    response = connection.getresponse()
    response.read()
    connection.close()
    if response.status != 200:
        raise SystemExit(f"{path} was answered {response.status}")


def family(pid: int) -> list[int]:
    """The process and all that descend from it, by the PPid that each has."""
    parents = {}
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            text = status.read_text()
        except OSError:
            continue  # it has ended
        parents[int(status.parent.name)] = int(re.search(r"^PPid:\s+(\d+)", text, re.MULTILINE)[1])
    found = [pid]
    for parent in found:
        found += [child for child, its_parent in parents.items() if its_parent == parent]
    return found


def total(field: str, pids: list[int]) -> float:
    """MB of this field of smaps_rollup, all processes together."""
    kilobytes = 0
    for pid in pids:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        kilobytes += int(re.search(rf"^{field}: +(\d+) kB", text, re.MULTILINE)[1])
    return kilobytes * 1024 / 1e6


def show(workers: int, rows: dict[str, dict[str, float]]) -> None:
    print(f"\nDjango, {workers} workers, MB together")
    print(f"  {'':20}{'PSS of workers':>16}{'USS of workers':>16}{'PSS of all':>12}")
    for name, row in rows.items():
        print(
            f"  {name:20}{row['workers_pss']:>16.1f}{row['workers_uss']:>16.1f}"
            f"{row['all_pss']:>12.1f}"
        )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
