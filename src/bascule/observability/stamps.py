"""Time as the logs write it: ISO 8601, local, with its zone (2026-08-01T12:30:00+02:00).

Local is what the operator's system says, in every process of the server. An application may change
the zone of its own process: Django's TIME_ZONE does (`os.environ["TZ"]`, then `time.tzset()`), and
the lines of a worker would disagree with those of its supervisor. So the zone is remembered, and
where it has been changed, `zoneinfo` computes it. The usual case costs a comparison a second.
"""

import io
import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from bascule.registry import sets_zone
from bascule.variables import TZ

if TYPE_CHECKING:
    from datetime import tzinfo

# The zone of a system without the variable (tzset(3)).
LOCALTIME = "/etc/localtime"


class Zone:
    """The zone that a process had at some time.

    name: what TZ was, None for not set. offsets: what of the zone is visible in `time`.
    """

    def __init__(self, name: str | None) -> None:
        self.name = name
        self.offsets = (time.tzname, time.timezone, time.altzone)
        self._computed: "tzinfo | None" = None

    @property
    def is_current(self) -> bool:
        """Whether `time` still has it."""
        return os.environ.get(TZ) == self.name and self.offsets == (
            time.tzname,
            time.timezone,
            time.altzone,
        )

    def local(self, second: int) -> time.struct_time:
        """The local time, as of time.localtime, with its offset."""
        if self.is_current:
            return time.localtime(second)
        from datetime import UTC, datetime  # few processes have a use for it

        if self._computed is None:
            self._computed = computed(self.name)
        there = datetime.fromtimestamp(second, UTC).astimezone(self._computed)
        offset = there.utcoffset()
        assert offset is not None
        fields = there.timetuple()
        return time.struct_time(
            (*fields[:8], max(fields.tm_isdst, 0)),
            {"tm_zone": there.tzname(), "tm_gmtoff": int(offset.total_seconds())},
        )


def computed(name: str | None) -> "tzinfo":
    """The zone that TZ names, read as tzset(3) does; UTC where there is none."""
    from datetime import UTC
    from zoneinfo import ZoneInfo

    name = LOCALTIME if name is None else name.removeprefix(":")
    try:
        if os.path.isabs(name):
            with open(name, "rb") as file:
                return ZoneInfo.from_file(file)
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        pass
    try:
        return ZoneInfo.from_file(io.BytesIO(ruled(name)))
    except ValueError:
        return UTC


def ruled(rule: str) -> bytes:
    """A file of a zone that has nothing but a rule, such as CET-1CEST,M3.5.0,M10.5.0/3
    (RFC 8536 section 3)."""
    # One type of local time, which no moment uses, and the four bytes of its designation.
    head = b"TZif2" + bytes(15) + b"".join(n.to_bytes(4, "big") for n in (0, 0, 0, 0, 1, 4))
    block = head + bytes(6) + b"UTC\0"
    return block + block + b"\n" + rule.encode() + b"\n"


def zone_now() -> Zone:
    """Return the zone of this process now, or, where a framework has set it, the zone that the
    process was started with."""
    is_set = any(sets() for sets in sets_zone)
    return Zone(started_with(TZ) if is_set else os.environ.get(TZ))


def with_zone_at_start(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for another process that begins anew: with the zone that this one was
    started with, where a framework has set another."""
    other = {name: value for name, value in environ.items() if name != TZ}
    name = zone_now().name
    return other if name is None else {**other, TZ: name}


def started_with(variable: str) -> str | None:
    """A variable of the environment that the process was started with; where there is no /proc, of
    its environment as it is."""
    try:
        with open("/proc/self/environ", "rb") as file:
            lines = file.read().split(b"\0")
    except OSError:
        return os.environ.get(variable)
    found = [line for line in lines if line.startswith(variable.encode() + b"=")]
    return os.fsdecode(found[0].partition(b"=")[2]) if found else None


class Remembered:
    """The zone of the logs; None until `remember_zone` is called."""

    zone: Zone | None = None


def remember_zone() -> None:
    """Have all logs that are opened from now on keep the zone that this process has now."""
    Remembered.zone = zone_now()


class Stamp:
    """Formats moments; the text of one second is made once, because strftime costs microseconds.

    short: the time of day alone, for a developer's terminal.
    """

    def __init__(self, short: bool = False) -> None:
        self._short = short
        self._zone = Remembered.zone or zone_now()
        self._second = -1
        self._text = ""

    def __call__(self, moment: float) -> str:
        """The second that `moment` (seconds since the epoch) falls into."""
        second = int(moment)
        if second != self._second:
            self._text = self._format(second)
            self._second = second
        return self._text

    def _format(self, second: int) -> str:
        local = self._zone.local(second)
        if self._short:
            return time.strftime("%H:%M:%S", local)
        text = time.strftime("%Y-%m-%dT%H:%M:%S", local)
        offset = time.strftime("%z", local)
        return f"{text}{offset[:-2]}:{offset[-2:]}"
