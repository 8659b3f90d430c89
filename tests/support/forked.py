"""Calls a function in a process of its own: for what cannot be taken back."""

import os
import pickle
import warnings
from collections.abc import Callable
from typing import Any


def in_child(call: Callable[[], Any]) -> Any:
    """Return what `call` returns, or raise what it raises, in a forked process."""
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        # From Python 3.12 on it warns where threads run, as those of pytest-xdist do; they hold
        # no lock that the child needs.
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        try:
            try:
                result = (call(), None)
            except BaseException as error:
                result = (None, error)
            os.write(writer, pickle.dumps(result))
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader, "rb") as file:
        data = file.read()
    os.waitpid(pid, 0)
    value, error = pickle.loads(data)
    if error is not None:
        raise error
    return value
