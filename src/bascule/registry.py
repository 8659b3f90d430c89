"""Facts and functions that an upper package registers for a lower one.

Layers import downwards only, and the layers below `bascule.django` know nothing of Django. Where
they need something that only a package above them knows, that package puts it here when it is
imported, and they read it here.

own_code: directories, each with a separator at its end. Frames of code in them are left out of
    tracebacks that are shown to the author of an application.
before_fork: called in a process that has imported the application, before workers are forked from
    it (--preload): what they must not share, such as connections, is closed there.
sets_zone: each returns whether a framework has set the time zone of this process. Then the logs
    keep the one that the process was started with.
"""

from collections.abc import Callable

own_code: list[str] = []
before_fork: list[Callable[[], None]] = []
sets_zone: list[Callable[[], bool]] = []
