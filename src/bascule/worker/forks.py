"""Processes that the application forks do not behave as parts of the server.

`multiprocessing` with "fork", or a plain os.fork, gives the child a copy of everything that makes
this process a server: handlers that turn SIGTERM into a drain of a loop that does not run there,
the descriptor that wakes the loop up, listening sockets that would keep a port occupied,
connections that would stay open when the server has closed them, and the channel to the
supervisor. So signals are caught by `catch`, such descriptors are named to `hold`, and hooks of
os.fork undo both in the child:

- signals do what they do in any Python program, unless the application has set a handler of its
  own;
- descriptors are replaced by /dev/null. They are not closed, because Python objects in the child
  still own their numbers and would close whatever got such a number next;
- signals are blocked from before the fork until all that is done, so that a SIGTERM sent to the
  child in its first moment ends it.

Processes that Bascule forks itself are made inside `own_forks`; each of them takes what it needs.

Signals that a worker ignores have a handler that does nothing, `nothing`. SIG_IGN would not do:
programs that the application starts would ignore them as well, since it survives exec(3).
"""

import os
import signal
import socket
import stat
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType, MappingProxyType
from typing import Any

# A family of addresses, and a port or a path.
Place = tuple[int, Any]
Handler = Callable[[int, FrameType | None], Any]
# Returns descriptors that no child has a use for. Called in the child.
Descriptors = Callable[[], Iterable[int]]


class Serving:
    """The things that make this process a server.

    caught: signals, with our handlers.
    held: return the descriptors that are kept from children.
    has_hooks: the hooks of os.fork are installed.
    """

    def __init__(self) -> None:
        self.caught: dict[int, Handler] = {}
        self.held: list[Descriptors] = []
        self.has_hooks = False

    def clear(self) -> None:
        self.caught.clear()
        self.held.clear()


class ForkState(threading.local):
    """State of the thread that forks.

    is_ours: it forks a part of the server.
    mask: the signals that were blocked before.
    """

    is_ours = False
    mask: Iterable[int] | None = None


_serving = Serving()
_state = ForkState()


def catch(number: int, handler: Handler) -> None:
    """Handle a signal in this process, and not in those that are forked from it."""
    _install_hooks()
    signal.signal(number, handler)
    _serving.caught[number] = handler


def adopt_handler(number: int, handler: Handler) -> None:
    """Take over a handler that the process installed from which this one was forked."""
    _install_hooks()
    _serving.caught[number] = handler


def hold(descriptors: Descriptors) -> None:
    """Keep descriptors from processes that are forked from this one."""
    _install_hooks()
    _serving.held.append(descriptors)


@contextmanager
def own_forks() -> Iterator[None]:
    """Fork a part of the server in the block: the child begins with nothing caught or held, and
    closes by itself what it has inherited."""
    owner = os.getpid()
    _state.is_ours = True
    try:
        yield
    finally:
        _state.is_ours = False
        if os.getpid() != owner:
            _serving.clear()


@contextmanager
def restored(
    numbers: Iterable[int], instead: Mapping[int, Handler] = MappingProxyType({})
) -> Iterator[None]:
    """Undo, after the block, what it has caught of these signals, and what it has held.

    instead: the handlers that some of the signals get then, without a moment in between.
    """
    before = {number: signal.getsignal(number) for number in numbers}
    caught, held = dict(_serving.caught), list(_serving.held)
    owner = os.getpid()
    try:
        yield
    finally:
        if os.getpid() == owner:
            _serving.caught, _serving.held = caught, held
            for number, former in before.items():
                give_back(number, instead.get(number, former))


def give_back(number: int, former: Any) -> None:
    """Restore the handler of a signal. None stands for one that was not installed from Python."""
    signal.signal(number, signal.SIG_DFL if former is None else former)


def nothing(number: int, frame: FrameType | None) -> None:
    """Handle a signal by doing nothing."""


def numbers_of(sockets: Iterable[Any]) -> list[int]:
    """Return the descriptors of the sockets that are open."""
    return [number for number in (sock.fileno() for sock in sockets) if number >= 0]


def places(sockets: Sequence[socket.socket]) -> set[Place]:
    """Return where these sockets listen."""
    return {place_of(sock) for sock in sockets if sock.fileno() >= 0}


def place_of(sock: socket.socket) -> Place:
    """Return where a socket listens, or a connection was accepted.

    The address is left out: a connection has the one by which its client came, and the listening
    socket may have a wildcard.
    """
    name: Any = sock.getsockname()
    return sock.family, name[1] if isinstance(name, tuple) else name


def accepted_at(where: set[Place]) -> list[int]:
    """Return the descriptors of connections that were accepted there.

    They are read from /proc, because each event loop keeps its own to itself. Without /proc there
    are none.
    """
    found = []
    try:
        names = os.listdir("/proc/self/fd")
    except OSError:
        return []
    for number in map(int, names):
        try:
            if not stat.S_ISSOCK(os.fstat(number).st_mode):
                continue
            sock = socket.socket(fileno=number)
        except OSError:
            continue
        try:
            if place_of(sock) in where:
                found.append(number)
        except OSError:
            pass
        finally:
            sock.detach()
    return found


def _install_hooks() -> None:
    if not _serving.has_hooks:
        _serving.has_hooks = True
        os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)


def _before() -> None:
    if _serving.caught and not _state.is_ours:
        _state.mask = signal.pthread_sigmask(signal.SIG_BLOCK, _serving.caught)


def _in_parent() -> None:
    mask, _state.mask = _state.mask, None
    if mask is not None:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _in_child() -> None:
    if _state.is_ours:
        return
    if _serving.caught:
        signal.set_wakeup_fd(-1)
    for number, handler in _serving.caught.items():
        if signal.getsignal(number) == handler:
            is_interrupt = number == signal.SIGINT
            signal.signal(number, signal.default_int_handler if is_interrupt else signal.SIG_DFL)
    _replace([number for descriptors in _serving.held for number in descriptors()])
    _serving.clear()
    _in_parent()


def _replace(descriptors: Sequence[int]) -> None:
    if not descriptors:
        return
    null = os.open(os.devnull, os.O_RDWR)
    for number in descriptors:
        os.dup2(null, number, inheritable=False)
    os.close(null)
