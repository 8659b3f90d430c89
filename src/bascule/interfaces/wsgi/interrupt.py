"""Raising an exception in another thread, and taking it back.

When that may be done, and how it is kept from coming out in the wrong place, is in
`wsgi_threaded`. CPython raises the exception at the next of the points in Python code at which it
also looks for signals. So a thread that waits inside C code, for a lock, a socket or `time.sleep`,
hears of it when that has come back.

Imported where requests have a deadline, only: ctypes is large.
"""

import ctypes
from threading import get_ident

from bascule.errors import RequestTimeout

# With no argument types None is NULL, which is what takes an exception back.
set_async_exc = ctypes.pythonapi.PyThreadState_SetAsyncExc


def strike(ident: int) -> bool:
    """Have RequestTimeout raised in a thread; False when there is no such thread."""
    struck: int = set_async_exc(ctypes.c_ulong(ident), ctypes.py_object(RequestTimeout))
    return struck > 0


def take_back() -> None:
    """Of the calling thread: what was sent to it and has not come out never will."""
    set_async_exc(ctypes.c_ulong(get_ident()), None)
