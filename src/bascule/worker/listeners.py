"""The listening sockets of a server: from the operator, or else from systemd."""

import logging
import os
import socket
from collections.abc import MutableMapping, Sequence

from bascule.address import ListenAddress
from bascule.errors import UsageError
from bascule.settings import Settings
from bascule.sockets.bind import close_listeners, describe, open_listeners
from bascule.sockets.named import open_named_listeners, without_stale
from bascule.sockets.systemd import activated
from bascule.sockets.unix import UnixListener
from bascule.worker.privileges import Identity

logger = logging.getLogger("bascule")


def listening_sockets(
    settings: Settings,
    owner: Identity | None = None,
    environ: MutableMapping[str, str] = os.environ,
) -> list[socket.socket]:
    """Open the sockets of the settings; without any in the settings, take those of systemd.

    owner: whose the files of UNIX sockets become. environ: has what systemd says, and is without
    it afterwards. Raises BindError, or UsageError for an owner that cannot be.
    """
    sockets = _opened(settings, environ)
    try:
        sockets += open_named_listeners(listen_addresses(settings), settings.backlog)
    except BaseException:
        close_listeners(sockets)
        raise
    if owner is None:
        return sockets
    for sock in sockets:
        if isinstance(sock, UnixListener):
            try:
                sock.give_to(owner.uid, owner.gid)
            except OSError as error:
                where = describe(sock, "")
                close_listeners(sockets)
                raise UsageError(
                    f"{owner.source}: {where} cannot be given to them: {error.strerror or error}."
                ) from None
    return sockets


def listen_addresses(settings: Settings) -> list[ListenAddress]:
    """Return the addresses of `--listen`."""
    return [address for address, _ in settings.listen]


def complete(settings: Settings, sockets: Sequence[socket.socket]) -> list[socket.socket]:
    """Return sockets that a caller or a predecessor has opened, with those of `--listen` that are
    not among them, and without those of addresses that the settings no longer have.

    Raises BindError.
    """
    addresses = listen_addresses(settings)
    kept = without_stale(sockets, addresses)
    return [*kept, *open_named_listeners(addresses, settings.backlog, kept)]


def _opened(settings: Settings, environ: MutableMapping[str, str]) -> list[socket.socket]:
    claimed = [address.address for address in listen_addresses(settings)]
    given = [one for one in activated(environ, os.getpid()) if one not in claimed]
    if given and not settings.says_where_to_listen:
        return open_listeners(given, settings.backlog)
    unused = [str(address) for address in given if address not in settings.addresses]
    if unused:
        logger.warning(
            "unused sockets of the service manager: %s. "
            "Leave the settings out that say where to listen, or name these too.",
            ", ".join(unused),
        )
    return open_listeners(settings.addresses, settings.backlog)
