"""HTTP-date (RFC 9110 section 5.6.7): written as IMF-fixdate, read in all three forms.

Not `email.utils`: it takes 0.4 MB of every worker, and it also reads time zones, missing weekdays
and other forms that HTTP does not have. A condition with an invalid date is ignored (sections
13.1.3 and 13.1.4), so reading too much would change which response is sent. Not `strftime` either,
which writes the names of the locale.
"""

import calendar
import re
import time

DAYS = (b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun")
MONTHS = b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
_DAY = rb"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_LONG_DAY = rb"(?:Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday)"
_MONTH = rb"(?P<month>Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_CLOCK = rb"(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})"
FORMS = (
    # IMF-fixdate
    re.compile(
        _DAY + rb", (?P<day>[0-9]{2}) " + _MONTH + rb" (?P<year>[0-9]{4}) " + _CLOCK + b" GMT"
    ),
    # rfc850-date
    re.compile(
        _LONG_DAY + rb", (?P<day>[0-9]{2})-" + _MONTH + rb"-(?P<year>[0-9]{2}) " + _CLOCK + b" GMT"
    ),
    # asctime-date
    re.compile(
        _DAY + b" " + _MONTH + rb" (?P<day>[ 0-9][0-9]) " + _CLOCK + rb" (?P<year>[0-9]{4})"
    ),
)
# "Interpret a timestamp that appears to be more than 50 years in the future as the past" (section
# 5.6.7), for years of two digits.
FURTHEST_YEARS = 50


def http_date(seconds: float) -> bytes:
    """Return the IMF-fixdate of a time in seconds since the epoch."""
    now = time.gmtime(seconds)
    day, month = DAYS[now.tm_wday], MONTHS[now.tm_mon - 1]
    clock = (now.tm_hour, now.tm_min, now.tm_sec)
    return b"%b, %02d %b %d %02d:%02d:%02d GMT" % (day, now.tm_mday, month, now.tm_year, *clock)


def parse_date(value: bytes) -> int | None:
    """Return the seconds since the epoch, or None for anything but an HTTP-date."""
    for form in FORMS:
        match = form.fullmatch(value)
        if match is not None:
            break
    else:
        return None
    year, day = int(match["year"]), int(match["day"])
    if len(match["year"]) == 2:
        this_year = time.gmtime().tm_year
        year += this_year - this_year % 100
        if year > this_year + FURTHEST_YEARS:
            year -= 100
    hour, minute, second = int(match["hour"]), int(match["minute"]), int(match["second"])
    month = MONTHS.index(match["month"]) + 1
    # 60 is a leap second.
    if year < 1 or hour > 23 or minute > 59 or second > 60:
        return None
    if not 1 <= day <= calendar.monthrange(year, month)[1]:
        return None
    return calendar.timegm((year, month, day, hour, minute, second))
