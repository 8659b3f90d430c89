"""Compare generated heads: `python tests/fuzz/fuzz_heads.py COUNT [--seed N] [--h11-every N]`.

Each goes to both forms of the reader and to llhttp, and every so many-th to h11, which is slow.
Differences that support/http1_heads.py does not list are printed, and end the run.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from support.http1_heads import compare_head, heads

LOT = 10_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("count", type=int)
    parser.add_argument("--seed", type=int, default=1_000_000, help="that of the first lot")
    parser.add_argument("--h11-every", type=int, default=10)
    asked = parser.parse_args()
    taken = count = 0
    for seed in range(asked.seed, asked.seed + -(-asked.count // LOT)):
        for number, head in enumerate(heads(seed, min(LOT, asked.count - count))):
            try:
                seen = compare_head(head, with_h11=number % asked.h11_every == 0)
            except BaseException:
                print(f"failed on {head!r}, of lot {seed}")
                raise
            taken += seen.kind == "taken"
        count = min(asked.count, count + LOT)
    print(f"{count} heads, {taken} of them taken: no difference that is not listed")


if __name__ == "__main__":
    main()
