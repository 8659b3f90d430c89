"""UNIX listening sockets: the file at the path decides.

nothing                            the socket is created there; its permissions follow the umask
a socket without a server          a server was killed there: the file is removed, then as above
a socket with a server             refused: taking the path would silently cut off the other server
anything else                      refused: it may be data

A path that starts with "@" is a name in Linux's abstract namespace, which has no file.
"""

import errno
import os
import socket
import stat
import sys
from typing import TypeVar

from bascule.address import UnixAddress
from bascule.errors import BindError

# sockaddr_un has 108 bytes, one of them for the final NUL (unix(7)).
PATH_LIMIT = 107


class UnixListener(socket.socket):
    """A listening UNIX socket that knows the file it created, so that no other is ever removed."""

    _owner = 0
    _path = ""
    _identity = (0, 0)

    def own(self, path: str) -> None:
        """Remember the file just created at `path` as this process's own."""
        found = os.stat(path)
        self._owner, self._path, self._identity = os.getpid(), path, (found.st_dev, found.st_ino)

    def take_over(self) -> None:
        """Be the one that removes the file, in the place of the process that created it."""
        name = self.getsockname()
        if isinstance(name, str) and name:
            self.own(name)

    def disown(self) -> None:
        """Leave the file to the process that has taken it over."""
        self._owner = 0

    def give_to(self, uid: int, gid: int) -> None:
        """Make the file created here that user's and group's. Raises OSError."""
        if self._owner == 0:
            return
        found = os.lstat(self._path)
        # Another user of the directory could have put another file there meanwhile.
        if (found.st_dev, found.st_ino) != self._identity:
            raise FileNotFoundError(errno.ENOENT, "it has been replaced")
        if (found.st_uid, found.st_gid) != (uid, gid):
            os.chown(self._path, uid, gid, follow_symlinks=False)

    def remove_file(self) -> None:
        """Remove the file if it is still the one this process created; a forked child keeps it."""
        if self._owner != os.getpid():
            return
        self._owner = 0
        try:
            found = os.lstat(self._path)
            if (found.st_dev, found.st_ino) == self._identity:
                os.unlink(self._path)
        except OSError:
            pass  # gone already, or the directory is read-only by now; a stale file costs nothing


Listener = TypeVar("Listener", bound=UnixListener)


def open_unix_listener(
    address: UnixAddress,
    backlog: int,
    kind: type[Listener] = UnixListener,  # type: ignore[assignment]  # python/mypy#3737
) -> Listener:
    """Open a non-blocking listening socket at the path, of this class.

    Raises BindError with a message for the operator.
    """
    abstract = address.path.startswith("@")
    if abstract and sys.platform != "linux":
        raise BindError(
            f"cannot listen on {address}: only Linux has abstract sockets.\n"
            "Give a path, such as unix:/run/app.sock"
        )
    name = "\0" + address.path[1:] if abstract else address.path
    if len(os.fsencode(name)) > PATH_LIMIT:
        raise BindError(
            f"cannot listen on {address}: the path has {len(os.fsencode(name))} bytes, "
            f"UNIX sockets allow {PATH_LIMIT}.\nTake a shorter one, such as unix:/run/app.sock"
        )
    listener = kind(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if not abstract:
            _clear_path(address)
        listener.bind(name)
        if not abstract:
            listener.own(name)
        listener.listen(backlog)
        listener.setblocking(False)
    except BaseException as exc:
        listener.remove_file()
        listener.close()
        if isinstance(exc, OSError) and not isinstance(exc, BindError):
            raise BindError(_explain(address, exc)) from None
        raise
    return listener


def _clear_path(address: UnixAddress) -> None:
    """Remove a socket file that a killed server left behind; BindError for anything else there."""
    try:
        mode = os.lstat(address.path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise BindError(
            f"cannot listen on {address}: the file at this path is not a socket.\n"
            f"Check it (ls -l {address.path}), move it away, or take another path."
        )
    if _is_stale(address):
        os.unlink(address.path)


def _is_stale(address: UnixAddress) -> bool:
    """Whether no server listens there; BindError if one does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(address.path)
        except ConnectionRefusedError:
            return True
        except FileNotFoundError:
            return False
        except OSError as exc:
            # EAGAIN is a listener with a full queue, EPROTOTYPE one of another socket type.
            if exc.errno not in (errno.EAGAIN, errno.EPROTOTYPE):
                raise
    raise BindError(
        f"cannot listen on {address}: another program listens there.\n"
        f"See which: ss -lxp src {address.path}. Or take another path."
    )


def _explain(address: UnixAddress, exc: OSError) -> str:
    head = f"cannot listen on {address}: "
    if exc.errno == errno.ENOENT:
        return f"{head}the directory does not exist.\nCreate it (systemd: RuntimeDirectory=)."
    if exc.errno == errno.EACCES:
        return (
            f"{head}no permission to create or reach a socket there.\n"
            "Take a directory that this user may write."
        )
    if exc.errno == errno.EADDRINUSE:
        return f"{head}another program uses this name.\nSee which: ss -lxp. Or take another name."
    return f"{head}{exc.strerror or exc}."


def unix_name(sockname: str | bytes) -> str:
    """Return a UNIX socket's name as an operator types it: abstract names with "@"."""
    if isinstance(sockname, bytes):
        return "@" + os.fsdecode(sockname[1:])
    return sockname
