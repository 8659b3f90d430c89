"""A file that a thread reads: what the carrier says meanwhile is for later."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from bascule.interfaces.exchange import Carrier
from bascule.interfaces.static.caching import CachePolicy
from bascule.interfaces.static.files import File, Files
from bascule.interfaces.static.http import StaticExchange
from bascule.interfaces.static.tree import Tree
from bascule.protocols.events import Request
from support.files import is_open, slow_disk, untold_directory


@pytest.fixture
def untold() -> Iterator[Path]:
    """A directory whose file system cannot say what is in memory."""
    with untold_directory() as directory:
        yield directory


class Recorder(Carrier):
    """A carrier that keeps what it is given."""

    __slots__ = ("given",)

    def __init__(self) -> None:
        self.congested = False
        self.given: list[tuple[object, ...]] = []

    def respond(
        self,
        status: int,
        fields: list[tuple[bytes, bytes]],
        body: bytes,
        end: bool,
        reason: bytes = b"",
    ) -> None:
        self.given.append((status, body, end))

    def send(self, data: bytes, end: bool) -> None:
        self.given.append((data, end))

    def abort(self) -> None:
        self.given.append(("abort",))


def test_a_carrier_that_is_free_again_does_not_end_the_wait(
    untold: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stream of HTTP/2 can begin while its connection is congested, and hear of the end."""
    (untold / "a.txt").write_bytes(b"content")
    files = Files(Tree(str(untold)), CachePolicy(), 0)
    file = files.find(b"a.txt")
    assert isinstance(file, File)
    carrier = Recorder()
    request = Request("GET", b"/a.txt", b"/a.txt", b"", "1.1", [], -1, True, False)

    async def serve() -> None:
        exchange = StaticExchange(request, carrier, files, file)
        exchange.start()
        exchange.resume_writing()
        assert carrier.given == []
        disk.answers.set()
        while not carrier.given:
            await asyncio.sleep(0)

    with slow_disk(monkeypatch) as disk:
        asyncio.run(serve())
    assert carrier.given == [(200, b"content", True)]
    assert not is_open(untold / "a.txt")
    files.close()


def test_a_disk_that_fails(untold: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (untold / "a.txt").write_bytes(b"content")
    files = Files(Tree(str(untold)), CachePolicy(), 0)
    file = files.find(b"a.txt")
    assert isinstance(file, File)
    carrier = Recorder()
    request = Request("GET", b"/a.txt", b"/a.txt", b"", "1.1", [], -1, True, False)

    def fail(*_: object) -> bytes:
        raise OSError(5, "Input/output error")

    async def serve() -> None:
        StaticExchange(request, carrier, files, file).start()
        while not carrier.given:
            await asyncio.sleep(0)

    monkeypatch.setattr(os, "pread", fail)
    asyncio.run(serve())
    assert [given[0] for given in carrier.given] == [503]
    assert not is_open(untold / "a.txt")
    files.close()
