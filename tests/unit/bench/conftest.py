import sys
from pathlib import Path

# bench/ is no package; its programs are started there.
sys.path.append(str(Path(__file__).parents[3] / "bench"))
