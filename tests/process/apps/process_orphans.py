"""An application whose programs start others and leave them behind."""

import os
import subprocess

kept = []


def orphan():
    """The number of a process that has lost its parent, and ends."""
    # It lives until this end of the pipe is closed, which is behind its parent's end.
    reader, writer = os.pipe()
    told = subprocess.run(
        ["/bin/sh", "-c", "cat <&0 >/dev/null & echo $!"],
        stdin=reader,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    os.close(reader)
    os.close(writer)
    return told.stdout.strip()


def start():
    """Start a program that ends with a code, which is not asked for yet."""
    kept.append(subprocess.Popen(["/bin/sh", "-c", "exit 7"]))
    os.waitid(os.P_PID, kept[-1].pid, os.WEXITED | os.WNOWAIT)
    return "started"


def ask():
    return str(kept.pop().wait())


def zombies():
    """The zombies: processes that have ended and were not reaped."""
    found = []
    for name in os.listdir("/proc"):
        try:
            with open(f"/proc/{name}/stat") as file:
                line = file.read()
        except (OSError, ValueError):
            continue
        if line.rpartition(")")[2].split()[0] == "Z":
            found.append(line)
    return "".join(found)


def app(environ, start_response):
    body = globals()[environ["PATH_INFO"].lstrip("/")]()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [body.encode()]
