"""Raising an exception in another thread, and taking it back.

threaded.py explains when that is allowed, and how the exception is kept from coming out in the
wrong place. CPython raises the exception at the next of the points in Python code at which it also
checks for signals. So a thread that waits inside C code, for a lock, a socket or `time.sleep`,
gets the exception when that has returned.

Imported only where requests have a deadline: ctypes is large.
"""

import ctypes
from threading import get_ident

from bascule.errors import RequestTimeout

# With no argument types None is NULL, which is what takes an exception back.
set_async_exc = ctypes.pythonapi.PyThreadState_SetAsyncExc


def strike(ident: int) -> bool:
    """Raise RequestTimeout in a thread; False when there is no such thread."""
    struck: int = set_async_exc(ctypes.c_ulong(ident), ctypes.py_object(RequestTimeout))
    return struck > 0


def take_back() -> None:
    """Cancel an exception that was sent to the calling thread and has not come out."""
    set_async_exc(ctypes.c_ulong(get_ident()), None)
