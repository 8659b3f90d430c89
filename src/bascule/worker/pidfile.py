"""A file that holds the process number, for tools that need one.

The file at the path decides:

nothing, or an empty file              it is written
the number of no running process       that server was killed: the file is replaced
the number of a running process        refused: two servers would take each other's signals
anything else                          refused: it may be valuable data

The file appears whole: it is written under another name beside the path, and renamed.
"""

import logging
import os

from bascule.directory import absolute
from bascule.errors import UsageError

logger = logging.getLogger("bascule")

MODE = 0o644  # whatever the umask: others read it
LONGEST = 64  # bytes of an existing file that are read


class PidFile:
    """The file of this process at `path`."""

    def __init__(self, path: str) -> None:
        self.path = absolute(path)
        self._pid = 0

    def write(self, replacing: int = 0) -> None:
        """Write it.

        replacing: a process that may be named there although it runs.
        Raises UsageError that says why the file cannot be written.
        """
        try:
            self._write(os.getpid(), replacing)
        except OSError as error:
            raise UsageError(
                f"--pid {self.path}: cannot be written: {error.strerror or error}."
            ) from None

    def _write(self, pid: int, replacing: int) -> None:
        import tempfile  # lazily: with all that it imports, it takes memory that few servers need

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
        """Check what is at the path. Raises UsageError where that has to stay."""
        try:
            content = self._read()
        except FileNotFoundError:
            return
        if content and not (content.isdigit() and content.isascii()):
            raise UsageError(
                f"--pid {self.path}: this file holds something other than a process number.\n"
                "Look at it, move it away, or take another path."
            )
        # In a container a restarted server may get the number of the one before it.
        if content and int(content) not in (pid, replacing) and _is_running(int(content)):
            raise UsageError(
                f"--pid {self.path}: it names process {content}, which is running.\n"
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
            # The process gave up root. The next start replaces the file, which names no process.
            logger.warning("cannot remove --pid %s: %s", self.path, error.strerror or error)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return pid > 0
