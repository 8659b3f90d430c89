"""Directories in front of applications: none stays open where one of them cannot be served."""

import os
from pathlib import Path

import pytest

from bascule.errors import UsageError
from bascule.interfaces.exchange import Interface
from bascule.settings import Settings
from bascule.worker.static import handing_over, in_front


def open_directories(root: Path) -> list[str]:
    """The descriptors of a directory."""
    names = [f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd")]
    return [name for name in names if os.path.lexists(name) and os.readlink(name) == str(root)]


def test_a_directory_that_is_not_there_closes_those_before_it(tmp_path: Path) -> None:
    settings = Settings(static=[f"/here={tmp_path}", f"/there={tmp_path / 'none'}"])
    with pytest.raises(UsageError, match="/none cannot be served"):
        in_front(settings, [], [])
    assert open_directories(tmp_path) == []


def test_a_fallback_that_is_no_name_opens_nothing(tmp_path: Path) -> None:
    settings = Settings(static=[f"/here={tmp_path}"], static_fallback="../index.html")
    with pytest.raises(UsageError, match="--static-fallback"):
        in_front(settings, [], [])
    assert open_directories(tmp_path) == []


def test_a_private_directory_that_is_not_there_closes_those_before_it(tmp_path: Path) -> None:
    settings = Settings(
        static=[f"/here={tmp_path}"],
        accel_redirect=[f"/here={tmp_path}", f"/there={tmp_path / 'none'}"],
    )
    behind = in_front(settings, [], [])
    assert isinstance(behind, Interface)
    assert len(open_directories(tmp_path)) == 1
    with pytest.raises(UsageError, match="/none cannot be served"):
        handing_over(settings, behind)
    assert open_directories(tmp_path) == []
