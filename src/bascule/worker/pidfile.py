"""A file with the number of the process in it, for those whose tools want one.

What lies at the path decides:

nothing, or an empty file              it is written
the number of a process that is gone   the server was killed there: it is replaced
the number of one that runs            refused: two servers would take each other's signals
anything else                          refused: it may be somebody's data

The file appears whole: it is written under another name beside the path first.
"""

import logging
import os

from bascule.directory import absolute
from bascule.errors import UsageError

logger = logging.getLogger("bascule")

MODE = 0o644  # whatever the umask: others read it
LONGEST = 64  # octets that are looked at


class PidFile:
    """The file of this process at `path`."""

    def __init__(self, path: str) -> None:
        self.path = absolute(path)
        self._pid = 0

    def write(self, replacing: int = 0) -> None:
        """Write it. replacing: the process that may stand there, although it runs. Raises
        UsageError that says why not."""
        try:
            self._write(os.getpid(), replacing)
        except OSError as error:
            raise UsageError(
                f"--pid {self.path}: cannot be written: {error.strerror or error}."
            ) from None

    def _write(self, pid: int, replacing: int) -> None:
        import tempfile  # with what it needs itself, memory that few servers have a use for

        self._make_way(pid, replacing)
        directory, name = os.path.split(self.path)
        descriptor, written = tempfile.mkstemp(dir=directory, prefix=f".{name}.")
        try:
            with open(descriptor, "w") as file:
                file.write(f"{pid}\n")
                os.fchmod(descriptor, MODE)
            os.rename(written, self.path)
        except BaseException:
            os.unlink(written)
            raise
        self._pid = pid

    def _make_way(self, pid: int, replacing: int) -> None:
        """See what lies there. Raises UsageError where it has to stay."""
        try:
            content = self._read()
        except FileNotFoundError:
            return
        if content and not (content.isdigit() and content.isascii()):
            raise UsageError(
                f"--pid {self.path}: there is something else than a process number in this file.\n"
                "Look at it, move it away, or take another path."
            )
        # Its own number is that of the process before it in a container, where all begin with 1.
        if content and int(content) not in (pid, replacing) and _is_running(int(content)):
            raise UsageError(
                f"--pid {self.path}: it names process {content}, which runs.\n"
                "If that is another server, take another path; if it is something else that was "
                "given the number later, remove the file."
            )

    def _read(self) -> str:
        with open(self.path, encoding="latin-1") as file:
            return file.read(LONGEST).strip()

    def remove(self) -> None:
        """Remove the file if it is still this process's; a forked child leaves it."""
        if self._pid != os.getpid():
            return
        self._pid = 0
        try:
            if self._read() == str(os.getpid()):
                os.unlink(self.path)
        except FileNotFoundError:
            pass
        except OSError as error:
            # Of somebody who is not root any more. The next start finds that it is out of date.
            logger.warning("--pid %s stays: %s", self.path, error.strerror or error)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return pid > 0
