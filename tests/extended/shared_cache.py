"""Fill one cache from several processes again and again, use it in many random orders, and look at its names.

python tests/extended/shared_cache.py
python tests/extended/shared_cache.py --rounds 4 --orders 50
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.extend(str(Path(__file__).resolve().parents[1] / part) for part in (".", "studies", "bits", "kernels"))

import cache_scan
import test_golden
import test_shared_cache


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=2, help="caches that are filled, each in another way")
    parser.add_argument("--orders", type=int, default=100, help="random orders in which each is used")
    options = parser.parse_args()
    works = sorted({*test_shared_cache.WORKS, *test_golden.training_names()})
    bad = 0
    for number in range(options.rounds):
        with tempfile.TemporaryDirectory() as name:
            start, cache, seed = time.perf_counter(), Path(name), 1000 * (number + 1)
            test_shared_cache.fill(cache, works, seed)
            failed = test_shared_cache.failures(cache, works, seed + 100, options.orders)
            count, codes = cache_scan.scan(cache)
            clashes = cache_scan.ambiguous(codes)
            seconds = time.perf_counter() - start
            print(f"{options.orders} orders, failed: {failed}; {count} objects, {len(codes)} names,", end=" ")
            print(f"{len(clashes)} with more than one code; {seconds:.0f} s", flush=True)
            bad += len(failed) + len(clashes)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
