"""Session tickets that every worker accepts: a client that comes back saves half of the handshake,
whichever worker it comes to.

A ticket (RFC 5077, RFC 8446 section 4.6.1) is the state of a session, encrypted with a key that
OpenSSL draws at random for each SSL_CTX. Connections go to any worker, so with two workers every
second ticket was useless, and with each worker more the rest as well.

The keys are made from a secret of the process that forks the workers, which they inherit, and from
what sessions depend on: certificate, authorities, whether clients show a certificate. So workers
that renew a changed certificate, each at its own time, agree again without a word, and no ticket
outlives the authorities that its client was checked by. A restart or an upgrade has another.

Rejected: making the context before the fork. Its keys would be shared, but contexts are made anew
when files change, by each worker for itself. Rejected too: a cache of sessions in shared memory,
because TLS 1.3 and nearly all clients of 1.2 use tickets.

`ssl` has no function for these keys, so ctypes calls OpenSSL's own. That needs the pointer to the
SSL_CTX, the first field of CPython's object, as aiofastnet reads it too. Nothing is taken on
trust: see `_context_pointer`. Where a check fails, tickets stay as they were: good for the worker
that gave them.
"""

import ctypes
import hashlib
import logging
import os
import ssl
from typing import Any

logger = logging.getLogger("bascule")

# SSL_CTX_ctrl's numbers in <openssl/tls1.h>, and the size of the keys since OpenSSL 1.1: a name of
# 16 bytes, 32 bytes for the HMAC, 32 bytes for AES-256.
GET_TICKET_KEYS = 58
SET_TICKET_KEYS = 59
KEYS_SIZE = 80

# SSL_CTX begins with its method, since OpenSSL 3 behind a pointer to the library's context.
FIELDS_SHOWN = 2
POINTER = ctypes.sizeof(ctypes.c_void_p)

_secret: list[bytes] = []


def shared_secret() -> bytes:
    """A secret of this process and of all that are forked from it after the first call."""
    if not _secret:
        _secret.append(os.urandom(32))
    return _secret[0]


def share_tickets(context: ssl.SSLContext, secret: bytes, *parts: bytes) -> bool:
    """Give `context`, of PROTOCOL_TLS_SERVER, keys made of `secret` and `parts`; False where this
    Python does not allow it, and then nothing has changed."""
    made = hashlib.shake_256(secret)
    for part in parts:
        made.update(hashlib.sha256(part).digest())
    try:
        return _set_keys(context, made.digest(KEYS_SIZE))
    except (ImportError, OSError, AttributeError, ValueError) as error:
        # Statically linked, another library than OpenSSL, no ctypes calls allowed.
        logger.debug("tickets of TLS sessions are not shared by workers: %r", error)
        return False


def _set_keys(context: ssl.SSLContext, keys: bytes) -> bool:
    import _ssl

    if not ssl.OPENSSL_VERSION.startswith("OpenSSL ") or ssl.OPENSSL_VERSION_INFO < (1, 1, 1):
        raise ValueError(ssl.OPENSSL_VERSION)
    # A handle on the extension finds the symbols of the very libraries that it is linked to.
    library = ctypes.CDLL(_ssl.__file__)
    pointer = _context_pointer(context, library)
    control = library.SSL_CTX_ctrl
    control.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.c_long, ctypes.c_void_p)
    control.restype = ctypes.c_long
    # Without a buffer OpenSSL tells the size that it expects.
    if control(pointer, SET_TICKET_KEYS, 0, None) != KEYS_SIZE:
        raise ValueError("ticket keys of another size")
    if control(pointer, SET_TICKET_KEYS, KEYS_SIZE, keys) != 1:
        raise ValueError("ticket keys were refused")
    found = ctypes.create_string_buffer(KEYS_SIZE)
    control(pointer, GET_TICKET_KEYS, KEYS_SIZE, found)
    return found.raw == keys


def _context_pointer(context: ssl.SSLContext, library: Any) -> int:
    """The SSL_CTX of a context. Raises ValueError where it is not where it should be.

    An SSL_CTX for servers is known by the address of its method, which OpenSSL tells. It is read
    through a pipe: write(2) checks whether the memory is there, where a wrong pointer that is
    followed would end the process.
    """
    header = object.__basicsize__
    if type(context).__basicsize__ < header + POINTER:
        raise ValueError("an SSLContext of another layout")
    pointer = ctypes.c_void_p.from_address(id(context) + header).value
    library.TLS_server_method.restype = ctypes.c_void_p
    method = library.TLS_server_method()
    if pointer is None or method not in _read_pointers(pointer):
        raise ValueError("an SSLContext of another layout")
    return pointer


def _read_pointers(address: int) -> list[int]:
    size = FIELDS_SHOWN * POINTER
    write = ctypes.CDLL(None, use_errno=True).write
    write.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t)
    write.restype = ctypes.c_ssize_t
    reader, writer = os.pipe()
    try:
        if write(writer, address, size) != size:
            raise ValueError("an SSLContext of another layout")
        data = os.read(reader, size)
    finally:
        os.close(reader)
        os.close(writer)
    return list(memoryview(data).cast("P"))
