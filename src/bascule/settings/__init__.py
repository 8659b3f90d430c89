"""Settings: each declared once, read from the command line, the environment and files.

load_settings   what the operator said, merged and checked
DEVELOPMENT     a preset for it: the defaults that differ in development
Settings        the values, as attributes
OPTIONS         the declarations, by name
"""

from bascule.settings.load import DEVELOPMENT, Settings, load_settings
from bascule.settings.options import OPTIONS

__all__ = ["DEVELOPMENT", "OPTIONS", "Settings", "load_settings"]
