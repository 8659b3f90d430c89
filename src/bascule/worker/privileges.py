"""Give up root for another user, for good.

The order matters: everything that only root may do (binding ports, reading a private key, writing
a PID file) comes before, the first line of the application after. A step that fails ends the
process: to continue as root because a limit of the system was reached is how CVE-2014-0240 came
about.

HOME, USER and the like are left as they are, as under Gunicorn; a service manager sets them.
"""

import grp
import os
import pwd
from dataclasses import dataclass

from bascule.errors import UsageError

# The last one means "leave it" to the system calls.
MAX_ID = 2**32 - 2


@dataclass(frozen=True, slots=True)
class Identity:
    """The user and group that a process is to run as.

    uid, gid: the numbers.
    name: of the user, whose supplementary groups are taken as well; None where the system has no
        name for the number.
    source: the settings, for messages.
    """

    uid: int
    gid: int
    name: str | None
    source: str

    @property
    def is_current(self) -> bool:
        """Whether the process has this identity already, with no way back."""
        return _ids() == ({self.uid}, {self.gid})

    def assume(self) -> None:
        """Become this user: supplementary groups, group, user, and no way back.

        Raises UsageError where that is not allowed or has no effect. The process may have changed
        in part then, and must end.
        """
        if self.is_current:
            return
        try:
            os.setgroups(self.groups)
            os.setgid(self.gid)
            os.setuid(self.uid)
        except PermissionError:
            raise UsageError(
                f"{self.source}: only root may become another user or group, and this process "
                f"runs as user {os.geteuid()}.\nStart it as root, or leave the setting out."
            ) from None
        except OSError as error:
            raise UsageError(f"{self.source}: {error.strerror or error}.") from None
        self.verify()

    @property
    def groups(self) -> list[int]:
        """All groups of the user, the one to run as among them."""
        if self.name is None:
            return [self.gid]
        return os.getgrouplist(self.name, self.gid)

    def verify(self) -> None:
        """Check that the system has carried it out. Raises UsageError."""
        if not self.is_current or not set(os.getgroups()) <= {self.gid, *self.groups}:
            raise UsageError(f"{self.source}: the system has kept the process as it was.")
        if self.uid == 0:
            return
        try:
            os.seteuid(0)
        except PermissionError:
            return
        raise UsageError(
            f"{self.source}: the process could become root again.\n"
            "Start it without the capability CAP_SETUID, or as root."
        )


def _ids() -> tuple[set[int], set[int]]:
    """Return the user and group numbers of the process: real, effective, and saved where the
    system tells them."""
    users, groups = {os.getuid(), os.geteuid()}, {os.getgid(), os.getegid()}
    if hasattr(os, "getresuid"):
        users.update(os.getresuid())
        groups.update(os.getresgid())
    return users, groups


def wanted_identity(user: str | None, group: str | None) -> Identity | None:
    """Return the identity that --user and --group give, by names or numbers; None without them.

    Without --group it is the user's own group. Raises UsageError for unknown names.
    """
    if user is None and group is None:
        return None
    source = " ".join(
        f"{flag} {value}" for flag, value in (("--user", user), ("--group", group)) if value
    )
    entry = _user(user) if user is not None else _entry(os.geteuid())
    gid = _group(group) if group is not None else None
    if isinstance(entry, int):
        if gid is None:
            raise UsageError(
                f"{source}: the system knows no user of this number, and so no group of it.\n"
                "Give the group as well: --group."
            )
        return Identity(entry, gid, None, source)
    return Identity(entry.pw_uid, entry.pw_gid if gid is None else gid, entry.pw_name, source)


def _user(user: str) -> "pwd.struct_passwd | int":
    """Return the entry of a user, or a number that has none."""
    try:
        return pwd.getpwnam(user)
    except KeyError:
        pass
    if not _is_number(user):
        raise UsageError(f"--user {user}: this system has no such user.")
    return _entry(int(user))


def _entry(uid: int) -> "pwd.struct_passwd | int":
    try:
        return pwd.getpwuid(uid)
    except KeyError:
        return uid


def _group(group: str) -> int:
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        pass
    if not _is_number(group):
        raise UsageError(f"--group {group}: this system has no such group.")
    return int(group)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and int(text) <= MAX_ID
