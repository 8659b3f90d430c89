"""One UDP socket whose datagrams are the application's: the socket, one call, a bounded queue.

    read -> queue -> call -> application
    application -> send_datagram -> the kernel

All workers read from the same socket: each datagram goes to the worker that is first. Rejected: a
socket for each worker with SO_REUSEPORT. The kernel then spreads clients by a hash of addresses,
which changes when a worker comes or leaves, and discards what waits in the socket of one that
leaves. In the shared socket it waits for the next reader, also through a reload or an upgrade.

Reading pauses while the application lets much wait; the kernel's queue is the second bound, and
what it drops is counted (`SO_MEMINFO`).
"""

import logging
import socket
import struct
import sys
from collections import deque
from typing import Any

from bascule.connections.hub import Hub
from bascule.interfaces.asgi.call import AsgiCaller
from bascule.interfaces.asgi.udp import Peer, UdpCall, UdpCarrier
from bascule.interfaces.endpoint import Endpoint

logger = logging.getLogger("bascule")

# Datagrams that are read in one turn of the loop: others get their turn in between.
DATAGRAMS_A_TURN = 64
# How many may wait for the application, and how many bytes, before reading pauses.
MOST_WAITING = 1024
MOST_BYTES_WAITING = 1024 * 1024
# How many may wait for the kernel where the application does not await `send`.
MOST_UNSENT_DATAGRAMS = 64
# How many are taken from the kernel's queue when the worker stops: more than its usual size holds.
TAKEN_AT_STOP = 65536
# Seconds until an application is called again that has returned: at first, and at most, because
# each call that fails is logged.
CALLED_AGAIN_AFTER = 1.0
CALLED_AGAIN_AT_LAST = 60.0
# The longest datagram there is.
LONGEST = 65535

# socket(7); Linux only. Of its numbers, the ninth counts datagrams that were dropped.
SO_MEMINFO = 55
MEMORY = struct.Struct("9I")


