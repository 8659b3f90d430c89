"""Puts tests/ on the import path, so that shared helpers are imported as `support.NAME`."""

import os
import signal
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

# The helpers assert, too. Here, because no helper has been imported yet.
pytest.register_assert_rewrite("support")

# A shell has what it starts in the background ignore these, and servers would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGQUIT) is signal.SIG_IGN:
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)

# Tests write modules anew within a second and at the same size, which Python cannot tell from the
# bytecode it has. Our own modules keep theirs: each process would rewrite their assertions anew.
os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
sys.dont_write_bytecode = False
