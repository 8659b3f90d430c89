"""Puts tests/ on the import path, so that shared helpers are imported as `support.NAME`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
