"""What only a GPU can show, in some minutes: equal bits, the golden tables of a study, and speed beside the peers.

``python tests/extended/check_gpu.py [TIMES.csv]`` needs ``nnsim[cuda]`` and a GPU; PyTorch and JAX take part where they
are installed. It exits with 1 where a bit differs. In Numba's simulator (NUMBA_ENABLE_CUDASIM=1) it shows the bits of
the smallest study alone.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

sys.path.extend(str(Path(__file__).resolve().parents[1] / part) for part in (".", "studies", "bits", "kernels"))

import cuda_cases
import test_golden

from nnsim.experiment.executors.gpu import run_in_batches
from nnsim.kernels.cuda.decorators import simulated
from nnsim.training.device import current_device


def differing() -> list[str]:
    """Return the cases and the golden tables that have other bits on this device."""
    wrong = (
        [] if simulated else [name for name in cuda_cases.CASES if not cuda_cases.equal_runs([cuda_cases.job_of(name)])]
    )
    wrong += [] if simulated else [name for name, check in cuda_cases.OTHERS.items() if not check()]
    for name in ("tiny",) if simulated else ("tiny", "small", "quick"):
        found = test_golden.digests(test_golden.CONFIGURATIONS[name], jobs=4, execute=run_in_batches)
        wrong += [
            f"{name} {table}" for table, digest in test_golden.golden(name)["files"].items() if found[table] != digest
        ]
    return wrong


def main(times: str) -> int:
    print("device:", current_device().name, flush=True)
    wrong = differing()
    print("bits:", ", ".join(wrong) or "all equal", flush=True)
    if not simulated:
        command = ["bench", "W6", "W6-adamw", "--networks", "4096", "--backend", "cuda", "-o", times]
        subprocess.run([sys.executable, "-m", "nnsim_cli", *command], check=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "times-gpu.csv"))