class UdpSocket(UdpCarrier):
    """A bound socket, and the carrier of its call.

    interface: calls the application. address: as clients reach it. seconds: that a call has when
    the server stops.
    """

    __slots__ = (
        "address",
        "call",
        "called_at",
        "closed",
        "draining",
        "dropped",
        "fd",
        "hub",
        "interface",
        "is_reading",
        "pause_of_calls",
        "queue",
        "seconds",
        "size",
        "sock",
        "unsent",
    )

    def __init__(
        self, hub: Hub, interface: AsgiCaller, sock: socket.socket, address: str, seconds: float
    ) -> None:
        self.hub = hub
        self.interface = interface
        # Answers leave by it after the server has closed its listening sockets.
        self.sock = sock.dup()
        self.sock.setblocking(False)
        self.fd = self.sock.fileno()
        self.address = address
        self.seconds = seconds
        name = self.sock.getsockname()
        self.endpoint = Endpoint(None, (name[0], name[1]))
        self.congested = False
        self.queue: deque[tuple[bytes, Peer]] = deque()
        self.size = 0
        self.unsent: deque[tuple[bytes, Peer]] = deque()
        self.is_reading = False
        self.draining = False
        self.closed = False
        self.dropped = self.count_dropped()
        self.call: UdpCall | None = None
        self.called_at = 0.0
        self.pause_of_calls = CALLED_AGAIN_AFTER

    def open(self) -> None:
        """Begin to read, and call the application in the next turn of the loop."""
        self.read_on()
        self.hub.loop.call_soon(self.begin)

    def begin(self) -> None:
        """Call the application."""
        if self.closed or (self.call is not None and not self.call.has_returned):
            return
        self.called_at = self.hub.now
        self.call = UdpCall(self.interface, self, self.address, self.seconds)
        self.call.start()
        if self.draining:
            self.call.stop()

    # Reading.

    def read_on(self) -> None:
        if not self.is_reading and not self.draining and not self.closed:
            self.is_reading = True
            self.hub.loop.add_reader(self.fd, self.read)

    def pause(self) -> None:
        if self.is_reading:
            self.is_reading = False
            self.hub.loop.remove_reader(self.fd)

    def read(self) -> None:
        """Take datagrams from the kernel, and wake the application."""
        self.take(DATAGRAMS_A_TURN)
        if len(self.queue) >= MOST_WAITING or self.size >= MOST_BYTES_WAITING:
            self.pause()
        call = self.call
        if call is not None and self.queue:
            call.in_place = True
            call.wake_reader()
            call.in_place = False

    def take(self, count: int) -> None:
        """Move up to `count` datagrams from the kernel's queue to this one."""
        queue, receive = self.queue, self.sock.recvfrom
        for _ in range(count):
            try:
                data, peer = receive(LONGEST)
            except OSError:
                # None is there, or another reader of the socket was faster.
                return
            queue.append((data, (peer[0], peer[1]) if len(peer) == 2 else scoped(peer)))
            self.size += len(data)

    def next_datagram(self) -> tuple[bytes, Peer] | None:
        queue = self.queue
        if not queue:
            return None
        datagram = queue.popleft()
        self.size -= len(datagram[0])
        if not self.is_reading and len(queue) <= MOST_WAITING // 2:
            self.read_on()
        return datagram

    # Writing.

    def send_datagram(self, data: bytes, peer: Peer) -> None:
        check_host(self.sock.family, peer[0])
        if not self.unsent:
            try:
                self.sock.sendto(data, peer)
                return
            except (BlockingIOError, InterruptedError):
                self.hub.loop.add_writer(self.fd, self.write_on)
        if len(self.unsent) >= MOST_UNSENT_DATAGRAMS:
            self.hub.warn("udp send", f"{self.address}: the application sends without waiting")
            return
        self.congested = True
        self.unsent.append((data, peer))

    def write_on(self) -> None:
        """Send what waits: the kernel has room again."""
        unsent = self.unsent
        while unsent:
            try:
                self.sock.sendto(*unsent[0])
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                self.hub.warn("udp send", f"{self.address}: {error.strerror or error}")
            unsent.popleft()
        self.congested = False
        self.hub.loop.remove_writer(self.fd)
        if self.call is not None:
            self.call.resume_writing()

    # Called by the worker.

    def tick(self) -> None:
        """Call an application again that has returned, and report what the kernel has dropped."""
        if self.call is not None and not self.draining and self.call.has_returned:
            since = self.hub.now - self.called_at
            if since >= self.pause_of_calls:
                lasted = since >= CALLED_AGAIN_AT_LAST
                longer = min(2 * self.pause_of_calls, CALLED_AGAIN_AT_LAST)
                self.pause_of_calls = CALLED_AGAIN_AFTER if lasted else longer
                # Not here: this is a task, in which no other may begin.
                self.hub.loop.call_soon(self.begin)
        dropped = self.count_dropped()
        if dropped != self.dropped:
            count = (dropped - self.dropped) % 2**32
            self.dropped = dropped
            self.hub.warn(
                "udp",
                f"{self.address}: {count} datagrams were dropped, because the application did "
                "not receive them fast enough",
            )

    def count_dropped(self) -> int:
        """Return how many datagrams the kernel has dropped in all; 0 where it cannot tell."""
        if not sys.platform.startswith("linux"):
            return 0
        try:
            answer = self.sock.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, MEMORY.size)
        except OSError:
            return 0
        return int(MEMORY.unpack(answer)[8]) if len(answer) == MEMORY.size else 0

    def drain(self) -> None:
        """The worker stops: take what the kernel has, and no more after it."""
        if self.draining:
            return
        self.pause()
        self.take(TAKEN_AT_STOP)
        self.draining = True
        if self.call is not None and not self.call.has_returned:
            self.call.stop()

    def abort(self) -> None:
        """Close now."""
        if self.closed:
            return
        self.pause()
        self.closed = self.draining = True
        if self.unsent:
            self.hub.loop.remove_writer(self.fd)
        if self.queue:
            logger.warning("%s: %d datagrams were not received", self.address, len(self.queue))
        if self.call is not None:
            self.call.disconnect()
        self.sock.close()


def scoped(peer: Any) -> Peer:
    """Return host and port of an IPv6 address, with the scope of one that is link-local."""
    host, port, _, scope = peer
    return (f"{host}%{scope}" if scope and "%" not in host else host), port


def check_host(family: int, host: str) -> None:
    """Raise OSError for what is no address: a name would be looked up, and block the loop."""
    socket.inet_pton(family, host.partition("%")[0])
