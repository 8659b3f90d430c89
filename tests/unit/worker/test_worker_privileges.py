"""Becoming another user for good: in forked processes, of root's where that is needed."""

import grp
import os
import pwd
import resource

import pytest

from bascule.errors import UsageError
from bascule.worker.privileges import MAX_ID, Identity, wanted_identity
from support.forked import in_child

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")
NOBODY = pwd.getpwnam("nobody")
UNKNOWN = next(
    number
    for number in range(60000, 2**31)
    if number not in {entry.pw_uid for entry in pwd.getpwall()}
)


def ids():
    return os.getresuid(), os.getresgid(), set(os.getgroups())


# The user and the groups.


def test_nobody_is_wanted():
    assert wanted_identity(None, None) is None


@pytest.mark.parametrize("user", ["nobody", str(NOBODY.pw_uid)])
def test_user_brings_the_group(user):
    found = wanted_identity(user, None)
    assert (found.uid, found.gid, found.name) == (NOBODY.pw_uid, NOBODY.pw_gid, "nobody")


@pytest.mark.parametrize("group", ["daemon", str(grp.getgrnam("daemon").gr_gid)])
def test_group_that_is_said(group):
    found = wanted_identity("nobody", group)
    assert (found.uid, found.gid) == (NOBODY.pw_uid, grp.getgrnam("daemon").gr_gid)


def test_group_alone():
    found = wanted_identity(None, "daemon")
    assert (found.uid, found.gid) == (os.geteuid(), grp.getgrnam("daemon").gr_gid)


def test_numbers_that_the_system_does_not_know():
    found = wanted_identity(str(UNKNOWN), str(UNKNOWN + 1))
    assert (found.uid, found.gid, found.name) == (UNKNOWN, UNKNOWN + 1, None)
    assert found.groups == [UNKNOWN + 1]


@pytest.mark.parametrize(
    ("user", "group", "said"),
    [
        ("no-such-user", None, "--user no-such-user: this system has no such user"),
        ("nobody", "no-such-group", "--group no-such-group: this system has no such group"),
        (str(UNKNOWN), None, "Give the group as well"),
        (str(MAX_ID + 1), "daemon", "no such user"),
        ("nobody", str(MAX_ID + 1), "no such group"),
        ("-1", None, "no such user"),
        ("²", None, "no such user"),
    ],
)
def test_who_is_not_there(user, group, said):
    with pytest.raises(UsageError, match=said):
        wanted_identity(user, group)


# Becoming it.


@needs_root
@pytest.mark.parametrize("user", ["nobody", "www-data"])
def test_all_of_it_changes(user):
    wanted = wanted_identity(user, None)

    def become():
        os.setgroups([0, 1, 2])
        wanted.assume()
        return ids()

    uid, gid, groups = in_child(become)
    assert uid == (wanted.uid,) * 3
    assert gid == (wanted.gid,) * 3
    assert groups == set(wanted.groups)
    assert wanted.is_current is False


@needs_root
def test_number_without_an_entry():
    def become():
        Identity(UNKNOWN, UNKNOWN, None, "--user").assume()
        return ids()

    assert in_child(become) == ((UNKNOWN,) * 3, (UNKNOWN,) * 3, {UNKNOWN})


@needs_root
def test_group_alone_leaves_the_user():
    def become():
        wanted_identity(None, "daemon").assume()
        return ids()[:2]

    assert in_child(become) == ((0, 0, 0), (grp.getgrnam("daemon").gr_gid,) * 3)


@needs_root
def test_already_so_is_nothing_to_do():
    wanted = wanted_identity("nobody", None)

    def become():
        wanted.assume()
        wanted.assume()
        return ids()[0]

    assert in_child(become) == (wanted.uid,) * 3


@needs_root
def test_half_given_up_is_not_given_up():
    """An effective user alone can be taken back; so that is not taken for the real thing."""
    wanted = wanted_identity("nobody", None)

    def become():
        os.setresgid(wanted.gid, wanted.gid, 0)
        os.setresuid(wanted.uid, wanted.uid, 0)
        wanted.assume()

    with pytest.raises(UsageError, match="only root may become another user"):
        in_child(become)


@needs_root
def test_somebody_else_may_not():
    def become():
        os.setuid(UNKNOWN)
        wanted_identity("nobody", None).assume()

    with pytest.raises(UsageError, match=f"this process runs as user {UNKNOWN}"):
        in_child(become)


@needs_root
def test_limit_of_processes_is_not_passed_over_in_silence():
    """setuid() once failed, and the error was ignored (CVE-2014-0240)."""
    wanted = wanted_identity("nobody", None)

    def become():
        resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
        try:
            wanted.assume()
        except UsageError:
            return "refused"
        return ids()[0]

    assert in_child(become) in ("refused", (wanted.uid,) * 3)


@needs_root
def test_process_that_could_come_back_is_refused():
    """The kernel keeps the capabilities of one that asks for it (SECBIT_NO_SETUID_FIXUP)."""
    wanted = wanted_identity("nobody", None)

    def become():
        import ctypes

        pr_set_securebits, no_setuid_fixup = 28, 1 << 2
        assert ctypes.CDLL(None).prctl(pr_set_securebits, no_setuid_fixup, 0, 0, 0) == 0
        wanted.assume()

    with pytest.raises(UsageError, match="could become root again"):
        in_child(become)
