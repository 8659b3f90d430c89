"""The time zone of the process, which Django sets when its settings are used."""

import os
import sys

from bascule.variables import TZ


def sets_time_zone() -> bool:
    """Whether the zone of this process is that of TIME_ZONE."""
    conf = sys.modules.get("django.conf")
    if conf is None or not conf.settings.configured:
        return False
    return bool(os.environ.get(TZ) == conf.settings.TIME_ZONE)
