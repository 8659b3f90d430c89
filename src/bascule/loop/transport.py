"""The contract of a transport: the behaviour that connections rely on.

asyncio's transports promise less than connections need, and its documentation leaves open what
happens at the edges: a write after a close, a pause with data at hand, a client that has gone.
Connections rely on this page alone. `tests/unit/loop/test_transport_contract.py`
holds every transport to it: our own, those of asyncio, uvloop and aiofastnet, plain and under TLS,
and the double that tests of connections use. A further transport must pass the same tests. Where
one of those falls short, the tests name it (`SHORTFALLS`).

Everything happens on the loop's thread. The methods may be called from inside the callbacks.
"""

from typing import Any, Protocol


class Callbacks(Protocol):
    """The callbacks of a transport: the asyncio protocol of a connection.

    `connection_made` comes first, and `connection_lost` last; each exactly once.
    """

    def connection_made(self, transport: Any) -> None:
        """The connection can be used. Under TLS its handshake is complete."""

    def data_received(self, data: bytes) -> None:
        """Bytes from the client, in the order it sent them: never empty, always `bytes`, and
        immutable for as long as they are kept."""

    def eof_received(self) -> bool:
        """The client has closed its sending side, and everything it sent before has been passed
        on. Called once at most. The transport closes if this returns False; under TLS it closes in
        any case, because a close_notify ends both sides."""

    def pause_writing(self) -> None:
        """More is written than the client reads. May be called from inside `write`; called once
        until `resume_writing`."""

    def resume_writing(self) -> None:
        """The client has caught up. Never called from inside `write`."""

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is gone. Never called from inside a method of the transport, so that the
        caller of `write`, `close` or `abort` finds the connection as it was."""


class Transport(Protocol):
    """The server's end of a connection."""

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return what is known of the connection, or the default: `peername` and `sockname`, as
        the socket gives them; `socket`, which may be waited for and written to by the kernel but
        not closed; under TLS `ssl_object`, whose handshake is complete, and `sslcontext`. Not
        asked for after `close` or `abort`."""

    def set_protocol(self, protocol: Callbacks) -> None:
        """Have every further callback made to another protocol. A callback that is made once,
        such as `pause_writing`, is not made to it again. May be called from inside a callback; the
        result of an `eof_received` that is running still counts."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send bytes behind those written before; never blocks. A `bytearray` must not be
        changed afterwards. After `close` or `abort`, and when the connection is broken, it does
        nothing, or sends the bytes behind the others; it does not raise."""

    def get_write_buffer_size(self) -> int:
        """Return how many bytes were written and not yet taken by the kernel, 0 when all have
        been. It need not be exact (TLS adds to what is written), but it changes while the client
        reads, and it is 0 only when nothing is left but what the kernel has."""

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set at how many bytes `pause_writing` and `resume_writing` are called. With high=0,
        `pause_writing` is called as soon as anything is left. Without arguments the limits are the
        usual ones again."""

    def can_write_eof(self) -> bool:
        """Whether `write_eof` can close the sending side alone: not under TLS."""

    def write_eof(self) -> None:
        """Close the sending side behind what is written. Reading continues. Raises OSError where
        the kernel knows already that the client has gone. Not called twice, nor followed by
        `write`."""

    def pause_reading(self) -> None:
        """Stop reading from the client. When it returns no `data_received` and no `eof_received`
        comes until `resume_reading`; what the client sends waits, bounded, and is not lost. Not
        called twice in a row."""

    def resume_reading(self) -> None:
        """Continue. Bytes that had arrived come in a later callback. See
        `resume_reading` in `loop/reading.py` for a transport that needs more than this."""

    def is_closing(self) -> bool:
        """Whether `close` or `abort` was called, or the connection is broken. True no later than
        in `connection_lost`."""

    def close(self) -> None:
        """Read no more; send what is written, then close. `connection_lost` comes behind that,
        however long it takes. A second call does nothing."""

    def abort(self) -> None:
        """Close now: what is not sent yet is lost. `connection_lost` comes soon, also after a
        `close` that waits for the client to read."""
