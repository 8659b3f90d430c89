"""Opening files below a directory, and never outside it.

Paths are opened relative to a descriptor of the directory by openat2(2) with RESOLVE_BENEATH, so
that the kernel itself refuses "..", absolute symbolic links and anything that changes while it is
looked up. Where the kernel lacks it (before Linux 5.6, or behind a seccomp filter that does not
know it) each segment is opened on its own, with O_NOFOLLOW, and symbolic links are followed here.

Rejected: `os.path.realpath` and a comparison with the root. Between the comparison and the open,
another process can replace a directory by a link.
"""

import ctypes
import errno
import os
import stat
import struct
import sys
from dataclasses import dataclass

# Of <asm-generic/unistd.h>; the number is the same on every architecture but alpha.
SYS_OPENAT2 = 437
# Of <linux/openat2.h>.
RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_BENEATH = 0x08
# struct open_how: flags, mode, resolve.
OPEN_HOW = struct.Struct("=QQQ")

# A FIFO is opened without waiting for a writer, and a terminal does not become ours.
READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
DIRECTORY = os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY
# As many as the kernel follows in one path (path_resolution(7)).
MOST_LINKS = 40
# There is no such file, as far as clients may know.
ABSENT = frozenset(
    {
        errno.ENOENT,
        errno.ENOTDIR,
        errno.ELOOP,
        errno.EXDEV,
        errno.ENAMETOOLONG,
        errno.EINVAL,
        errno.ENXIO,
        errno.EISDIR,
        errno.ENODEV,
    }
)
OUTSIDE = "a symbolic link leads out of the directory"
# openat2 asks for another try when something was renamed while it resolved the path.
TRIES = 8


@dataclass(frozen=True, slots=True)
class Found:
    """A path below the root.

    fd: open for reading; the caller closes it. -1 for a directory.
    status: of the file.
    """

    fd: int
    status: os.stat_result

    @property
    def is_directory(self) -> bool:
        return self.fd < 0


class Tree:
    """A directory whose files are opened by relative paths.

    root: an absolute path. When it is replaced (a symbolic link that points to another release),
    `refresh` opens the new one.
    follow_symlinks: also follow links that lead out of the root. Within it they are followed.
    """

    __slots__ = ("_fd", "_identity", "_openat2", "follow_symlinks", "root")

    def __init__(self, root: str, follow_symlinks: bool = False) -> None:
        """Open the root. Raises OSError."""
        self.root = root
        self.follow_symlinks = follow_symlinks
        self._openat2 = _openat2()
        self._fd = os.open(root, DIRECTORY)
        self._identity = _identity(os.fstat(self._fd))

    def refresh(self) -> None:
        """Notice that the root is another directory than it was. Where there is none now, the one
        from before stays, as in the moment between two steps of a deployment."""
        try:
            if _identity(os.stat(self.root)) == self._identity:
                return
            fd = os.open(self.root, DIRECTORY)
        except OSError:
            return
        os.close(self._fd)
        self._fd = fd
        self._identity = _identity(os.fstat(fd))

    def close(self) -> None:
        """Give the descriptor back."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def open(self, path: bytes) -> Found | None:
        """Open a regular file, or find a directory; None where neither is there.

        path: relative, as `file_path` returns it; a slash at its end demands a directory.
        Raises PermissionError for what may not be read, and OSError when the system is short of
        something (descriptors, memory).
        """
        wants_directory = not path or path.endswith(b"/")
        try:
            fd = self._resolve(path.rstrip(b"/") or b".")
        except OSError as error:
            if error.errno in ABSENT:
                return None
            raise
        try:
            status = os.fstat(fd)
        except BaseException:
            os.close(fd)
            raise
        if stat.S_ISREG(status.st_mode) and not wants_directory:
            return Found(fd, status)
        os.close(fd)
        return Found(-1, status) if stat.S_ISDIR(status.st_mode) else None

    def _resolve(self, path: bytes) -> int:
        if self.follow_symlinks:
            return os.open(path, READ, dir_fd=self._fd)
        if self._openat2 is None:
            return self._walk(path)
        for _ in range(TRIES):
            try:
                return self._openat2(self._fd, path)
            except BlockingIOError:
                continue
            except OSError as error:
                if error.errno not in (errno.ENOSYS, errno.EPERM):
                    raise
                self._openat2 = None
                break
        return self._walk(path)

    def _walk(self, path: bytes) -> int:
        """Do what RESOLVE_BENEATH does, segment by segment."""
        pending = path.split(b"/")[::-1]
        directories = [os.dup(self._fd)]
        links = 0
        try:
            while pending:
                segment = pending.pop()
                if segment in (b"", b"."):
                    continue
                if segment == b"..":
                    if len(directories) == 1:
                        raise OSError(errno.EXDEV, OUTSIDE)
                    os.close(directories.pop())
                    continue
                try:
                    fd = os.open(segment, READ | os.O_NOFOLLOW, dir_fd=directories[-1])
                except OSError as error:
                    if error.errno != errno.ELOOP:
                        raise
                    links += 1
                    if links > MOST_LINKS:
                        raise
                    target = os.readlink(segment, dir_fd=directories[-1])
                    if target.startswith(b"/"):
                        raise OSError(errno.EXDEV, OUTSIDE) from None
                    pending += target.split(b"/")[::-1]
                    continue
                directories.append(fd)
                if pending and not stat.S_ISDIR(os.fstat(fd).st_mode):
                    raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
            return directories.pop()
        finally:
            for fd in directories:
                os.close(fd)


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _openat2() -> "_Openat2 | None":
    if not sys.platform.startswith("linux"):
        return None
    try:
        return _Openat2(ctypes.CDLL(None, use_errno=True).syscall)
    except (OSError, AttributeError):
        return None


class _Openat2:
    """openat2(2), which Python has no function for."""

    __slots__ = ("_how", "_syscall")

    def __init__(self, syscall: "ctypes._NamedFuncPointer") -> None:
        self._syscall = syscall
        self._syscall.restype = ctypes.c_long
        how = OPEN_HOW.pack(READ | os.O_LARGEFILE, 0, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS)
        self._how = ctypes.create_string_buffer(how, len(how))

    def __call__(self, directory: int, path: bytes) -> int:
        fd: int = self._syscall(
            ctypes.c_long(SYS_OPENAT2),
            ctypes.c_int(directory),
            ctypes.c_char_p(path),
            ctypes.byref(self._how),
            ctypes.c_size_t(OPEN_HOW.size),
        )
        if fd < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        return fd
